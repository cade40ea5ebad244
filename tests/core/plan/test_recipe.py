import json
import math
from contextlib import suppress
from dataclasses import replace

import pytest

from sfp_viz.core.plan import recipe as recipes
from sfp_viz.core.plan.plan import recipe_from_json, recipe_to_json
from sfp_viz.core.plan.recipe import CHOICES, NAMED, Recipe
from sfp_viz.errors import PlanError, RecipeError, SfpError


@pytest.mark.parametrize("name", sorted(NAMED))
def test_named_recipes_come_back_from_json(name):
    recipe = NAMED[name](target_reduction=1 / 3, seed=7)
    again = recipe_from_json(recipe_to_json(recipe))
    assert again == recipe
    assert hash(again) == hash(recipe)


def test_whole_numbers_and_fractions_are_the_same_recipe():
    assert recipe_to_json(Recipe(gamma=2, balance=1)) == recipe_to_json(
        Recipe(gamma=2.0, balance=1.0)
    )


def test_named_recipes_take_changes():
    assert recipes.uniform_l1(0.3, rounding=8).rounding == 8
    assert recipes.uniform_l1(0.3).target_reduction == 0.3
    assert recipes.paper_sfp().compensation == "bias"
    assert recipes.fpgm().criterion == "fpgm"
    assert recipes.random().criterion == "random"
    assert recipes.global_l1(criterion="l2").criterion == "l2"


def test_named_baselines_differ_from_uniform_l1_in_what_their_name_says():
    plain = recipes.uniform_l1()
    for name in ("group_magnitude", "fpgm", "bn_scale", "taylor", "hrank", "chip", "random"):
        assert NAMED[name]() == replace(plain, criterion=name)
    assert NAMED["global_l1"]() == replace(plain, allocation="pooled")
    ours = NAMED["functional"]()
    assert (ours.allocation, ours.criterion) == ("functional", "reconstruction")
    assert (ours.selection, ours.compensation) == ("ranking", "lsq_window")


@pytest.mark.parametrize("name", sorted(CHOICES))
@pytest.mark.parametrize("value", ["nonsense", None, 3, []])
def test_a_choice_that_is_none_lists_the_known_ones(name, value):
    with pytest.raises(RecipeError, match=CHOICES[name][0]):
        Recipe(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("target_reduction", 1.0),
        ("target_reduction", -0.1),
        ("target_reduction", math.nan),
        ("target_reduction", "half"),
        ("balance", 1.5),
        ("max_ratio", 1),
        ("kappa", 0),
        ("gamma", -1),
        ("gamma", math.inf),
        ("rounding", 0),
        ("rounding", 65),
        ("rounding", 1.5),
        ("seed", -1),
        ("seed", "x"),
    ],
)
def test_a_number_out_of_range_is_named(name, value):
    with pytest.raises(RecipeError, match=name):
        Recipe(**{name: value})


@pytest.mark.parametrize(
    "text",
    ["", "nonsense", "[]", "null", "3", "{}", '{"format": 2}', '{"format": 1, "evil": 1}'],
)
def test_text_that_is_no_recipe_is_refused(text):
    with pytest.raises(PlanError):
        recipe_from_json(text)


@pytest.mark.parametrize("value", [None, [], {}, "x", 1e400, True, "__import__('os')"])
@pytest.mark.parametrize("key", sorted(json.loads(recipe_to_json(Recipe()))))
def test_hostile_values_never_raise_anything_else(key, value):
    text = json.dumps({**json.loads(recipe_to_json(Recipe())), key: value})
    with suppress(SfpError):
        recipe_from_json(text)
