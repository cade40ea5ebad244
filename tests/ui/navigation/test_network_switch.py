"""Another network: the recipe comes along as far as it applies, and what does not is said."""

import pytest

from sfp_viz.core.evidence.evidence import Evidence
from sfp_viz.core.plan.recipe import Recipe, functional
from sfp_viz.nets.io import samples
from sfp_viz.ui.navigation.network_switch import fitting

NETWORK = samples.sample_network("lenet5_digits")


def test_a_recipe_that_applies_is_left_as_it_is():
    recipe = Recipe(0.3, criterion="fpgm", goal="params")
    assert fitting(NETWORK, Evidence(), recipe) == (recipe, [])


def test_a_recipe_by_images_becomes_the_one_by_weights():
    recipe, notes = fitting(NETWORK, Evidence(), functional(0.4, rounding=8))
    assert recipe == Recipe(0.4, rounding=8)
    assert notes == [
        "There is no image evidence for this network yet, so the recipe no longer uses it."
    ]


def test_only_the_choice_that_lacks_something_is_replaced():
    recipe, notes = fitting(NETWORK, Evidence(), Recipe(0.3, goal="latency", gamma=3))
    assert recipe == Recipe(0.3, gamma=3)
    assert "latency" in notes[0]


def test_a_target_out_of_reach_becomes_the_largest_that_can_be_met():
    recipe, notes = fitting(NETWORK, Evidence(), Recipe(0.99, max_ratio=0.3))
    assert 0.1 < recipe.target_reduction < 0.7
    assert recipe.target_reduction == pytest.approx(round(recipe.target_reduction, 2))
    assert "cannot save more of the MACs" in notes[0]
