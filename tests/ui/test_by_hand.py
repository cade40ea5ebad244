"""What a gesture on a bar means for the recipe and the edits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sfp_viz.core.cost import cost_of_widths
from sfp_viz.core.edits import Edits
from sfp_viz.core.network import CostTerm, FilterGroup, Network
from sfp_viz.core.ratios import suggest
from sfp_viz.core.recipe import Recipe
from sfp_viz.ui import by_hand
from sfp_viz.ui.by_hand import Asked

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
def asked(network) -> Asked:
    return Asked(Recipe(target_reduction=0.4), Edits(network.digest))


def kept_of(network: Network, asked: Asked) -> dict[str, int]:
    return suggest(network, dict.fromkeys(GROUPS, 0.5), asked.recipe, asked.edits)


def test_a_dragged_bar_leaves_the_others_and_takes_the_target_along(network, asked):
    kept = kept_of(network, asked)
    after = by_hand.drag(network, asked, kept, group="a", to=3, hold=False)
    assert kept_of(network, after) == {**kept, "a": 3}
    saved = 1 - cost_of_widths(network, {**kept, "a": 3}).macs / cost_of_widths(network, {}).macs
    assert after.recipe.target_reduction == pytest.approx(saved, abs=2e-6)


def test_holding_the_target_lets_the_others_make_up_for_it(network, asked):
    kept = kept_of(network, asked)
    after = by_hand.drag(network, asked, kept, group="a", to=16, hold=True)
    assert after.recipe == asked.recipe
    assert after.edits.ratios == (("a", 0.0),)
    now = kept_of(network, after)
    assert now["b"] < kept["b"]
    assert by_hand.reduction(network, now) >= 0.4 - 1e-6


def test_tied_layers_stay_whole_until_their_own_bar_is_dragged(network, asked):
    kept = kept_of(network, asked)
    assert kept["c"] == 8
    assert "c" not in dict(
        by_hand.drag(network, asked, kept, group="a", to=3, hold=False).edits.ratios
    )
    after = by_hand.drag(network, asked, kept, group="c", to=4, hold=False)
    assert kept_of(network, after)["c"] == 4


def test_at_least_one_filter_stays_and_none_is_added(network, asked):
    kept = kept_of(network, asked)
    low = by_hand.drag(network, asked, kept, group="a", to=0, hold=False)
    assert kept_of(network, low)["a"] == 1
    high = by_hand.drag(network, asked, kept, group="a", to=99, hold=True)
    assert dict(high.edits.ratios)["a"] == 0


def test_a_new_target_takes_ratios_back_only_when_no_group_is_left_to_reach_it(network, asked):
    one = replace(asked, edits=asked.edits.with_ratio("a", 0.5))
    assert by_hand.aim(network, one, 0.6).edits.ratios == (("a", 0.5),)
    both = replace(asked, edits=one.edits.with_ratio("b", 0.5))
    assert by_hand.aim(network, both, 0.6) == Asked(
        Recipe(target_reduction=0.6), Edits(network.digest)
    )


def test_a_lock_holds_the_target_as_long_as_the_others_can_make_up_for_it(network, asked):
    locked = by_hand.lock(network, asked, group="a", locked=True)
    assert locked.recipe == asked.recipe
    assert kept_of(network, locked)["a"] == 16
    both = by_hand.lock(network, locked, group="b", locked=True)
    assert both.recipe.target_reduction == 0
    assert kept_of(network, both) == {"a": 16, "b": 32, "c": 8}
    free = by_hand.lock(network, both, group="b", locked=False)
    assert free.edits.protected == ("a",)


def test_the_furthest_target_can_be_reached_and_one_beyond_cannot(network, asked):
    locked = replace(asked, edits=asked.edits.with_protected("b", True))
    most = by_hand.furthest(network, locked)
    reached = replace(locked, recipe=replace(asked.recipe, target_reduction=most))
    assert by_hand.reduction(network, kept_of(network, reached)) == pytest.approx(most, abs=1e-6)


def test_a_network_that_costs_nothing_saves_nothing(network):
    assert by_hand.reduction(replace(network, terms=()), {"a": 1}) == 0
