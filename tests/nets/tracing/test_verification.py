"""The zeroed-channel check finds what tracing gets wrong, and only that."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import Tensor, nn

from sfp_viz.core.network import Cause
from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.plan import Plan, Removal
from sfp_viz.core.plan.reason import Reason
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.errors import SurgeryError
from sfp_viz.nets.model import Model
from sfp_viz.nets.pruning.prune import prune
from sfp_viz.nets.tracing import factored_linear
from sfp_viz.nets.tracing.read_network import read_network
from sfp_viz.nets.tracing.verification import output_gap, with_random_weights


class Weighted(nn.Module):
    """Channels are weighted by their place, which the tracer takes for an elementwise step."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 20, 3), nn.Conv2d(20, 18, 3)
        self.third, self.fc = nn.Conv2d(18, 8, 1), nn.Linear(8, 5)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.first(images).relu()
        maps = maps * torch.arange(1, 1 + maps.shape[1], device=maps.device)[:, None, None]
        return self.fc(self.third(self.second(maps).relu()).mean((2, 3)))


class Normalized(Weighted):
    """A channel is divided by the length of all of them."""

    def forward(self, images: Tensor) -> Tensor:
        maps = nn.functional.softmax(self.first(images), 1)
        return self.fc(self.third(self.second(maps).relu()).mean((2, 3)))


@pytest.mark.parametrize(("kind", "what"), [(Weighted, "mul"), (Normalized, "softmax")])
def test_a_group_that_would_be_cut_wrongly_is_protected_and_the_others_are_free(kind, what):
    network = read_network(Model(kind().eval(), name="net", input_shape=(3, 8, 8)))
    assert [group.name for group in network.free] == ["second", "third"]
    assert network.group("first").cause == Cause("rearranged", operation=what)


def test_dead_weights_do_not_hide_a_wrong_cut():
    module = Weighted().eval()
    with torch.no_grad():
        module.second.weight.zero_()
    network = read_network(Model(module, name="net", input_shape=(3, 8, 8)))
    assert network.group("first").protected


def test_a_wrong_cut_is_not_handed_out():
    model = Model(Weighted().eval(), name="net", input_shape=(3, 8, 8))
    removal = Removal("first", (0, 1, 5), (Reason("by_hand"),) * 3)
    with pytest.raises(SurgeryError, match="was not returned"):
        prune(model, Plan(model.digest, Recipe(), Edits(model.digest), (removal,)))


def test_redrawn_copies_are_the_same_each_time_and_leave_the_original(residual_model):
    images = torch.ones(1, 3, 8, 8, dtype=torch.float64)
    with torch.no_grad():
        outputs = [with_random_weights(residual_model.module, (3, 8, 8))(images) for _ in range(2)]
    assert torch.equal(*outputs)
    assert next(residual_model.module.parameters()).dtype == torch.float32


def test_disagreement_is_a_share_of_the_scale_and_endless_for_broken_outputs():
    one, other = torch.tensor([0.0, 10.0]), torch.tensor([1.0, 10.0])
    assert output_gap([one], [other]) == pytest.approx(0.1)
    assert output_gap([one], [torch.tensor([float("nan"), 1.0])]) == float("inf")
    assert output_gap([one], [torch.zeros(3)]) == float("inf")


def test_reading_a_large_network_takes_little_memory():
    """VGG-16-BN on 224 x 224 pixels needed 4.4 GB. 1.2 of the 1.5 GB are torch and the network."""
    code = """
import torch, torchvision
from sfp_viz.nets.model import Model
from sfp_viz.nets.tracing import factored_linear
from sfp_viz.nets.tracing.read_network import read_network
network = read_network(Model(torchvision.models.vgg16_bn(), name="v", input_shape=(3, 224, 224)))
status = open("/proc/self/status").read()  # ru_maxrss starts with that of the parent
print(len(network.free), int(status.split("VmHWM:")[1].split()[0]) / 2**20)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    free, gigabytes = done.stdout.split()
    assert free == "13"
    assert float(gigabytes) < 1.55


def test_large_linear_layers_have_stand_ins_in_trials_and_are_cut_right(monkeypatch):
    monkeypatch.setattr(factored_linear, "MOST_WEIGHTS", 100)
    torch.manual_seed(0)
    parts = [nn.Conv2d(3, 20, 3), nn.ReLU(), nn.Flatten(), nn.Linear(720, 12), nn.ReLU()]
    module = nn.Sequential(*parts, nn.Linear(12, 5)).eval()
    assert set(factored_linear.stand_ins(module)) == {module[3]}
    network = read_network(Model(module, name="net", input_shape=(3, 8, 8)))
    assert [(group.name, group.protected) for group in network.groups] == [
        ("0", False),
        ("3", False),
    ]
    assert (
        read_network(Model(Weighted().eval(), name="net", input_shape=(3, 8, 8)))
        .group("first")
        .protected
    )
