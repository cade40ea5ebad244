"""Sharing out by curves of damage and by one threshold, against plain twins and by property."""

import time
from itertools import product

import numpy as np
import pytest

from sfp_viz.core.allocation.allocate import allocate, allocated_widths
from sfp_viz.core.allocation.damage_curves import hull_pieces
from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.allocation.strategies import (
    Budget,
    by_curves,
    functional_curves,
    sensitivity_curves,
)
from sfp_viz.core.cost.cost import cost_of_widths
from sfp_viz.core.cost.objective import objective_of
from sfp_viz.core.evidence.sensitivity import loss
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.core.plan.request import Request
from tests.core.fake_evidence import evidence_of, large, observations_of, sensitivity_of, table_of

NETS = ["plain", "residual", "depthwise", "concat", "grouped"]
GOALS = ["macs", "params", "memory", "latency"]


def convex(sizes, seed=0):
    """Rising curves that get steeper, of very different heights."""
    rng = np.random.default_rng(seed)
    return {
        name: rng.uniform(0.1, 10) * np.cumsum([0, *np.sort(rng.random(size))])
        for name, size in sizes.items()
    }


def greedy(network, curves, budget, low):
    """The slow twin: always the single unit with the smallest rise per MAC saved."""
    kept = {group.name: group.size for group in network.groups}
    while (now := cost_of_widths(network, kept).macs) > budget:
        prices = []
        for name, curve in curves.items():
            gone = network.group(name).size - kept[name]
            if kept[name] > low:
                less = cost_of_widths(network, {**kept, name: kept[name] - 1}).macs
                prices.append(((curve[gone + 1] - curve[gone]) / (now - less), name))
        kept[min(prices)[1]] -= 1
    return kept


def total(curves, count, kept):
    gone = count.sizes - kept
    return sum(curves[name][m] for name, m in zip(count.names, gone, strict=True))


@pytest.mark.parametrize("seed", range(5))
def test_on_convex_curves_it_is_the_unit_by_unit_greedy_and_gives_back(plain, seed):
    count = objective_of(plain, "macs")
    curves = convex({g.name: g.size for g in plain.groups}, seed)
    budget = 0.5 * count(count.sizes)
    low = np.array([2, 2, 2])
    found = by_curves(Budget(count, budget, low, count.sizes), curves)
    kept = dict(zip(count.names, found.kept.tolist(), strict=True))
    slow = greedy(plain, curves, budget, 2)
    assert count(found.kept) <= budget
    assert all(kept[name] >= slow[name] for name in kept)
    assert sum(kept.values()) - sum(slow.values()) <= 3


def test_it_is_near_the_best_of_all_widths(plain_of):
    """Brute force over all widths of a small network, on curves that are not convex."""
    network, ratios = plain_of(widths=(6, 8, 7)), []
    count = objective_of(network, "macs")
    budget = 0.5 * count(count.sizes)
    every = np.array(list(product(*(range(1, size + 1) for size in count.sizes))))
    fitting = every[[count(kept) <= budget for kept in every]]
    for seed in range(20):
        rng = np.random.default_rng(seed)
        curves = {g.name: np.cumsum([0, *rng.random(g.size) ** 2]) for g in network.groups}
        found = by_curves(Budget(count, budget, np.ones(3, int), count.sizes), curves)
        best = min(total(curves, count, kept) for kept in fitting)
        ratios.append(total(curves, count, found.kept) / best)
    assert np.mean(ratios) < 1.1
    assert max(ratios) < 1.6


def test_a_cliff_behind_a_flat_start_and_a_plateau_behind_a_cliff_do_not_mislead(plain):
    """conv2 loses nothing up to 12 units, then everything; conv3 a little at once, then nothing."""
    curves = {
        "conv1": np.linspace(0, 100, 17),
        "conv2": np.array([0.0] * 13 + [50.0] * 12),
        "conv3": np.array([0.0] + [0.5] * 32),
    }
    count = objective_of(plain, "macs")
    found = by_curves(Budget(count, 0.5 * count(count.sizes), np.ones(3, int), count.sizes), curves)
    conv1, conv2, conv3 = found.kept.tolist()
    assert conv1 == 16
    assert conv2 >= 12
    assert conv3 < 32


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("goal", GOALS)
@pytest.mark.parametrize("allocation", ["functional", "sensitivity", "pooled"])
@pytest.mark.parametrize("rounding", [1, 4])
def test_the_goal_is_met_and_no_step_more_would_meet_it(name, goal, allocation, rounding, request):
    network = request.getfixturevalue(name)
    evidence = evidence_of(network)
    recipe = Recipe(
        goal=goal, allocation=allocation, rounding=rounding, target_reduction=0.2,
        coupled="shared", max_ratio=0.95,
    )  # fmt: skip
    found = allocate(Problem(network, Request(recipe), evidence))
    count = objective_of(network, goal, evidence.latency)
    kept = np.array(list(found.kept.values()))
    most = 0.8 * count(count.sizes)
    assert count(kept) <= most + 1e-6
    assert all(kept >= found.low)
    for place, group in enumerate(network.groups):
        assert kept[place] % found.step == 0 or kept[place] in (group.size, found.low[place])
        if kept[place] < group.size:
            more = kept.copy()
            more[place] = min(kept[place] + found.step, group.size)
            assert count(more) > most - 1e-6
    again = allocated_widths(Problem(network, Request(recipe), evidence_of(network)))
    assert again == found.kept


