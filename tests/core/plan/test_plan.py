import hashlib
import json
from contextlib import suppress
from dataclasses import replace

import pytest

from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.plan import Plan, Removal, plan_from_json, plan_to_json
from sfp_viz.core.plan.reason import Reason
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
    (Removal("conv1", (1, 3), (Reason("redundant", other=2), Reason("by_hand"))),),
)
ENTRY = json.loads(plan_to_json(PLAN))


def test_a_plan_comes_back_as_it_was():
    again = plan_from_json(plan_to_json(PLAN))
    assert again == PLAN
    assert again.hash == PLAN.hash
    assert plan_to_json(again) == plan_to_json(PLAN)


def test_the_hash_is_sixteen_digits_and_changes_with_the_plan():
    other = Plan("abc", PLAN.recipe, EDITS, (Removal("conv1", (1,), (Reason("dead"),)),))
    assert len(PLAN.hash) == 16
    assert other.hash != PLAN.hash
    assert Plan("abd", PLAN.recipe, EDITS, PLAN.removals).hash != PLAN.hash


def test_edits_without_a_maximum_say_nothing_of_it_so_that_older_plans_keep_their_hash():
    assert "most" not in ENTRY["edits"]
    few = Plan("abc", PLAN.recipe, EDITS.with_most("conv1", 3), PLAN.removals)
    assert plan_from_json(plan_to_json(few)) == few
    assert few.hash != PLAN.hash


def test_removed_filters_are_looked_up():
    assert PLAN.removed("conv1") == (1, 3)
    assert PLAN.removed("conv2") == ()


@pytest.mark.parametrize(("filters", "reasons"), [((2, 1), 2), ((1, 1), 2), ((1, 2), 1)])
def test_filters_are_sorted_different_and_have_a_reason_each(filters, reasons):
    with pytest.raises(PlanError, match="conv1"):
        Removal("conv1", filters, (Reason("dead"),) * reasons)


def test_the_hash_does_not_depend_on_the_reasons():
    other = replace(PLAN.removals[0], reasons=(Reason("dead"), Reason("random")))
    assert replace(PLAN, removals=(other,)).hash == PLAN.hash


REASONS = {
    "by hand": Reason("by_hand"),
    "dead": Reason("dead"),
    "redundant with 12": Reason("redundant", other=12),
    "made up for by the others": Reason("reconstructed"),
    "drawn at random": Reason("random"),
    "unimportant": Reason("unimportant"),
    "no more important than those kept of its cluster": Reason("less_important"),
    "nearer to those kept of its cluster": Reason("nearer"),
    "no place is left for its cluster": Reason("cluster_without_place"),
    "those kept by hand take the places of its cluster": Reason("cluster_kept_by_hand"),
    "SSR: silenced in training (SSR, l2,1)": Reason("silenced", detail="ssr_l21"),
    "SSR: 4.5 % of the mean norm of the filters that stay (group lasso by SGD)": Reason(
        "small_norm", value=0.045, detail="group_lasso"
    ),
    "SSR: 0.0012 % of the mean norm of the filters that stay (SSR, l2,0)": Reason(
        "small_norm", value=1.2e-5, detail="ssr_l20"
    ),
    "stripe: none of its stripes is left (multi-granularity)": Reason("no_stripe"),
    "stripe: silenced as a whole filter, before stripes were thinned (multi-granularity)": Reason(
        "silenced_filter"
    ),
    "a sentence of its own": Reason("text", detail="a sentence of its own"),
}
FIRST = json.dumps({
    **ENTRY,
    "format": 1,
    "removals": [
        {"group": "conv1", "filters": list(range(len(REASONS))), "reasons": list(REASONS)}
    ],
}, sort_keys=True, indent=1)  # fmt: skip


def test_a_plan_of_format_1_opens_with_reasons_as_records():
    plan = plan_from_json(FIRST)
    assert plan.removals[0].reasons == tuple(REASONS.values())
    assert plan_from_json(plan_to_json(plan)) == plan


def test_a_plan_of_format_1_is_known_by_its_first_hash_too():
    digits = hashlib.sha256(FIRST.encode()).hexdigest()[:16]
    assert plan_from_json(FIRST).version_1_hash == digits


def test_a_plan_without_removals_keeps_the_hash_that_links_hold():
    plain = replace(PLAN, removals=())
    assert plain.hash == plain.version_1_hash


@pytest.mark.parametrize("value", [None, 3, "dead", [], {}, {"kind": []}, {"kind": "dead", "x": 1}])
def test_a_reason_that_is_none_is_refused(value):
    rows = [{"group": "conv1", "filters": [1], "reasons": [value]}]
    with pytest.raises(PlanError):
        plan_from_json(json.dumps({**ENTRY, "removals": rows}))


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
