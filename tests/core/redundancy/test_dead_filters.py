"""Dead filters are counted for each group, and a layer without a live one is named."""

import numpy as np
import pytest

from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.plan.reason import Reason
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.core.plan.request import Request
from sfp_viz.core.redundancy.dead_filters import DeadFilters, dead_filters
from sfp_viz.core.selection.analysis import analyze, analyze_group
from sfp_viz.core.selection.planner import make_plan
from tests.core.conftest import plain_network


def network(dead: dict[str, tuple[int, ...]]):
    """Three layers of 16, 24 and 32 filters, some of whose weights are all 0."""
    ins, outs = {"conv1": 3, "conv2": 16, "conv3": 24}, {"conv1": 16, "conv2": 24, "conv3": 32}
    weights = {}
    for name, units in dead.items():
        draw = np.random.default_rng(len(name))
        weights[name] = draw.normal(size=(outs[name], ins[name], 3, 3)).astype(np.float32)
        weights[name][list(units)] = 0
    return plain_network(weights=weights)


def test_a_network_without_dead_filters_has_none():
    assert dead_filters(network({})) == ()


def test_dead_filters_are_counted_group_by_group():
    found = dead_filters(network({"conv1": (2, 5), "conv3": (31,)}))
    assert found == (DeadFilters("conv1", 16, (2, 5), ()), DeadFilters("conv3", 32, (31,), ()))


def test_the_analysis_of_a_group_counts_the_same_filters():
    read = network({"conv1": (2, 5)})
    assert analyze_group(Problem(read, Request(Recipe())), "conv1", 8).dead == 2
    assert analyze_group(Problem(read, Request(Recipe())), "conv2", 8).dead == 0


def test_a_layer_that_is_wholly_dead_is_named_and_keeps_one_filter():
    read = network({"conv2": tuple(range(24))})
    found = dead_filters(read)
    assert found == (DeadFilters("conv2", 24, tuple(range(24)), ("conv2",)),)
    recipe = Recipe(target_reduction=0.5)
    removal = next(
        one
        for one in make_plan(read, analyze(read, recipe), recipe).removals
        if one.group == "conv2"
    )
    assert set(removal.reasons) == {Reason("dead")}


def test_one_dead_layer_of_a_group_is_named_though_its_units_live(residual):
    from dataclasses import replace

    group = next(group for group in residual.groups if len(group.layers) > 1)
    gone = group.layers[1]
    layers = tuple(
        replace(layer, weight=np.zeros_like(layer.weight)) if layer.name == gone else layer
        for layer in residual.layers
    )
    (found,) = dead_filters(replace(residual, layers=layers))
    assert (found.group, found.units, found.layers) == (group.name, (), (gone,))


def test_weights_that_are_not_finite_are_left_to_those_who_say_so():
    read = network({"conv1": (1,)})
    from dataclasses import replace

    weight = read.layers[0].weight.copy()
    weight[0] = np.nan
    broken = replace(read, layers=(replace(read.layers[0], weight=weight), *read.layers[1:]))
    assert dead_filters(broken) == ()


@pytest.mark.parametrize("told", [True, False])
def test_an_analysis_tells_each_group_before_it_is_compared(told):
    lines: list[str] = []
    analyze(network({}), Recipe(), progress=lines.append if told else None)
    assert lines == (
        [f"Comparing the {n} filters of '{name}', {i} of 3"
         for i, (name, n) in enumerate({"conv1": 16, "conv2": 24, "conv3": 32}.items(), 1)]
        if told else []
    )  # fmt: skip