def test_memory_is_only_cut_where_the_peak_is(plain):
    """conv2 reads 16 and writes 24, conv3 reads 24 and writes 32: the peak is at conv3."""
    kept = allocated_widths(
        Problem(plain, Request(Recipe(goal="memory", target_reduction=0.2, allocation="uniform")))
    )
    assert kept["conv1"] == 16
    assert kept["conv2"] + kept["conv3"] == int(0.8 * 56)


def test_a_group_that_was_not_seen_stays_whole(plain):
    for allocation in ("functional", "sensitivity"):
        recipe = Recipe(allocation=allocation, target_reduction=0.3)
        kept = allocated_widths(
            Problem(plain, Request(recipe), evidence_of(plain, skip=("conv2",)))
        )
        assert kept["conv2"] == 24
        assert min(kept["conv1"] - 16, kept["conv3"] - 32) < 0


def test_pooled_keeps_what_reaches_one_threshold(plain):
    """Slow twin: the fewest scores that must go, from the least important up."""
    recipe = Recipe(allocation="pooled", target_reduction=0.4, max_ratio=0.99)
    found = allocate(Problem(plain, Request(recipe)))
    layers = {n: np.abs(plain.layer(n).weight).sum(axis=(1, 2, 3)) for n in found.kept}
    scores = {n: s / s.mean() for n, s in layers.items()}
    for name, part in scores.items():
        kept = int((part >= found.widths.level).sum())
        assert kept <= found.kept[name] <= kept + 3
    below = min(s for part in scores.values() for s in part if s >= found.widths.level)
    one_more = {n: int((s > below).sum()) for n, s in scores.items()}
    assert cost_of_widths(plain, one_more).macs < 0.6 * cost_of_widths(plain, {}).macs


def test_functional_curves_are_energy_times_the_logarithm_of_what_is_left(plain):
    seen = observations_of(plain)
    curves = functional_curves(seen)
    for name, curve in curves.items():
        share = np.trace(seen.readers_gram[name] @ seen.covariance[name]) / seen.power[name]
        lost = np.array(seen.elimination(name).errors)
        half = len(curve) // 2
        assert curve[0] == 0
        assert curve[half] == pytest.approx(-share * np.log(1 - lost[half]))
        assert np.all(np.diff(curve) >= 0)
        assert np.isfinite(curve[-1]), "a group that runs dry costs much, but not without end"


def test_sensitivity_curves_order_as_the_points_lost(plain):
    known = sensitivity_of(plain)
    curves = sensitivity_curves(known)
    for name, curve in curves.items():
        size = plain.group(name).size
        assert len(curve) == size + 1
        assert np.all(np.diff(curve) >= 0)
        lost = [loss(known, name, size - gone) for gone in range(size)]
        assert curve[0] == lost[0] == 0


def test_pieces_are_the_lower_hull():
    assert hull_pieces(np.array([0.0, 0, 0, 6, 6, 6, 6]), 0, 6, 1) == [(2, 0.0), (4, 6.0)]
    assert hull_pieces(np.array([0.0, 1, 1, 1, 1]), 1, 4, 1) == [(3, 1.0)]
    assert hull_pieces(np.array([0.0, 1, 3, 6, 10]), 0, 4, 2) == [(2, 3.0), (2, 7.0)]
    assert hull_pieces(np.array([0.0, 1, 3]), 2, 2, 1) == []


@pytest.mark.parametrize("goal", GOALS)
def test_curves_of_a_network_as_large_as_resnet50_take_less_than_100_ms(goal):
    network, _ = large()
    count = objective_of(network, goal, table_of(network))
    curves = convex(dict(zip(count.names, count.sizes, strict=True)))
    low = np.ceil(0.1 * count.sizes).astype(int)
    times = []
    for _ in range(3):
        start = time.perf_counter()
        found = by_curves(Budget(count, 0.5 * count(count.sizes), low, count.sizes), curves)
        times.append(time.perf_counter() - start)
    assert count(found.kept) <= 0.5 * count(count.sizes)
    assert min(times) < 0.1
