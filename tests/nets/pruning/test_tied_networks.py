"""A network all of whose layers are tied is pruned by tied layers from the start, and says so."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.allocation.reasons import width_reason
from sfp_viz.core.cost.cost import all_tied, cost
from sfp_viz.core.plan.recipe import Recipe, uniform_l1
from sfp_viz.core.plan.request import Request
from sfp_viz.core.selection.planner import make_plan_for
from sfp_viz.nets.model import Model
from sfp_viz.nets.pruning.prune import prune
from sfp_viz.nets.tracing.read_network import read_network
from sfp_viz.text.groups import tied_note


class Branches(nn.Module):
    """A 3x3 and a 1x1 convolution that are added, as in RepVGG."""

    def __init__(self, ins: int, outs: int) -> None:
        super().__init__()
        self.wide, self.narrow = nn.Conv2d(ins, outs, 3, padding=1), nn.Conv2d(ins, outs, 1)

    def forward(self, maps: Tensor) -> Tensor:
        return torch.relu(self.wide(maps) + self.narrow(maps))


def tied() -> nn.Module:
    torch.manual_seed(0)
    blocks = [Branches(3, 20), Branches(20, 24), Branches(24, 24)]
    return nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(24, 5)).eval()


@pytest.mark.parametrize("recipe", [uniform_l1(0.5), Recipe(0.5)])
def test_tied_layers_are_pruned_together_where_there_are_no_others(recipe):
    model = Model(tied(), name="tied", input_shape=(3, 8, 8))
    network = read_network(model)
    assert all_tied(network)
    assert recipe.coupled == "protect"
    problem = Problem.of(network, Request(recipe))
    plan = make_plan_for(problem)
    assert cost(network, plan).macs <= 0.5 * cost(network).macs
    small = prune(model, plan, network=network)
    assert cost(read_network(small)).macs == cost(network, plan).macs
    assert width_reason(problem, "0.wide", 20).kind != "tied"
    assert "tied layers are pruned together" in tied_note(network, recipe)


def test_a_network_with_other_layers_keeps_the_tied_ones_whole():
    module = nn.Sequential(nn.Conv2d(3, 18, 3), *tied()[1:])
    module[1] = Branches(18, 24)
    network = read_network(Model(module.eval(), name="mixed", input_shape=(3, 8, 8)))
    assert not all_tied(network)
    assert not tied_note(network, uniform_l1(0.1))
    plan = make_plan_for(Problem.of(network, Request(uniform_l1(0.1))))
    assert {removal.group for removal in plan.removals} == {"0"}
