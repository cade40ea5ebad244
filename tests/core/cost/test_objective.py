"""The quick count of every goal, against the plain one."""

import time

import numpy as np
import pytest

from sfp_viz.core.cost.cost import cost_of_widths
from sfp_viz.core.cost.latency_table import estimate
from sfp_viz.core.cost.objective import IncrementalCost, objective_of
from sfp_viz.errors import PlanError, RecipeError
from tests.core.fake_evidence import large, table_of

NETS = ["plain", "residual", "depthwise", "concat", "grouped"]
GOALS = ["macs", "params", "memory", "latency"]


def plainly(network, goal, kept):
    """The value of a goal, by the slow functions that are its definition."""
    widths = {g.name: int(n) for g, n in zip(network.groups, kept, strict=True)}
    if goal == "latency":
        return estimate(network, table_of(network), widths)
    found = cost_of_widths(network, widths)
    return {"macs": found.macs, "params": found.params, "memory": found.peak_activation_bytes}[goal]


def any_widths(network, rng):
    return np.array(
        [g.size if g.protected else rng.integers(1, g.size + 1) for g in network.groups]
    )


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("goal", GOALS)
def test_it_is_the_plain_count_of_any_widths(name, goal, request):
    network, rng = request.getfixturevalue(name), np.random.default_rng(0)
    count = objective_of(network, goal, table_of(network))
    for _ in range(30):
        kept = any_widths(network, rng)
        expected = plainly(network, goal, kept)
        if goal == "latency":
            assert count(kept) == pytest.approx(expected, rel=1e-12)
        else:
            assert count(kept) == expected


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("goal", GOALS)
def test_a_walk_knows_what_each_step_saves(name, goal, request):
    """Up and down at random; for memory, of the sum of what is above the budget."""
    network, rng = request.getfixturevalue(name), np.random.default_rng(1)
    count = objective_of(network, goal, table_of(network))
    budget = 0.4 * count(count.sizes)
    walk = IncrementalCost(count, count.sizes, budget)
    for _ in range(40):
        group = int(rng.integers(len(count.sizes)))
        units = int(rng.integers(-3, 4))
        if not 1 <= walk.kept[group] - units <= count.sizes[group]:
            continue
        before, foretold = walk.total, walk.saving(group, units)
        walk.move(group, units)
        assert before - walk.total == pytest.approx(foretold, abs=1e-9)
        if goal != "memory":
            assert walk.total == pytest.approx(count(walk.kept), rel=1e-12)
        assert walk.met == (count(walk.kept) <= budget)


def test_latency_without_times_or_with_those_of_other_weights_is_refused(plain, concat):
    with pytest.raises(RecipeError, match="Measure the layers first"):
        objective_of(plain, "latency")
    with pytest.raises(PlanError, match="other weights"):
        objective_of(plain, "latency", table_of(concat))


@pytest.mark.parametrize("goal", GOALS)
def test_counting_once_takes_far_less_than_5_ms(goal):
    network, _ = large()
    count = objective_of(network, goal, table_of(network))
    times = []
    for _ in range(20):
        start = time.perf_counter()
        count(count.sizes)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.002
