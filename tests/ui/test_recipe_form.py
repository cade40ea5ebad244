"""The recipe's form speaks of every choice there is."""

from __future__ import annotations

from sfp_viz.core import recipe as recipes
from sfp_viz.core.recipe import CHOICES, Recipe
from sfp_viz.ui.plan import recipe_form, recipe_words


def test_every_choice_of_a_recipe_has_words():
    assert {name: tuple(words) for name, words in recipe_words.WORDS.items()} == CHOICES
    assert set(recipe_words.NAMES) == set(recipes.NAMED)


def test_a_named_recipe_is_recognized_whatever_its_target():
    assert recipe_form.recipe_name(recipes.uniform_l1(0.7)) == "uniform_l1"
    assert recipe_form.recipe_name(Recipe(gamma=7.0)) == ""
