"""Which allocation measured best, and how the suggestion compares with uniform."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.comparison.sampled_plans import Draw, draws
from sfp_viz.core.comparison.trust import Trust, trust_from_json, trust_to_json
from sfp_viz.core.comparison.verdict import against_uniform, leaders, rankings
from sfp_viz.core.cost.cost import cost
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.core.plan.request import Request
from sfp_viz.core.redundancy.dispersion import dispersions
from sfp_viz.errors import SfpError
from tests.core.fake_evidence import evidence_of


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


def test_allocations_are_ranked_by_their_accuracy():
    trust = measured(suggestion=700, uniform=650, functional=870, sensitivity=720)
    assert [s.allocation for s in rankings(trust)] == [
        "functional", "sensitivity", "dispersion", "uniform",
    ]  # fmt: skip
    assert [s.allocation for s in leaders(trust)] == ["functional"]


def test_the_suggestion_counts_as_the_allocation_of_its_recipe():
    trust = measured(allocation="pooled", suggestion=900, uniform=500, dispersion=400)
    assert rankings(trust)[0].allocation == "pooled"
    own = measured(allocation="uniform", suggestion=900, uniform=900, dispersion=400)
    assert [s.allocation for s in rankings(own)] == ["uniform", "dispersion"]


def test_those_that_cannot_be_told_apart_lead_together():
    trust = measured(suggestion=700, uniform=500, functional=705)
    assert [s.allocation for s in leaders(trust)] == ["functional", "dispersion"]
    assert len(leaders(measured(10, suggestion=9, uniform=5))) == 2


@pytest.mark.parametrize(
    ("suggestion", "uniform", "kind"),
    [(800, 795, "overlap"), (800, 600, "better"), (600, 800, "worse")],
)
def test_the_suggestion_is_compared_with_uniform_by_their_intervals(suggestion, uniform, kind):
    found = against_uniform(measured(suggestion=suggestion, uniform=uniform))
    assert found is not None
    shares = suggestion / 1000, uniform / 1000
    assert (found.kind, found.suggestion, found.uniform) == (kind, *shares)
    assert against_uniform(measured(suggestion=suggestion)) is None


def test_what_was_not_compared_is_kept_with_what_it_lacks():
    trust = replace(
        measured(suggestion=900, uniform=500),
        left_out=(("functional", ("observations",)), ("sensitivity", ("target",))),
    )
    assert trust_from_json(trust_to_json(trust)) == trust


def test_what_version_0_1_said_of_allocations_that_were_not_compared_is_understood():
    value = json.loads(trust_to_json(measured(suggestion=900, uniform=500)))
    sentence = "no images were looked at and the layers were not timed"
    value["left_out"] = [["functional", sentence], ["sensitivity", "it cannot reach the target"]]
    assert trust_from_json(json.dumps(value)).left_out == (
        ("functional", ("observations", "latency")), ("sensitivity", ("target",)),
    )  # fmt: skip


def test_an_older_record_is_read():
    value = json.loads(trust_to_json(measured(suggestion=500, uniform=800)))
    del value["left_out"]
    old = trust_from_json(json.dumps(value))
    assert old.left_out is None
    assert trust_from_json(trust_to_json(old)) == old


@pytest.mark.parametrize("wrong", [3, [["taste", "x"]], [["functional"]], ["functional"]], ids=str)
def test_a_record_with_nonsense_left_out_is_refused(wrong):
    value = json.loads(trust_to_json(measured(suggestion=500, uniform=800)))
    with pytest.raises(SfpError):
        trust_from_json(json.dumps({**value, "left_out": wrong}))
