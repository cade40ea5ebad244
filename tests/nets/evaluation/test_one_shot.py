import numpy as np
import pytest

from sfp_viz.core.evidence.sensitivity import collect_sensitivity, loss
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.errors import PlanError
from sfp_viz.nets.data.datasets import Images
from sfp_viz.nets.evaluation.measure import count_right
from sfp_viz.nets.evaluation.one_shot import (
    measure_sensitivity_points,
    sensitivity_tasks,
    single_cut,
)
from sfp_viz.nets.pruning.compensation import reestimate
from sfp_viz.nets.pruning.prune import prune
from sfp_viz.nets.pruning.training_views import as_trained
from sfp_viz.nets.tracing.read_network import read_network


def images(count, split="test", seed=0):
    draw = np.random.default_rng(seed)
    pixels = draw.integers(0, 256, (count, 3, 8, 8), dtype=np.uint8)
    return Images("noise", split, pixels, draw.integers(0, 5, count))


def test_the_whole_network_comes_first_then_every_group_that_can_be_cut(residual_model):
    network = read_network(residual_model)
    todo = sensitivity_tasks(network, Recipe(coupled="protect"), (0.5, 0.9))
    assert todo[:2] == (("", 0), ("", 1))
    names = {name for name, _ in todo[2:]}
    assert names == {group.name for group in network.free}
    coupled = [g for g in network.free if len(g.layers) > 1]
    assert coupled
    assert (coupled[0].name, coupled[0].size // 2) in todo


def test_widths_that_come_out_alike_are_measured_once(plain_model):
    network = read_network(plain_model)
    todo = sensitivity_tasks(network, Recipe(), (0.5, 0.501, 0.999, 1e-6))
    assert len(todo) == len(set(todo))
    sizes = {group.name: group.size for group in network.groups}
    assert all(1 <= kept < sizes[name] for name, kept in todo[2:])


def test_a_point_is_what_pruning_that_group_alone_leaves(tiny_model):
    network, recipe = read_network(tiny_model), Recipe()
    calibration, test = images(300, "train", 1), images(64)
    todo = sensitivity_tasks(network, recipe, (0.5,))
    found = list(
        measure_sensitivity_points(
            tiny_model, network, recipe, todo=todo, calibration=calibration, test=test
        )
    )
    assert [(name, kept) for name, kept, _ in found] == list(todo)
    assert found[0][2] == count_right(tiny_model, test)
    assert found[1][2] == count_right(
        reestimate(tiny_model, as_trained(tiny_model, calibration)), test
    )
    for name, kept, right in found[2:]:
        plan = single_cut(network, recipe, name, kept)
        assert [r.group for r in plan.removals] == [name]
        assert len(plan.removed(name)) == network.group(name).size - kept
        small = prune(tiny_model, plan, calibration=calibration, network=network)
        assert right == count_right(small, test)
    known = collect_sensitivity(network, recipe, found, data="noise, test", images=len(test))
    assert all(loss(known, name, kept) >= 0 for name, kept, _ in found[2:])


def test_protected_groups_and_impossible_widths_are_refused(plain_model):
    network = read_network(plain_model)
    size = network.group("conv1").size
    with pytest.raises(PlanError, match="cannot be pruned to"):
        single_cut(network, Recipe(), "conv1", size)
    with pytest.raises(PlanError, match="cannot be pruned to"):
        single_cut(network, Recipe(), "conv1", 0)
