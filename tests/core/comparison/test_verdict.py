"""Which allocation measured best, in words that name it, its figure and what is not known."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.comparison.sampled_plans import Draw, draws
from sfp_viz.core.comparison.trust import Trust, trust_from_json, trust_json
from sfp_viz.core.comparison.verdict import leaders, left_out, standings, verdict, which
from sfp_viz.core.cost.cost import cost
from sfp_viz.core.measurement import wilson
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.core.plan.request import Request
from sfp_viz.core.redundancy.dispersion import dispersions
from sfp_viz.errors import SfpError
from tests.core.made_up import evidence_of


def measured(images: int = 1000, allocation="dispersion", **right: int) -> Trust:
    """A trust record with one plan a kind, 'suggestion=900' and so on."""
    found = tuple(
        Draw(kind, (("a", 4 + i),), 100.0 + i, (("dispersion", float(i)),), count)
        for i, (kind, count) in enumerate(right.items())
    )
    return Trust("x", "d, test", images, Recipe(allocation=allocation), found)


def test_every_known_allocation_is_drawn_at_the_cost_of_the_suggestion(plain_of):
    wide = plain_of(widths=(64, 96, 128))
    recipe, spread = Recipe(), dispersions(wide, Recipe())
    known = draws(Problem(wide, Request(recipe), evidence_of(wide), spread), count=4)
    kinds = [draw.kind for draw in known]
    assert kinds[:4] == ["suggestion", "uniform", "functional", "sensitivity"]
    assert all(0.95 * 0.5 * cost(wide).macs < d.cost <= 0.5 * cost(wide).macs for d in known[:4])
    mine = replace(recipe, allocation="functional")
    kinds = [
        draw.kind
        for draw in draws(Problem(wide, Request(mine), evidence_of(wide), spread), count=4)
    ]
    assert kinds[:4] == ["suggestion", "uniform", "dispersion", "sensitivity"]
    assert [d.kind for d in draws(Problem(wide, Request(recipe), dispersions=spread), count=3)][
        2:
    ] == ["mild", "wild", "wild"]


def test_the_best_is_named_with_its_accuracy_interval_and_images():
    trust = measured(suggestion=700, uniform=650, functional=870, sensitivity=720)
    assert [s.allocation for s in standings(trust)] == [
        "functional", "sensitivity", "dispersion", "uniform",
    ]  # fmt: skip
    assert [s.allocation for s in leaders(trust)] == ["functional"]
    low, high = wilson(870, 1000)
    text = which(trust)
    assert (
        f"By function measured best: 87.0 % (95 %: {100 * low:.1f} to {100 * high:.1f} %)" in text
    )
    assert "by Kernel Dispersion 70.0 %" in text
    assert "measured on 1,000 images, one-shot" in text
    assert text in verdict(trust)


def test_allocations_that_cannot_be_told_apart_are_said_to_be_so():
    assert which(measured(suggestion=700, uniform=695)).startswith(
        "The allocations cannot be told apart: by Kernel Dispersion 70.0 %"
    )
    some = which(measured(suggestion=700, uniform=500, functional=705))
    assert "By function measured best with 70.5 %" in some
    assert "cannot be told apart from by Kernel Dispersion 70.0 %" in some
    assert "worse: the same everywhere 50.0 %" in some
    assert "cannot be told apart" in which(measured(10, suggestion=9, uniform=5))


def test_the_suggestion_counts_as_the_allocation_of_its_recipe():
    trust = measured(allocation="pooled", suggestion=900, uniform=500, dispersion=400)
    assert which(trust).startswith("One threshold for all measured best: 90.0 %")
    own = measured(allocation="uniform", suggestion=900, uniform=900, dispersion=400)
    assert [s.allocation for s in standings(own)] == ["uniform", "dispersion"]


def test_a_plan_by_test_images_says_that_its_figure_may_be_too_good():
    assert "too good" in which(measured(suggestion=500, uniform=500, sensitivity=900))
    assert "too good" not in which(measured(suggestion=900, uniform=500, sensitivity=600))


def test_what_was_not_compared_is_said_with_the_reason():
    trust = measured(suggestion=900, uniform=500)
    assert left_out(trust) == ""
    trust = replace(trust, left_out=(("functional", "no images were looked at"),))
    assert which(trust).endswith("Not compared: by function (no images were looked at).")
    assert trust_from_json(trust_json(trust)) == trust


def test_an_older_record_is_read_and_says_what_it_lacks():
    value = json.loads(trust_json(measured(suggestion=500, uniform=800)))
    del value["left_out"]
    old = trust_from_json(json.dumps(value))
    assert old.left_out is None
    assert "an older measurement" in verdict(old)
    assert "The same everywhere measured best: 80.0 %" in verdict(old)
    assert trust_from_json(trust_json(old)) == old


@pytest.mark.parametrize("wrong", [3, [["taste", "x"]], [["functional"]], ["functional"]], ids=str)
def test_a_record_with_nonsense_left_out_is_refused(wrong):
    value = json.loads(trust_json(measured(suggestion=500, uniform=800)))
    with pytest.raises(SfpError):
        trust_from_json(json.dumps({**value, "left_out": wrong}))
