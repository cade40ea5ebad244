"""Trained weights of torchvision and timm: fetched when asked for, and opened like any network."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from sfp_viz.core.named_network import NamedNetwork, PublishedWeights
from sfp_viz.errors import DataError, ModelError
from sfp_viz.nets.data.download import fetch_file
from sfp_viz.nets.io.state_dict import read_state
from sfp_viz.nets.model import Model
from sfp_viz.nets.zoo import build
from sfp_viz.nets.zoo.recognize import published

Progress = Callable[[str, float], None]  # the file's name, and the share of it that is here, 0..1
# torchvision sets the epsilon of their norms to 0 for these weights
_NO_EPSILON = {
    (f"{name}_resnet50_fpn", "COCO_V1")
    for name in ("fasterrcnn", "maskrcnn", "keypointrcnn", "retinanet")
}
_EPSILON = 1e-5  # of the norms that we build


def load_pretrained(
    network: NamedNetwork, weights: PublishedWeights, *, progress: Progress
) -> Model:
    """A network with trained weights, which are downloaded where they are not on this machine.

    They are kept where torch keeps such files, so that other programs need not fetch them again.

    Args:
        network: From ``named_networks``.
        weights: One of ``network.weights``.
        progress: Called with (file, share 0..1); what it raises ends the download.

    Raises:
        ModelError: The weights cannot be downloaded or opened.
    """
    path = _file(network, weights)
    file = Path(weights.url).name
    checksum = re.search(r"-([0-9a-f]{8,64})\.\w+$", file)  # torch's own way to name such files
    name = network.name.rpartition(":")[2]
    try:
        if not (path.is_file() and path.stat().st_size and checksum is None):
            fetch_file(
                weights.url, path, progress=progress, sha256=checksum[1] if checksum else "",
                advice=f"copy the file to {path}; the untrained network opens without it",
            )  # fmt: skip
    except DataError as problem:
        raise ModelError(str(problem)) from problem
    if network.name.startswith("timm:"):
        return _of_timm(f"{name}.{weights.name}", path)
    return _of_torchvision(name, weights.name, path)


def is_here(network: NamedNetwork, weights: PublishedWeights) -> bool:
    """Whether the weights are on this machine already.

    Args:
        network: A network by name.
        weights: One of its published weights.
    """
    return _file(network, weights).is_file()


def _file(network: NamedNetwork, weights: PublishedWeights) -> Path:
    """Where torch or huggingface_hub keep the file; where torch does, if neither has it yet."""
    import torch.hub

    folder, file = Path(torch.hub.get_dir()) / "checkpoints", Path(weights.url).name
    if not (hub := re.match(r"https://huggingface\.co/([^/]+/[^/]+)/resolve/main/", weights.url)):
        return folder / file
    from huggingface_hub import try_to_load_from_cache

    kept = try_to_load_from_cache(hub[1], file)
    name = f"{network.name.rpartition(':')[2]}.{weights.name}{Path(file).suffix}"
    return Path(kept) if isinstance(kept, str) else folder / name


def _of_torchvision(name: str, weights: str, path: Path) -> Model:
    architecture = f"torchvision:{name}"
    state = dict(read_state(path))
    arguments: dict[str, Any] = {}
    if any(key.startswith("aux_classifier") for key in state):
        arguments["aux_loss"] = True
    if name in ("googlenet", "inception_v3"):  # published with heads that run in training alone
        arguments["transform_input"] = True
        state = {k: t for k, t in state.items() if not k.lower().startswith("aux")}
    module = build.build(architecture, arguments)
    if (name, weights) in _NO_EPSILON:  # (x - mean) / sqrt(var - eps + eps)
        state = {k: _less(t) if k.endswith("running_var") else t for k, t in state.items()}
    counts = {k: t for k, t in module.state_dict().items() if k.endswith("num_batches_tracked")}
    build.load_weights(module, {**counts, **state}, path.name)
    return _model(module, architecture, arguments, f"{name}, {weights}")


def _less(variance: Tensor) -> Tensor:
    return variance - _EPSILON


def _of_timm(name: str, path: Path) -> Model:
    import timm

    build.layout(f"timm:{name}", {})  # bounds what is built
    try:
        module = timm.create_model(
            name, pretrained=True, pretrained_cfg_overlay={"file": str(path), "hf_hub_id": None}
        )
    except Exception as problem:  # whatever timm raises on weights that do not fit
        lines = str(problem).strip().splitlines() or [type(problem).__name__]
        raise ModelError(
            f"The weights of timm:{name} in {path} cannot be opened: {lines[0][:200]}. Delete the "
            "file to fetch it again, or open the network untrained."
        ) from problem
    return _model(module.eval(), f"timm:{name}", {}, name)


def _model(module: Any, architecture: str, arguments: Mapping[str, Any], name: str) -> Model:
    usual = published(architecture)
    return Model(
        module,
        name=name,
        input_shape=usual.input_shape,
        mean=usual.mean,
        std=usual.std,
        classes=build.count_classes(module, usual.input_shape),
        architecture=architecture,
        arguments=arguments,
    )
