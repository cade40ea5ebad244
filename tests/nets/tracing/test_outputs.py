"""Networks that give maps, several tensors or boxes: what they give is read, and they are cut."""

import pytest
import torch
from torch import nn

import sfp_viz as sfp
from sfp_viz.core.network_json import network_from_json, network_to_json
from sfp_viz.nets.model import Model
from sfp_viz.text.outputs import outputs_sentence


class Upscaling(nn.Module):
    """A small network for super-resolution."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 32, 3, padding=1), nn.Conv2d(32, 24, 3, padding=1)
        self.last, self.shuffle = nn.Conv2d(24, 4, 3, padding=1), nn.PixelShuffle(2)

    def features(self, images):
        return torch.relu(self.second(torch.relu(self.first(images))))

    def forward(self, images):
        return self.shuffle(self.last(self.features(images)))


class Several(Upscaling):
    def forward(self, images):
        maps = self.features(images)
        return {"image": self.shuffle(self.last(maps)), "logits": maps.mean((2, 3))[:, :10]}


class Boxes(Upscaling):
    def forward(self, images):
        maps = self.last(self.features(images))
        return [{"boxes": row.reshape(-1, 4)[:7], "scores": row.flatten()[:7]} for row in maps]


def model_of(module: nn.Module) -> Model:
    torch.manual_seed(0)
    return Model(type(module)().eval(), name="images", input_shape=(1, 8, 8))


@pytest.mark.parametrize(
    ("module", "outputs", "sentence"),
    [
        (
            Upscaling(), (("output", (1, 16, 16)),),
            "It gives 1 × 16 × 16 values for each image.",
        ),
        (
            Several(), (("image", (1, 16, 16)), ("logits", (10,))),
            "It gives image (1 × 16 × 16) and logits (10) for each image.",
        ),
        (
            Boxes(), (("boxes", (4,)), ("scores", ())),
            "It gives boxes (4) and scores for each image.",
        ),
    ],
)  # fmt: skip
def test_what_a_network_gives_is_read_and_kept(module, outputs, sentence):
    network = sfp.read_network(model_of(module))
    assert network.outputs == outputs
    assert outputs_sentence(network) == sentence
    weights = {layer.name: layer.weight for layer in network.layers}
    assert network_from_json(network_to_json(network), weights).outputs == outputs
    assert "first" in [group.name for group in network.free]


def test_a_classifier_has_classes_instead(tiny_model):
    network = sfp.read_network(tiny_model)
    assert network.outputs == ()
    assert '"outputs"' not in network_to_json(network)
    assert outputs_sentence(network) == ""


@pytest.mark.parametrize("module", [Upscaling(), Several()])
def test_it_is_planned_pruned_saved_and_opened_without_a_loss(module, tmp_path):
    model = model_of(module)
    network, recipe = sfp.read_network(model), sfp.Recipe(0.3)
    plan = sfp.make_plan(network, sfp.analyze(network, recipe), recipe)
    small = sfp.prune(model, plan, network=network)
    sfp.save_model(small, tmp_path / "small.safetensors")
    again = sfp.load_model(tmp_path / "small.safetensors")
    assert (again.digest, again.classes) == (small.digest, 0)
    assert sfp.read_network(again).outputs == network.outputs
