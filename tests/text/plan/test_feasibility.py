"""Why a target cannot be met, and what would help, in words."""

import pytest

from sfp_viz.core.allocation.feasibility import Feasibility, Limit, Relaxation, UnreachableTarget
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.core.plan.request import Request
from sfp_viz.errors import PlanError
from sfp_viz.text.plan.feasibility import (
    error_text,
    limits_text,
    reachable,
    relaxation_text,
    unreachable_sentence,
)

REQUEST = Request(Recipe())
WHOLE = Limit("whole_groups", ("conv1", "conv2"), all_groups=3)
RATIO = Limit("max_ratio", share=0.8)
FAR = Feasibility("macs", 0.9, 0.61278, (WHOLE, RATIO), Relaxation("lock", "conv2", 0.7, REQUEST))


def test_what_can_be_reached_is_rounded_down():
    assert reachable(0.61278) == "61.2 %"


def test_an_unreachable_target_is_said_with_what_prevents_it_and_what_would_help():
    assert unreachable_sentence(FAR) == (
        "A reduction of 90.0 % of the MACs cannot be reached, at most 61.2 %: 2 of 3 groups are "
        "kept whole (conv1, conv2); no other group may lose more than 80 % of its filters. "
        "Lower the target, or unlock conv2 (up to 70.0 %)."
    )
    assert error_text(UnreachableTarget(FAR)) == unreachable_sentence(FAR)
    assert error_text(PlanError("Another.")) == "Another."


def test_the_error_itself_says_the_numbers():
    assert "90.0 % cannot be reached, at most 61.2 %" in str(UnreachableTarget(FAR))


@pytest.mark.parametrize(
    ("limit", "text"),
    [
        (Limit("whole_groups", tuple("abcde"), all_groups=9),
         "5 of 9 groups are kept whole (a, b, c, d, …)"),
        (Limit("unobserved", ("a",)), "1 of them was not observed"),
        (Limit("unmeasured", ("a", "b")), "2 of them were not measured"),
        (RATIO, "no group may lose more than 80 % of its filters"),
        (Limit("ratios", ("a",)), "1 ratio is set manually"),
        (Limit("ratios", ("a", "b")), "2 ratios are set manually"),
        (Limit("minimums", ("a",)), "a minimum is set manually (a)"),
        (Limit("kept_filters", ("a",)), "filters are kept manually (a)"),
    ],
)  # fmt: skip
def test_every_limit_is_said(limit, text):
    assert limits_text(Feasibility("macs", 0.9, 0.5, (limit,))) == text


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("lock", "Unlock a (up to 70.0 %)"),
        ("ratio", "Reset the ratio of a (up to 70.0 %)"),
        ("minimum", "Remove the minimum of a (up to 70.0 %)"),
        ("kept_filters", "Release the filters kept manually in a (up to 70.0 %)"),
        ("tied_layers", "Also prune tied layers (up to 70.0 %)"),
        ("max_ratio", "Allow a group to lose up to 99 % of its filters (up to 70.0 %)"),
    ],
)
def test_every_relaxation_is_said(kind, text):
    assert relaxation_text(Relaxation(kind, "a", 0.7, REQUEST)) == text
