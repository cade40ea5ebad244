"""What each way of sharing out would keep: equal target, bounds, changes by hand and rounding."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sfp_viz.core.allocation.allocate import allocated_widths
from sfp_viz.core.allocation.alternatives import COMPARED, alternatives, left_out
from sfp_viz.core.allocation.bounds import bounds
from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.cost.cost import cost, cost_of_widths
from sfp_viz.core.evidence.evidence import Evidence
from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.core.plan.request import Request
from sfp_viz.errors import RecipeError
from tests.core.fake_evidence import evidence_of

SPREAD = {"conv1": 0.9, "conv2": 0.4, "conv3": 0.7}
RECIPE = Recipe(target_reduction=0.4)


def test_each_known_allocation_keeps_what_a_recipe_with_it_would(plain):
    evidence = evidence_of(plain)
    found = alternatives(Problem(plain, Request(RECIPE), evidence, SPREAD))
    assert tuple(one.allocation for one in found) == COMPARED
    for one in found:
        its = replace(RECIPE, allocation=one.allocation)
        assert one.kept == allocated_widths(Problem(plain, Request(its), evidence, SPREAD))
        assert one.known
    assert len({tuple(one.kept.values()) for one in found}) > 2


def test_they_cost_the_same_and_hold_to_what_was_set_by_hand_and_to_the_rounding(plain_of):
    wide = plain_of(widths=(64, 96, 128))
    recipe = replace(RECIPE, rounding=4, max_ratio=0.7)
    edits = Edits(wide.digest).with_ratio("conv1", 0.25).with_least("conv2", 60)
    low, high = bounds(Problem(wide, Request.of(recipe, edits)))
    budget = 0.6 * cost(wide).macs
    for one in alternatives(Problem(wide, Request.of(recipe, edits), evidence_of(wide), SPREAD)):
        assert one.kept["conv1"] == 48
        assert one.kept["conv2"] >= 60
        assert all(one.kept[name] % 4 == 0 for name in ("conv2", "conv3"))
        kept = [one.kept[g.name] for g in wide.groups]
        assert (low <= kept).all()
        assert (kept <= high).all()
        assert 0.9 * budget < cost_of_widths(wide, one.kept).macs <= budget


def test_without_evidence_they_say_what_is_missing(plain):
    found = {
        one.allocation: one
        for one in alternatives(Problem(plain, Request(RECIPE), dispersions=SPREAD))
    }
    assert found["dispersion"].known
    assert found["uniform"].known
    assert found["functional"].lacks == ("observations",)
    assert found["sensitivity"].lacks == ("sensitivity",)
    assert left_out(tuple(found.values())) == (
        ("functional", ("observations",)),
        ("sensitivity", ("sensitivity",)),
    )


def test_one_that_cannot_reach_the_target_says_so_and_the_others_stand(plain):
    evidence = evidence_of(plain, skip=("conv2", "conv3"))  # what was not seen stays whole
    far = replace(RECIPE, target_reduction=0.8)
    found = {
        one.allocation: one for one in alternatives(Problem(plain, Request(far), evidence, SPREAD))
    }
    assert found["uniform"].known
    assert found["functional"].problem
    assert left_out((found["functional"],)) == (("functional", ("target",)),)
    assert found["functional"].kept == {}


def test_evidence_of_other_weights_is_refused(plain, residual):
    other = evidence_of(residual)
    with pytest.raises(RecipeError, match="other weights"):
        alternatives(
            Problem(plain, Request(RECIPE), Evidence(observations=other.observations), SPREAD)
        )
