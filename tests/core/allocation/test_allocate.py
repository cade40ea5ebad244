import time
from dataclasses import replace

import numpy as np
import pytest

from sfp_viz.core.allocation.allocate import allocated_widths, bounds, pooled_scores
from sfp_viz.core.allocation.feasibility import (
    Limit,
    UnreachableTarget,
    largest_reduction,
    rounded_down,
)
from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.allocation.reasons import width_reason
from sfp_viz.core.allocation.rounding import unrounded
from sfp_viz.core.cost.cost import cost, cost_of_widths
from sfp_viz.core.cost.objective import objective_of
from sfp_viz.core.evidence.evidence import Evidence
from sfp_viz.core.network import Network
from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.core.plan.request import Request
from sfp_viz.core.selection.analysis import analyze, analyze_group
from sfp_viz.core.selection.planner import make_plan
from sfp_viz.errors import PlanError, RoundingWarning
from tests.core.fake_evidence import large, table_of

SPREAD = {"conv1": 0.9, "conv2": 0.4, "conv3": 0.7}
NETS = ["plain", "residual", "depthwise", "concat", "grouped"]


def spread_of(network, seed=0):
    rng = np.random.default_rng(seed)
    return {group.name: float(rng.uniform(0.2, 1)) for group in network.free}


def macs(network, kept):
    return cost_of_widths(network, kept).macs


def within(network, kept, target):
    return macs(network, kept) <= (1 - target) * cost(network).macs + 1e-6


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("target", [0.0, 0.1, 0.3])
@pytest.mark.parametrize("allocation", ["dispersion", "uniform"])
def test_the_target_is_met_and_no_single_unit_more_would_meet_it(name, target, allocation, request):
    network = request.getfixturevalue(name)
    recipe = Recipe(target_reduction=target, allocation=allocation, coupled="shared")
    kept = allocated_widths(Problem(network, Request(recipe), dispersions=spread_of(network)))
    assert within(network, kept, target)
    for group in network.free:
        if kept[group.name] < group.size:
            more = {**kept, group.name: kept[group.name] + 1}
            assert not within(network, more, target)


def test_pooled_scores_a_tied_group_as_its_filters_are_chosen(residual):
    """With 'pacesetter' by the first layer alone, also after another recipe has been asked."""
    group = residual.group("stem")
    for coupled in ("shared", "pacesetter", "shared"):
        recipe = Recipe(allocation="pooled", criterion="fpgm", coupled=coupled)
        scores = analyze_group(Problem(residual, Request(recipe)), "stem", 8).importance
        found = dict(zip(residual.groups, pooled_scores(residual, recipe, Evidence()), strict=True))
        np.testing.assert_allclose(found[group], scores / scores.mean())


