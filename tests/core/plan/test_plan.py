import json
from contextlib import suppress

import pytest

from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.plan import Plan, Removal, plan_from_json, plan_json
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.errors import PlanError, SfpError

EDITS = Edits(
    "abc",
    ratios=(("conv1", 0.3),),
    protected=("conv2",),
    clusters=(("conv1", (0, 1, 1, -1)),),
    keep=(("conv1", 0),),
    remove=(("conv1", 3),),
)
PLAN = Plan(
    "abc",
    Recipe(target_reduction=1 / 3),
    EDITS,
    (Removal("conv1", (1, 3), ("redundant with 2", "by hand")),),
)
ENTRY = json.loads(plan_json(PLAN))


def test_a_plan_comes_back_as_it_was():
    again = plan_from_json(plan_json(PLAN))
    assert again == PLAN
    assert again.hash == PLAN.hash
    assert plan_json(again) == plan_json(PLAN)


def test_the_hash_is_sixteen_digits_and_changes_with_the_plan():
    other = Plan("abc", PLAN.recipe, EDITS, (Removal("conv1", (1,), ("dead",)),))
    assert len(PLAN.hash) == 16
    assert other.hash != PLAN.hash
    assert Plan("abd", PLAN.recipe, EDITS, PLAN.removals).hash != PLAN.hash


def test_edits_without_a_maximum_say_nothing_of_it_so_that_older_plans_keep_their_hash():
    assert "most" not in ENTRY["edits"]
    few = Plan("abc", PLAN.recipe, EDITS.with_most("conv1", 3), PLAN.removals)
    assert plan_from_json(plan_json(few)) == few
    assert few.hash != PLAN.hash


def test_removed_filters_are_looked_up():
    assert PLAN.removed("conv1") == (1, 3)
    assert PLAN.removed("conv2") == ()


@pytest.mark.parametrize(
    ("filters", "reasons"), [((2, 1), ("a", "b")), ((1, 1), ("a", "b")), ((1, 2), ("a",))]
)
def test_filters_are_sorted_different_and_have_a_reason_each(filters, reasons):
    with pytest.raises(PlanError, match="conv1"):
        Removal("conv1", filters, reasons)


@pytest.mark.parametrize(
    "text",
    ["", "{", "nonsense", "[]", "null", "{}", '{"format": 99}', '{"format": 1}', "[" * 200_000],
)
def test_text_that_is_no_plan_is_refused(text):
    with pytest.raises(PlanError):
        plan_from_json(text)


def test_a_very_long_text_is_not_read():
    with pytest.raises(PlanError, match="longer than"):
        plan_from_json(" " * 17_000_000)


@pytest.mark.parametrize("value", [None, 3, "x", [], {}, [[]], [{}], [None], 1e400, [["a", "b"]]])
@pytest.mark.parametrize("key", sorted(ENTRY))
def test_hostile_entries_never_raise_anything_else(key, value):
    with suppress(SfpError):
        plan_from_json(json.dumps({**ENTRY, key: value}))


@pytest.mark.parametrize("value", [None, 3, "x", [[]], [["a"]], [["a", "b"]], [["a", 1e400]]])
@pytest.mark.parametrize("key", sorted(ENTRY["edits"]))
def test_hostile_edits_never_raise_anything_else(key, value):
    with suppress(SfpError):
        plan_from_json(json.dumps({**ENTRY, "edits": {**ENTRY["edits"], key: value}}))
