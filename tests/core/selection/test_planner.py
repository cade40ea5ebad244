from dataclasses import replace

import numpy as np
import pytest

from sfp_viz.core.allocation.allocate import bounds
from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.cost.cost import cost
from sfp_viz.core.cost.objective import objective_of
from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.plan import plan_from_json, plan_to_json
from sfp_viz.core.plan.reason import Reason
from sfp_viz.core.plan.recipe import CHOICES, NAMED, Recipe
from sfp_viz.core.plan.request import Request
from sfp_viz.core.plan.validation import kept_units
from sfp_viz.core.selection.analysis import analyze
from sfp_viz.core.selection.planner import make_plan, make_plan_for
from sfp_viz.errors import PlanError, RecipeError
from tests.core.fake_evidence import evidence_of, with_along

NETS = ["plain", "residual", "depthwise", "concat", "grouped"]


@pytest.mark.parametrize("recipe", sorted(NAMED))
@pytest.mark.parametrize("name", NETS)
def test_a_plan_meets_its_target_and_comes_back_from_json(name, recipe, request):
    network = with_along(request.getfixturevalue(name))
    asked = NAMED[recipe](target_reduction=0.2, coupled="shared")
    plan = make_plan_for(Problem(network, Request(asked), evidence_of(network)))
    assert cost(network, plan).macs <= 0.8 * cost(network).macs
    assert plan_from_json(plan_to_json(plan)) == plan


def test_the_same_seed_gives_the_same_plan_and_another_random_one(plain):
    assert (
        make_plan_for(Problem(plain, Request(Recipe(seed=3)))).hash
        == make_plan_for(Problem(plain, Request(Recipe(seed=3)))).hash
    )
    first, second = (
        make_plan_for(Problem(plain, Request(NAMED["random"](seed=seed)))) for seed in (1, 2)
    )
    assert first.removals != second.removals


def test_removals_are_not_empty_and_in_the_order_of_the_groups(plain):
    plan = make_plan_for(Problem(plain, Request(Recipe())))
    assert [removal.group for removal in plan.removals] == ["conv1", "conv2", "conv3"]
    assert all(removal.filters for removal in plan.removals)
    assert make_plan_for(Problem(plain, Request(Recipe(target_reduction=0)))).removals == ()


def test_kept_filters_are_those_suggested(plain):
    found = analyze(plain, Recipe())
    assert kept_units(plain, make_plan(plain, found, Recipe())) == found.kept


def test_a_ratio_by_hand_does_not_shuffle_the_clusters(plain):
    found = analyze(plain, Recipe())
    edits = Edits(plain.digest).with_ratio("conv2", 0.25)
    plan = make_plan(plain, found, Recipe(), edits)
    assert len(plan.removed("conv2")) == 6
    assert plan.edits == edits
    assert plan == make_plan_for(Problem(plain, Request.of(Recipe(), edits)))


def test_a_coupled_group_can_be_cut_by_hand(residual):
    edits = Edits(residual.digest).with_ratio("stem", 0.5)
    plan = make_plan_for(Problem(residual, Request.of(Recipe(target_reduction=0.3), edits)))
    assert len(plan.removed("stem")) == 8


def test_single_filters_by_hand_are_obeyed(plain):
    plan = make_plan_for(Problem(plain, Request(Recipe())))
    group = plan.removals[0]
    gone = group.filters[0]
    stays = next(u for u in range(16) if u not in group.filters)
    edits = Edits(plain.digest).with_filter("conv1", gone, "keep")
    edits = edits.with_filter("conv1", stays, "remove")
    after = make_plan_for(Problem(plain, Request.of(Recipe(), edits))).removals[0]
    assert gone not in after.filters
    assert dict(zip(after.filters, after.reasons, strict=True))[stays] == Reason("by_hand")
    assert len(after.filters) == len(group.filters)


def test_a_filter_of_a_group_that_stays_whole_can_be_removed_by_hand(residual):
    edits = Edits(residual.digest).with_filter("stem", 5, "remove")
    plan = make_plan_for(Problem(residual, Request.of(Recipe(target_reduction=0.2), edits)))
    assert plan.removed("stem") == (5,)


def test_a_lock_outweighs_everything_by_hand(plain):
    edits = Edits(plain.digest).with_ratio("conv1", 0.5).with_filter("conv1", 2, "remove")
    plan = make_plan_for(Problem(plain, Request.of(Recipe(), edits.with_protected("conv1", True))))
    assert plan.removed("conv1") == ()


def test_clusters_by_hand_are_used(plain):
    one = Edits(plain.digest).with_clusters("conv1", (0,) * 16)
    each = Edits(plain.digest).with_clusters("conv1", tuple(range(16)))
    recipe = Recipe(balance=0.0)
    plans = [make_plan_for(Problem(plain, Request.of(recipe, edits))) for edits in (one, each)]
    assert plans[0].removed("conv1") != plans[1].removed("conv1")


