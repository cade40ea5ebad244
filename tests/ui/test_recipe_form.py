"""The recipe's form speaks of every choice there is."""

from __future__ import annotations

from sfp_viz.core import recipe as recipes
from sfp_viz.core.recipe import CHOICES, Recipe
from sfp_viz.ui.plan import recipe_form, recipe_words


def test_every_choice_of_a_recipe_has_words():
    assert {name: tuple(words) for name, words in recipe_words.WORDS.items()} == CHOICES
    assert set(recipe_words.NAMES) == set(recipes.NAMED)


def test_a_named_recipe_is_recognized_whatever_its_target_and_what_stays_when_it_is_taken():
    assert recipes.name_of(recipes.uniform_l1(0.7)) == "uniform_l1"
    assert recipes.name_of(Recipe(gamma=7.0)) == ""
    own = Recipe(target_reduction=0.6, goal="params", rounding=8, coupled="shared", seed=3)
    for name in recipes.NAMED:
        taken = recipe_form.taken(name, own)
        assert recipes.name_of(taken) == name
        assert (taken.rounding, taken.coupled, taken.goal) == (8, "shared", "params")
