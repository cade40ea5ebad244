"""The recipe's form speaks of every choice there is."""

from __future__ import annotations

import re
from itertools import chain

from streamlit.testing.v1 import AppTest

from sfp_viz.core.plan import recipe as recipes
from sfp_viz.core.plan.recipe import CHOICES, Recipe
from sfp_viz.text import recipe
from sfp_viz.text.recipe_choices import CHOICE_MEANINGS
from sfp_viz.ui.recipe import choice_help as choices
from sfp_viz.ui.recipe import recipe_form


def test_every_choice_of_a_recipe_has_words():
    assert {name: tuple(words) for name, words in recipe.CHOICE_NAMES.items()} == CHOICES
    assert set(recipe.RECIPE_NAMES) == set(recipes.NAMED)
    assert set(recipe.FIELD_LABELS) == set(recipe.FIELD_HELP) == set(CHOICES)


def test_every_choice_of_a_recipe_is_explained_in_few_words_with_its_cost_and_source():
    assert {name: tuple(words) for name, words in CHOICE_MEANINGS.items()} == CHOICES
    for field, words in CHOICE_MEANINGS.items():
        for choice, text in words.items():
            said = f"{field} {choice}"
            assert len(text.split()) <= 60, said
            assert "Cost: " in text, said
            assert field == "goal" or choice == "none" or "Source: " in text, said


def test_scores_say_their_range():
    scores = [CHOICE_MEANINGS[field].items() for field in ("similarity", "criterion", "dispersion")]
    for choice, text in chain.from_iterable(scores):
        assert re.search(r"0 or more|\bto (\d|n|the side)|Near 1 in every", text), choice


def test_the_help_beside_a_field_explains_the_choice_in_use():
    told = choices.help_of("criterion", "fpgm")
    assert told.startswith(recipe.FIELD_HELP["criterion"])
    assert "Distance to the other filters (FPGM)" in told
    assert CHOICE_MEANINGS["criterion"]["fpgm"] in told


def test_a_named_recipe_is_recognized_whatever_its_target_and_what_stays_when_it_is_taken():
    assert recipes.name_of(recipes.uniform_l1(0.7)) == "uniform_l1"
    assert recipes.name_of(Recipe(gamma=7.0)) == ""
    own = Recipe(target_reduction=0.6, goal="params", rounding=8, coupled="shared", seed=3)
    for name in recipes.NAMED:
        taken = recipe_form.named_recipe(name, own)
        assert recipes.name_of(taken) == name
        assert (taken.rounding, taken.coupled, taken.goal) == (8, "shared", "params")


def test_all_choices_of_a_field_can_be_read_beside_the_form():
    def page() -> None:
        from sfp_viz.ui.recipe import choice_help as choices

        choices.choice_meanings()

    app = AppTest.from_function(page).run()
    app.selectbox[0].set_value("clustering").run()
    assert not app.exception
    said = [element.value for element in app.markdown]
    assert len(said) == len(CHOICES["clustering"])
    assert said[-1].startswith("**HDBSCAN (by density)** · Clusters are dense")
