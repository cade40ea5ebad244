"""Trained weights by name: what we build of a file is what torchvision and timm build of it."""

import hashlib
import urllib.request
from dataclasses import replace

import pytest
import torch
from torchvision import models

import sfp_viz as sfp
from sfp_viz.core.named_network import NamedNetwork, PublishedWeights
from sfp_viz.errors import ModelError
from sfp_viz.nets.io.pretrained import load_pretrained

RESNET = NamedNetwork("torchvision:resnet18", "classification", 11_689_512, (3, 224, 224))


def random_state(module, *, seed=0):
    """Random values under the names of a module's state, at which signals neither fade nor grow."""
    draw = torch.Generator().manual_seed(seed)

    def values(name, tensor):
        if not tensor.is_floating_point():
            return tensor
        if name.endswith("running_var"):
            return torch.rand(tensor.shape, generator=draw) * 0.1 + 0.05
        inputs = max(1, tensor[0].numel()) if tensor.ndim > 1 else 4
        return torch.randn(tensor.shape, generator=draw) / (3 * inputs**0.5)

    return {name: values(name, tensor) for name, tensor in module.state_dict().items()}


@pytest.fixture
def published(tmp_path, monkeypatch):
    """Put a state where torch keeps downloads, under a name with its checksum."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: pytest.fail("downloads"))

    def published(state) -> PublishedWeights:
        folder = tmp_path / "hub" / "checkpoints"
        folder.mkdir(parents=True, exist_ok=True)
        torch.save(state, folder / "new.pth")
        digest = hashlib.sha256((folder / "new.pth").read_bytes()).hexdigest()[:8]
        (folder / "new.pth").rename(folder / f"net-{digest}.pth")
        return PublishedWeights("V1", f"https://example.org/net-{digest}.pth")

    return published


@pytest.mark.parametrize(
    ("name", "weights", "size"),
    [
        ("resnet18", "IMAGENET1K_V1", 64),
        ("googlenet", "IMAGENET1K_V1", 64),
        ("lraspp_mobilenet_v3_large", "COCO_WITH_VOC_LABELS_V1", 64),
        ("fcn_resnet50", "COCO_WITH_VOC_LABELS_V1", 64),
        ("retinanet_resnet50_fpn", "COCO_V1", 128),
    ],
)
def test_a_network_of_torchvision_computes_what_torchvision_loads(
    name, weights, size, published, monkeypatch
):
    enum = models.get_model_weights(name)[weights]
    options = {"aux_loss": True} if name == "fcn_resnet50" else {}
    if name == "googlenet":
        options = {"init_weights": False}
    backbone = {} if name in ("resnet18", "googlenet") else {"weights_backbone": None}
    state = random_state(models.get_model(name, weights=None, **backbone, **options))
    state = {key: tensor for key, tensor in state.items() if not key.endswith("tracked")}
    monkeypatch.setattr(type(enum), "get_state_dict", lambda *_, **__: state)
    with torch.random.fork_rng():
        theirs = models.get_model(name, weights=enum).eval()
    kind = "detection" if name.startswith("retina") else "classification"
    network = NamedNetwork(f"torchvision:{name}", kind, 0, (3, size, size))
    file = replace(published(state), name=weights)
    ours = load_pretrained(network, file, progress=lambda *_: None)
    if kind == "detection":  # boxes of random weights say nothing: compare the features
        images = torch.rand(2, 3, size, size)
        pairs = zip(ours.module.backbone(images).values(), theirs.backbone(images).values(),
                    strict=True)  # fmt: skip
    else:
        images = torch.rand(2, 3, size, size)
        with torch.no_grad():
            outputs = ours.module(images), theirs(images)
        if isinstance(outputs[0], dict):
            pairs = zip(*(value.values() for value in outputs), strict=True)
        else:
            pairs = [outputs]
    for one, other in pairs:
        scale = other.abs().max()
        assert (one - other).abs().max() < 1e-5 * scale
    assert ours.source.known


def test_weights_of_timm_are_read_as_timm_reads_them(published, tmp_path):
    import timm

    theirs = timm.create_model("resnet10t", pretrained=False)
    state = random_state(theirs)
    theirs.load_state_dict(state)
    weights = published(state)
    ours = load_pretrained(
        NamedNetwork("timm:resnet10t", "classification", 0, (3, 176, 176)),
        replace(weights, name="c3_in1k"),
        progress=lambda *_: None,
    )
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(ours.module(images), theirs.eval()(images))
    assert (ours.architecture, ours.input_shape) == ("timm:resnet10t.c3_in1k", (3, 176, 176))
    assert ours.classes == 1000
    sfp.save_model(ours, tmp_path / "kept.safetensors")
    assert sfp.load_model(tmp_path / "kept.safetensors").digest == ours.digest


def test_offline_says_so_and_names_the_way_on(tmp_path, monkeypatch):
    def offline(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(urllib.request, "urlopen", offline)
    weights = PublishedWeights("V1", "https://example.org/resnet18-f37072fd.pth")
    with pytest.raises(ModelError, match=r"no route to host.*the untrained network opens"):
        load_pretrained(RESNET, weights, progress=lambda *_: None)


def test_a_download_that_is_cancelled_leaves_nothing(tmp_path, monkeypatch):
    class Response:
        headers = {"Content-Length": "1000000"}  # noqa: RUF012

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

        def read(self, size):
            return b"x" * 1000

    class Cancel(BaseException):
        pass

    def progress(file, share):
        if share > 0.005:
            raise Cancel

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: Response())
    weights = PublishedWeights("V1", "https://example.org/resnet18-f37072fd.pth")
    with pytest.raises(Cancel):
        load_pretrained(RESNET, weights, progress=progress)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