def test_it_is_the_largest_feasible_step_of_the_formula(plain):
    """A slow twin: walk down every tau at which a width changes, then give back one by one."""
    recipe = Recipe(target_reduction=0.5)
    sizes = {group.name: group.size for group in plain.groups}

    def at(tau):
        return {
            name: min(max(int(np.floor(min(tau * SPREAD[name] ** 2, 1) * n + 0.5)), -(-n // 10)), n)
            for name, n in sizes.items()
        }

    steps = [
        (k + 0.5 + 1e-9) / (n * SPREAD[name] ** 2) for name, n in sizes.items() for k in range(n)
    ]
    tau = next(t for t in sorted(steps, reverse=True) if within(plain, at(t), 0.5))
    kept = at(tau)
    given = True
    while given:
        given = False
        for name in sorted(sizes, key=lambda name: -SPREAD[name]):
            more = {**kept, name: min(kept[name] + 1, sizes[name])}
            if more != kept and within(plain, more, 0.5):
                kept, given = more, True
    assert allocated_widths(Problem(plain, Request(recipe), dispersions=SPREAD)) == kept


def test_target_0_leaves_everything_whole(plain):
    kept = allocated_widths(
        Problem(
            plain, Request(Recipe(target_reduction=0.0)), dispersions=dict.fromkeys(SPREAD, 0.0)
        )
    )
    assert kept == {"conv1": 16, "conv2": 24, "conv3": 32}


def test_less_dispersion_keeps_a_smaller_share(plain):
    kept = allocated_widths(
        Problem(plain, Request(Recipe(target_reduction=0.4)), dispersions=SPREAD)
    )
    shares = [kept[name] / plain.group(name).size for name in ("conv2", "conv3", "conv1")]
    assert shares == sorted(shares)


def test_gamma_0_is_uniform(plain):
    zero = allocated_widths(Problem(plain, Request(Recipe(gamma=0)), dispersions=SPREAD))
    assert zero.keys() == SPREAD.keys()
    # Only the order in which single units are given back may differ.
    uniform = allocated_widths(
        Problem(plain, Request(Recipe(allocation="uniform")), dispersions=SPREAD)
    )
    assert zero == uniform


def test_a_larger_gamma_is_less_uniform(plain):
    def gap(gamma):
        kept = allocated_widths(
            Problem(plain, Request(Recipe(target_reduction=0.4, gamma=gamma)), dispersions=SPREAD)
        )
        return kept["conv1"] / 16 - kept["conv2"] / 24

    assert gap(0) < gap(1) < gap(4)


def test_more_reduction_never_keeps_more_macs(plain):
    left = [
        macs(
            plain,
            allocated_widths(
                Problem(plain, Request(Recipe(target_reduction=t)), dispersions=SPREAD)
            ),
        )
        for t in np.linspace(0, 0.95, 20)
    ]
    assert left == sorted(left, reverse=True)


def test_a_group_of_duplicates_does_not_break_the_search(plain):
    kept = allocated_widths(
        Problem(plain, Request(Recipe(target_reduction=0.3)), dispersions={**SPREAD, "conv2": 0.0})
    )
    assert within(plain, kept, 0.3)
    assert kept["conv2"] >= 3


@pytest.mark.parametrize("ratio", [0.0, 0.3, 0.5, 0.9])
def test_no_group_loses_more_than_the_largest_ratio(plain, ratio):
    low, high = bounds(Problem(plain, Request(Recipe(max_ratio=ratio))))
    for fewest, most, group in zip(low, high, plain.groups, strict=True):
        assert 1 - fewest / group.size <= ratio
        assert most == group.size


@pytest.mark.parametrize("step", [2, 4, 8])
def test_kept_units_are_multiples_of_the_rounding_or_whole(plain, step):
    kept = allocated_widths(
        Problem(plain, Request(Recipe(rounding=step, target_reduction=0.4)), dispersions=SPREAD)
    )
    assert within(plain, kept, 0.4)
    assert all(n % step == 0 or n == plain.group(name).size for name, n in kept.items())


def test_rounding_gives_way_where_the_target_could_not_be_met(plain):
    kept = allocated_widths(
        Problem(plain, Request(Recipe(rounding=16, target_reduction=0.9)), dispersions=SPREAD)
    )
    assert within(plain, kept, 0.9)


def test_multiples_are_kept_where_the_target_allows_them_and_the_others_are_named(plain):
    most = largest_reduction(Problem(plain, Request(Recipe())))
    for target in np.linspace(0.5, most, 8):
        problem = Problem(plain, Request(Recipe(rounding=8, target_reduction=float(target))))
        kept = allocated_widths(problem)
        assert within(plain, kept, target)
        off = unrounded(problem, kept)
        names = {g.name for g in plain.groups if kept[g.name] < g.size and kept[g.name] % 8}
        assert names == set(off.by_target if off else ())
        if off:
            assert off.most < target
            assert not within(plain, dict(kept) | _on_eights(plain, kept), target)
    by_hand = Edits(plain.digest, ratios=(("conv1", 0.3),))
    problem = Problem(plain, Request(Recipe(rounding=8, target_reduction=0.0), by_hand))
    off = unrounded(problem, allocated_widths(problem))
    assert off is not None
    assert (off.by_target, off.by_hand) == ((), ("conv1",))


def _on_eights(network, kept):
    return {g.name: min(g.size, -(-kept[g.name] // 8) * 8) for g in network.groups}


def test_a_plan_off_the_rounding_warns(plain):
    recipe = Recipe(rounding=16, target_reduction=0.9)
    with pytest.warns(RoundingWarning, match="keep no multiple of 16 filters .*at most"):
        make_plan(plain, analyze(plain, recipe), recipe)


def test_rounding_above_the_size_leaves_a_group_whole(plain):
    kept = allocated_widths(
        Problem(plain, Request(Recipe(rounding=20, target_reduction=0.2)), dispersions=SPREAD)
    )
    assert kept["conv1"] == 16
    assert within(plain, kept, 0.2)


def test_protected_groups_stay_whole(concat):
    kept = allocated_widths(Problem(concat, Request(Recipe()), dispersions=spread_of(concat)))
    assert kept["head"] == 10


def test_coupled_groups_stay_whole_unless_shared_or_set_by_hand(residual):
    spread = spread_of(residual)
    recipe = Recipe(target_reduction=0.3, allocation="uniform")
    assert allocated_widths(Problem(residual, Request(recipe), dispersions=spread))["stem"] == 16
    assert (
        allocated_widths(
            Problem(residual, Request(replace(recipe, coupled="shared")), dispersions=spread)
        )["stem"]
        < 16
    )
    edits = Edits(residual.digest).with_ratio("stem", 0.25)
    assert (
        allocated_widths(Problem(residual, Request.of(recipe, edits), dispersions=spread))["stem"]
        == 12
    )


def test_a_ratio_by_hand_is_kept_exactly_and_the_rest_makes_up_for_it(plain):
    edits = Edits(plain.digest).with_ratio("conv2", 0.25)
    kept = allocated_widths(Problem(plain, Request.of(Recipe(), edits), dispersions=SPREAD))
    assert kept["conv2"] == 18
    assert within(plain, kept, 0.5)
    assert (
        kept["conv3"]
        < allocated_widths(Problem(plain, Request(Recipe()), dispersions=SPREAD))["conv3"]
    )


def test_a_ratio_of_1_keeps_one_filter(plain):
    edits = Edits(plain.digest).with_ratio("conv2", 1.0)
    assert (
        allocated_widths(Problem(plain, Request.of(Recipe(), edits), dispersions=SPREAD))["conv2"]
        == 1
    )


def test_a_lock_by_hand_leaves_a_group_whole(plain):
    edits = Edits(plain.digest).with_protected("conv2", True).with_ratio("conv2", 0.5)
    assert (
        allocated_widths(Problem(plain, Request.of(Recipe(), edits), dispersions=SPREAD))["conv2"]
        == 24
    )


def test_filters_fixed_by_hand_bound_the_width(plain):
    edits = Edits(
        plain.digest,
        keep=tuple(("conv1", unit) for unit in range(14)),
        remove=(("conv2", 3), ("conv2", 4)),
    )
    kept = allocated_widths(Problem(plain, Request.of(Recipe(), edits), dispersions=SPREAD))
    assert kept["conv1"] >= 14
    assert kept["conv2"] <= 22
    assert (
        allocated_widths(
            Problem(plain, Request.of(Recipe(target_reduction=0), edits), dispersions=SPREAD)
        )["conv2"]
        == 22
    )


def test_a_minimum_by_hand_bounds_the_suggestion_but_not_a_ratio(plain):
    edits = Edits(plain.digest).with_least("conv2", 20)
    kept = allocated_widths(Problem(plain, Request.of(Recipe(), edits), dispersions=SPREAD))
    assert kept["conv2"] >= 20
    assert within(plain, kept, 0.5)
    assert (
        allocated_widths(
            Problem(plain, Request.of(Recipe(), edits.with_ratio("conv2", 0.5)), dispersions=SPREAD)
        )["conv2"]
        == 12
    )
    low, _ = bounds(Problem(plain, Request.of(Recipe(), edits.with_least("conv1", 16))))
    assert low.tolist() == [16, 20, 4]


def test_a_maximum_by_hand_bounds_the_suggestion_but_not_a_ratio(plain):
    edits = Edits(plain.digest).with_most("conv2", 6)
    for target in (0.0, 0.5):
        kept = allocated_widths(
            Problem(plain, Request.of(Recipe(target_reduction=target), edits), dispersions=SPREAD)
        )
        assert kept["conv2"] <= 6
        assert within(plain, kept, target)
    few = allocated_widths(Problem(plain, Request.of(Recipe(0.7), edits), dispersions=SPREAD))
    free = allocated_widths(Problem(plain, Request(Recipe(0.7)), dispersions=SPREAD))
    assert few["conv2"] == 6 < free["conv2"]
    assert few["conv1"] + few["conv3"] > free["conv1"] + free["conv3"]  # the others may keep more
    assert (
        allocated_widths(
            Problem(plain, Request.of(Recipe(), edits.with_ratio("conv2", 0.5)), dispersions=SPREAD)
        )["conv2"]
        == 12
    )
    low, high = bounds(
        Problem(plain, Request.of(Recipe(max_ratio=0.5), edits))
    )  # it comes before the recipe's bound
    assert (low[1], high[1]) == (6, 6)
    _, high = bounds(Problem(plain, Request.of(Recipe(rounding=4), edits)))
    assert high.tolist() == [16, 4, 32]
    _, high = bounds(Problem(plain, Request.of(Recipe(rounding=4), edits.with_least("conv2", 5))))
    assert high[1] == 6


def test_a_maximum_cuts_tied_layers_that_the_recipe_leaves_whole(residual):
    tied = next(group for group in residual.free if len(group.layers) > 1)
    edits = Edits(residual.digest).with_most(tied.name, 5)
    assert (
        allocated_widths(Problem(residual, Request.of(Recipe(target_reduction=0.0), edits)))[
            tied.name
        ]
        == 5
    )


def test_a_ratio_by_hand_never_removes_what_is_kept_by_hand(plain):
    keep = tuple(("conv2", unit) for unit in range(15))
    edits = Edits(plain.digest, keep=keep).with_ratio("conv2", 0.9)
    for makeup in (True, False):
        kept = allocated_widths(
            Problem(plain, Request.of(Recipe(), replace(edits, makeup=makeup)), dispersions=SPREAD)
        )
        assert kept["conv2"] == 15


@pytest.mark.parametrize("ratio", [0.0, 0.3, 0.95])
def test_without_makeup_a_ratio_by_hand_moves_no_other_group(plain, ratio):
    edits = Edits(plain.digest, makeup=False).with_ratio("conv2", ratio)
    edits = edits.with_least("conv1", 14)
    before = allocated_widths(
        Problem(plain, Request.of(Recipe(), edits.with_ratio("conv2", None)), dispersions=SPREAD)
    )
    kept = allocated_widths(Problem(plain, Request.of(Recipe(), edits), dispersions=SPREAD))
    assert kept == {**before, "conv2": 24 - int(np.floor(ratio * 24 + 0.5))}
    assert within(plain, kept, 0.5) == (ratio == 0.95)


def test_without_makeup_every_ratio_by_hand_may_miss_the_target(plain):
    edits = Edits(plain.digest, ratios=tuple((g, 0.0) for g in SPREAD), makeup=False)
    kept = allocated_widths(Problem(plain, Request.of(Recipe(), edits), dispersions=SPREAD))
    assert kept == {"conv1": 16, "conv2": 24, "conv3": 32}


@pytest.mark.parametrize("goal", ["params", "memory", "latency"])
@pytest.mark.parametrize("allocation", ["dispersion", "uniform"])
@pytest.mark.parametrize("name", NETS)
def test_other_goals_are_met_and_no_single_unit_more_would_meet_them(
    name, allocation, goal, request
):
    network = request.getfixturevalue(name)
    evidence = Evidence(latency=table_of(network))
    recipe = Recipe(target_reduction=0.2, goal=goal, allocation=allocation, coupled="shared")
    kept = allocated_widths(Problem(network, Request(recipe), evidence, spread_of(network)))
    count = objective_of(network, goal, evidence.latency)
    units = np.array(list(kept.values()))
    most = 0.8 * count(count.sizes) + 1e-6
    assert count(units) <= most
    for place, group in enumerate(network.groups):
        if not group.protected and units[place] < group.size:
            more = units + (np.arange(len(units)) == place)
            assert count(more) > most - 2e-6


def test_a_target_out_of_reach_says_what_can_be_reached_and_why(concat):
    with pytest.raises(UnreachableTarget, match="cannot be reached") as error:
        allocated_widths(
            Problem(
                concat,
                Request(Recipe(target_reduction=0.99, max_ratio=0.5)),
                dispersions=spread_of(concat),
            )
        )
    found = error.value.feasibility
    whole = Limit("whole_groups", ("head",), all_groups=4)
    assert found.limits == (whole, Limit("max_ratio", share=0.5))
    reach = float(str(error.value).split("at most ")[1].split("%")[0]) / 100
    assert reach == pytest.approx(rounded_down(found.most))
    kept = allocated_widths(
        Problem(
            concat,
            Request(Recipe(target_reduction=round(reach, 4), max_ratio=0.5)),
            dispersions=spread_of(concat),
        )
    )
    assert within(concat, kept, reach)
    with pytest.raises(PlanError):
        allocated_widths(
            Problem(
                concat, Request(Recipe(target_reduction=round(reach + 0.002, 4), max_ratio=0.5))
            )
        )


def test_a_network_without_free_groups_says_so(depthwise):
    edits = Edits(depthwise.digest).with_protected("expand", True)
    with pytest.raises(UnreachableTarget) as error:
        allocated_widths(Problem(depthwise, Request.of(Recipe(target_reduction=0.1), edits)))
    whole = Limit("whole_groups", ("expand", "project"), all_groups=2)
    assert error.value.feasibility.limits == (whole,)
    assert (
        allocated_widths(Problem(depthwise, Request.of(Recipe(target_reduction=0.0), edits)))[
            "expand"
        ]
        == 24
    )


def test_a_network_without_groups_is_no_accident():
    bare = Network("bare", "x", (3, 8, 8), (), (), ())
    assert allocated_widths(Problem(bare, Request(Recipe(target_reduction=0.0)))) == {}


@pytest.mark.parametrize(
    ("edits", "message"),
    [
        (Edits("other").with_ratio("left", 0.5), "other weights"),
        (Edits("concat0").with_ratio("nowhere", 0.5), "nowhere"),
        (Edits("concat0").with_protected("nowhere", True), "nowhere"),
        (Edits("concat0").with_least("nowhere", 3), "nowhere"),
        (Edits("concat0").with_least("left", 9), "cannot keep 9"),
        (Edits("concat0").with_most("nowhere", 3), "nowhere"),
        (Edits("concat0").with_most("head", 3), "network output"),
        (Edits("concat0", keep=(("left", 0), ("left", 1)), most=(("left", 1),)), "2 must be kept"),
        (Edits("concat0").with_filter("left", 8, "keep"), "filters 0 to 7"),
        (Edits("concat0").with_filter("left", -1, "remove"), "filters 0 to 7"),
        (Edits("concat0").with_ratio("head", 0.5), "network output"),
        (Edits("concat0").with_filter("head", 1, "remove"), "network output"),
        (Edits("concat0", remove=tuple(("left", u) for u in range(8))), "keep at least one"),
    ],
)
def test_edits_that_do_not_fit_are_named(concat, edits, message):
    with pytest.raises(PlanError, match=message):
        allocated_widths(
            Problem(concat, Request.of(Recipe(), edits), dispersions=spread_of(concat))
        )


def test_a_network_as_large_as_resnet50_takes_less_than_50_ms():
    network, spread = large()
    times = []
    for _ in range(3):
        start = time.perf_counter()
        kept = allocated_widths(Problem(network, Request(Recipe()), dispersions=spread))
        times.append(time.perf_counter() - start)
    assert within(network, kept, 0.5)
    assert 0.5 - (1 - macs(network, kept) / cost(network).macs) < 1e-3
    assert min(times) < 0.05


def test_the_reason_for_a_ratio_follows_from_what_is_known(plain, concat, residual):
    def kind(network, group, dispersion, kept, recipe):
        problem = Problem(network, Request(recipe), dispersions={group: dispersion})
        reason = width_reason(problem, group, kept)
        assert (reason.group.name, reason.kept, reason.dispersion) == (group, kept, dispersion)
        return reason.kind

    assert kind(plain, "conv2", 0.43, 9, Recipe()) == "allocation"
    assert kind(plain, "conv2", 0.43, 9, Recipe(allocation="uniform")) == "allocation"
    assert kind(plain, "conv2", 0.1, 3, Recipe()) == "max_ratio"
    assert kind(plain, "conv2", 0.99, 24, Recipe()) == "elsewhere"
    assert kind(concat, "head", 1, 10, Recipe()) == "protected"
    assert kind(residual, "stem", 1, 16, Recipe()) == "tied"
