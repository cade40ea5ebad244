"""A sweep is a grid: each target, recipe and seed once, the first seed of everything first."""

from __future__ import annotations

import pytest

from sfp_viz.core.plan.recipe import NAMED, Recipe
from sfp_viz.core.plan.sweep import FLOORS, Sweep, sweep_from_dict, sweep_to_dict
from sfp_viz.errors import RecipeError


def test_each_target_recipe_and_seed_comes_once_and_the_first_seed_of_all_first():
    recipes = (("similarity", Recipe()), ("mine", Recipe(gamma=1.0)))
    sweep = Sweep(targets=(0.5, 0.3, 0.5), recipes=recipes, seeds=(1, 0, 1))
    members = sweep.members
    assert len(sweep) == len(members) == 8 == len({member.task for member in members})
    assert [member.seed for member in members] == [1] * 4 + [0] * 4
    assert {member.target for member in members} == {0.3, 0.5}
    for member in members:
        assert (member.recipe.target_reduction, member.recipe.seed) == (member.target, member.seed)
    assert {m.recipe.gamma for m in members if m.name == "mine"} == {1.0}


def test_uniform_and_random_are_members_unless_recipes_are_named():
    assert [name for name, _ in Sweep().recipes] == ["similarity", *FLOORS]
    assert set(FLOORS) <= set(NAMED)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"targets": ()}, "targets above 0"),
        ({"targets": (0.0, 0.5)}, "targets above 0"),
        ({"targets": (1.0,)}, "up to 0.99"),
        ({"seeds": ()}, "seeds"),
        ({"seeds": (-1,)}, "seeds"),
        ({"recipes": (("a", Recipe()), ("a", Recipe(gamma=1)))}, "a name of its own"),
        ({"seeds": tuple(range(200))}, "at most 500"),
    ],
)
def test_a_sweep_that_makes_no_sense_is_refused_in_words(settings, says):
    with pytest.raises(RecipeError, match=says):
        Sweep(**settings)


def test_a_sweep_survives_its_file():
    sweep = Sweep(targets=(0.2,), recipes=(("x", Recipe(kappa=0.25)),), seeds=(3, 1))
    assert sweep_from_dict(sweep_to_dict(sweep)) == sweep
