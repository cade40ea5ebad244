"""What a gesture on a bar means for the recipe and the edits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sfp_viz.core.allocation.allocate import allocated_widths
from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.network import CostTerm, FilterGroup, Network
from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.core.plan.request import Request
from sfp_viz.ui.recipe import request_edits

GROUPS = ("a", "b", "c")


@pytest.fixture
def network() -> Network:
    """Three groups in a row; 'c' is two layers tied together."""
    return Network(
        name="three",
        digest="0" * 16,
        input_shape=(1, 8, 8),
        layers=(),
        groups=(
            FilterGroup("a", ("a",), 16),
            FilterGroup("b", ("b",), 32),
            FilterGroup("c", ("c", "d"), 8),
        ),
        terms=(
            CostTerm("a", 64, 9, 1, (("a", 1),), (("", 1),)),
            CostTerm("b", 64, 9, 1, (("b", 1),), (("a", 1),)),
            CostTerm("c", 64, 9, 1, (("c", 1),), (("b", 1),)),
        ),
    )


@pytest.fixture
def asked(network) -> Request:
    return Request(Recipe(target_reduction=0.4), Edits(network.digest))


def kept_of(network: Network, asked: Request) -> dict[str, int]:
    return allocated_widths(Problem(network, asked, dispersions=dict.fromkeys(GROUPS, 0.5)))


def test_a_dragged_bar_leaves_the_others_and_the_target_as_they_are(network, asked):
    kept = kept_of(network, asked)
    after = request_edits.with_width(network, asked, group="a", to=3, hold=False)
    assert kept_of(network, after) == {**kept, "a": 3}
    assert after.recipe == asked.recipe
    assert after.edits.ratios == (("a", round(13 / 16, 6)),)


def test_holding_the_target_lets_the_others_make_up_for_it(network, asked):
    kept = kept_of(network, asked)
    after = request_edits.with_width(network, asked, group="a", to=16, hold=True)
    assert after.recipe == asked.recipe
    now = kept_of(network, after)
    assert now["a"] == 16
    assert now["b"] < kept["b"]
    assert request_edits.reduction(network, now) >= 0.4 - 1e-6


def test_later_gestures_leave_what_was_said_about_the_target(network, asked):
    one = request_edits.with_width(network, asked, group="a", to=8, hold=True)
    assert request_edits.with_width(network, one, group="b", to=8, hold=False).edits.makeup
    free = request_edits.with_makeup(one, False)
    assert kept_of(network, free) == {**kept_of(network, asked), "a": 8}


def test_tied_layers_stay_whole_until_their_own_bar_is_dragged(network, asked):
    assert kept_of(network, asked)["c"] == 8
    after = request_edits.with_width(network, asked, group="c", to=4, hold=False)
    assert kept_of(network, after)["c"] == 4


def test_at_least_one_filter_stays_and_none_is_added(network, asked):
    low = request_edits.with_width(network, asked, group="a", to=0, hold=False)
    assert kept_of(network, low)["a"] == 1
    high = request_edits.with_width(network, asked, group="a", to=99, hold=True)
    assert dict(high.edits.ratios)["a"] == 0


def test_a_minimum_lifts_a_width_by_hand_and_bounds_the_next_drag(network, asked):
    low = request_edits.with_width(network, asked, group="a", to=3, hold=False)
    after = request_edits.with_minimum(network, low, group="a", units=10)
    assert kept_of(network, after)["a"] == 10
    assert (
        kept_of(network, request_edits.with_width(network, after, group="a", to=2, hold=False))["a"]
        == 10
    )
    assert request_edits.with_minimum(network, after, group="a", units=None).edits.least == ()
    above = request_edits.with_minimum(network, low, group="a", units=2)
    assert kept_of(network, above)["a"] == 3


def test_a_minimum_bounds_the_suggestion_and_the_others_make_up_for_it(network, asked):
    kept = kept_of(network, asked)
    after = request_edits.with_minimum(network, asked, group="a", units=kept["a"] + 2)
    now = kept_of(network, after)
    assert now["a"] >= kept["a"] + 2
    assert now["b"] < kept["b"]


def test_a_maximum_lowers_a_width_by_hand_and_bounds_the_next_drag(network, asked):
    high = request_edits.with_width(network, asked, group="a", to=10, hold=False)
    after = request_edits.with_maximum(network, high, group="a", units=6)
    assert kept_of(network, after)["a"] == 6
    assert (
        kept_of(network, request_edits.with_width(network, after, group="a", to=9, hold=False))["a"]
        == 6
    )
    assert request_edits.with_maximum(network, after, group="a", units=None).edits.most == ()
    assert (
        kept_of(network, request_edits.with_maximum(network, high, group="a", units=12))["a"] == 10
    )


def test_a_minimum_above_the_maximum_moves_it_and_the_other_way_round(network, asked):
    low = request_edits.with_maximum(network, asked, group="a", units=4)
    both = request_edits.with_minimum(network, low, group="a", units=6)
    assert (both.edits.least, both.edits.most) == ((("a", 6),), (("a", 6),))
    both = request_edits.with_maximum(network, both, group="a", units=3)
    assert (both.edits.least, both.edits.most) == ((("a", 3),), (("a", 3),))
    assert request_edits.tags("a", both.edits) == "min 3, max 3"


def test_the_suggestion_comes_back_for_one_group_or_for_all(network, asked):
    both = request_edits.with_width(network, asked, group="a", to=3, hold=False)
    both = request_edits.with_width(network, both, group="b", to=5, hold=False)
    assert dict(request_edits.without_widths(both, "a").edits.ratios).keys() == {"b"}
    assert kept_of(network, request_edits.without_widths(both)) == kept_of(network, asked)


def test_a_new_target_takes_ratios_back_only_when_no_group_is_left_to_reach_it(network, asked):
    more = replace(asked.recipe, target_reduction=0.6)
    one = replace(asked, edits=asked.edits.with_ratio("a", 0.5))
    assert request_edits.with_target(network, one, more).edits.ratios == (("a", 0.5),)
    both = replace(asked, edits=one.edits.with_ratio("b", 0.5))
    assert request_edits.with_target(network, both, more) == Request(more, Edits(network.digest))
    alone = request_edits.with_makeup(both, False)
    assert request_edits.with_target(network, alone, more).edits == alone.edits


def test_a_lock_holds_the_target_as_long_as_the_others_can_make_up_for_it(network, asked):
    locked = request_edits.with_lock(network, asked, group="a", locked=True)
    assert locked.recipe == asked.recipe
    assert kept_of(network, locked)["a"] == 16
    both = request_edits.with_lock(network, locked, group="b", locked=True)
    assert both.recipe.target_reduction == 0
    assert kept_of(network, both) == {"a": 16, "b": 32, "c": 8}
    free = request_edits.with_lock(network, both, group="b", locked=False)
    assert free.edits.protected == ("a",)


def test_a_network_that_costs_nothing_saves_nothing(network):
    assert request_edits.reduction(replace(network, terms=()), {"a": 1}) == 0