def test_a_target_that_only_the_edits_make_reachable_is_reached(residual):
    recipe = Recipe(target_reduction=0.9, max_ratio=0.6)
    with pytest.raises(PlanError, match="cannot be reached"):
        make_plan_for(Problem(residual, Request(recipe)))
    edits = Edits(residual.digest).with_ratio("stem", 0.9).with_ratio("head", 0.9)
    plan = make_plan_for(Problem(residual, Request.of(recipe, edits)))
    assert cost(residual, plan).macs <= 0.1 * cost(residual).macs


def test_what_belongs_to_another_network_or_recipe_is_refused(plain, concat):
    found = analyze(plain, Recipe())
    for network, recipe in ((concat, Recipe()), (plain, Recipe(seed=1))):
        with pytest.raises(PlanError, match="Analyze again"):
            make_plan(network, found, recipe)
    with pytest.raises(PlanError, match="other weights"):
        make_plan(plain, found, Recipe(), Edits("else").with_ratio("conv1", 0.5))
    with pytest.raises(PlanError, match="nowhere"):
        make_plan(plain, found, Recipe(), Edits(plain.digest).with_clusters("nowhere", (0,)))
    wrong = Edits(plain.digest).with_clusters("conv1", (0, 1))
    with pytest.raises(PlanError, match="conv1"):
        make_plan(plain, found, Recipe(), wrong)


def test_the_plan_does_not_depend_on_the_scale_of_the_weights(plain, plain_of):
    doubled = plain_of(weights={layer.name: 2 * layer.weight for layer in plain.layers})
    recipe = Recipe(criterion="l1")
    assert (
        make_plan_for(Problem(doubled, Request(recipe))).removals
        == make_plan_for(Problem(plain, Request(recipe))).removals
    )
    assert replace(plain, name="x").digest == plain.digest


def any_recipe(rng):
    """A recipe with every setting drawn."""
    choices = {name: known[rng.integers(len(known))] for name, known in CHOICES.items()}
    return Recipe(
        target_reduction=rng.uniform(0, 0.5),
        max_ratio=rng.uniform(0.6, 0.99),
        rounding=int(rng.integers(1, 10)),
        gamma=rng.uniform(0, 6),
        kappa=rng.uniform(0.01, 1),
        balance=rng.uniform(0, 1),
        **choices,
    )


def any_edits(network, rng):
    """Edits drawn for about half of the groups."""
    edits = Edits(network.digest)
    for group in network.free:
        if rng.random() < 0.2:
            edits = edits.with_ratio(group.name, rng.uniform(0, 1))
        if rng.random() < 0.1:
            edits = edits.with_protected(group.name, True)
        if rng.random() < 0.2:
            edits = edits.with_least(group.name, int(rng.integers(1, group.size + 1)))
        if rng.random() < 0.2:
            labels = tuple(int(x) for x in rng.integers(0, 4, group.size))
            edits = edits.with_clusters(group.name, labels)
        if rng.random() < 0.3:
            fate = "keep" if rng.random() < 0.5 else "remove"
            edits = edits.with_filter(group.name, int(rng.integers(group.size)), fate)
    return edits


@pytest.mark.parametrize("name", NETS)
def test_whatever_is_asked_the_plan_obeys_it_or_says_why_not(name, request):
    network, made = with_along(request.getfixturevalue(name)), 0
    evidence = evidence_of(network)
    for seed in range(60):
        rng = np.random.default_rng(seed)
        recipe, edits = any_recipe(rng), any_edits(network, rng)
        low, _ = bounds(Problem(network, Request.of(recipe, edits), evidence))
        count = objective_of(network, recipe.goal, evidence.latency)
        if recipe.target_reduction > 1 - count(low) / count(count.sizes) + 1e-9:
            with pytest.raises(PlanError, match="cannot be reached"):
                make_plan_for(Problem(network, Request.of(recipe, edits), evidence))
            continue
        made += 1
        plan = make_plan_for(Problem(network, Request.of(recipe, edits), evidence))
        kept = np.array(list(kept_units(network, plan).values()))
        assert count(kept) <= (1 - recipe.target_reduction) * count(count.sizes) + 1e-6
        assert all(kept >= low)
        assert plan_from_json(plan_to_json(plan)) == plan
        free = [pair for pair in (*edits.keep, *edits.remove) if pair[0] not in edits.protected]
        for group, unit in free:
            assert (unit in plan.removed(group)) == ((group, unit) in edits.remove)
        assert not any(plan.removed(group) for group in edits.protected)
    assert made >= 5


def test_a_plan_that_needs_evidence_says_which_is_missing(plain, concat):
    for recipe, part in (
        (NAMED["functional"](), "observations"),
        (Recipe(allocation="sensitivity"), "sensitivity"),
        (Recipe(goal="latency"), "latency"),
    ):
        with pytest.raises(RecipeError, match=f"needs {part}"):
            make_plan_for(Problem(plain, Request(recipe)))
        with pytest.raises(RecipeError, match="other weights"):
            make_plan_for(Problem(plain, Request(recipe), evidence_of(concat)))


def test_a_functional_plan_takes_out_what_the_next_layers_can_spare(plain):
    evidence = evidence_of(plain)
    plan = make_plan_for(Problem(plain, Request(NAMED["functional"]()), evidence))
    for removal in plan.removals:
        order = evidence.observations.elimination(removal.group).order
        assert set(removal.filters) == set(order[: len(removal.filters)])
