"""What a step changed, in the words that stand in the tree."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sfp_viz.core.plan import recipe as recipes
from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.ui.cached import loaders
from sfp_viz.ui.session.step_text import changes
from sfp_viz.ui.session.tree import Step

MODEL = "lenet5_digits"
START = Step(0, -1, 0.0, MODEL, Recipe(), None)
NONE = Edits("d")


def words(before: Step, after: Step, *kept: dict[str, int]) -> str:
    return changes(loaders.network(MODEL), before, after, kept or ({}, {}))


def test_a_target_is_said_in_per_cent():
    assert words(START, replace(START, recipe=Recipe(0.6))) == "target 50 → 60 %"


def test_a_ratio_by_hand_is_said_as_filters():
    after = replace(START, edits=NONE.with_ratio("conv2", 0.25))
    kept = {"conv1": 20, "conv2": 24}, {"conv1": 20, "conv2": 36}
    assert words(START, after, *kept) == "conv2: 24 → 36"


def test_a_group_that_only_keeps_its_width_is_not_told_of():
    edits = NONE.with_ratio("conv1", 0.5).with_ratio("conv2", 0.25)
    kept = {"conv1": 10, "conv2": 24}, {"conv1": 10, "conv2": 36}
    assert words(START, replace(START, edits=edits), *kept) == "conv2: 24 → 36"


def test_a_named_recipe_is_called_by_its_name():
    assert words(START, replace(START, recipe=recipes.uniform_l1())) == "recipe: uniform L1"


def test_a_recipe_asked_for_by_another_goal_keeps_its_name_and_says_the_goal():
    before = replace(START, recipe=recipes.uniform_l1(goal="params"))
    after = replace(START, recipe=recipes.fpgm(goal="memory"))
    assert words(before, after) == "recipe: FPGM, goal: params → memory"


def test_a_choice_is_said_with_before_and_after():
    assert words(START, replace(START, recipe=Recipe(criterion="fpgm"))) == "criterion: l1 → fpgm"


@pytest.mark.parametrize(
    ("edits", "said"),
    [
        (NONE.with_protected("conv1", True), "conv1 not pruned"),
        (NONE.with_clusters("conv1", (0, 0, 1, -1)), "conv1: 2 clusters"),
        (NONE.with_filter("conv1", 3, "keep"), "conv1: filter 3 kept"),
        (
            NONE.with_filter("conv1", 3, "remove").with_filter("conv1", 4, "remove"),
            "conv1: 2 filters removed",
        ),
        (NONE.with_least("conv1", 8), "conv1: at least 8"),
        (NONE.with_most("conv1", 8), "conv1: at most 8"),
    ],
)
def test_changes_by_hand_have_words_and_so_has_taking_them_back(edits, said):
    before, after = START, replace(START, edits=edits)
    assert words(before, after) == said
    assert words(after, before) == "all manual changes undone"


def test_many_changes_at_once_are_counted():
    edits = NONE
    for unit in range(3):
        edits = edits.with_filter(f"conv{unit}", 1, "keep").with_protected(f"g{unit}", True)
    said = words(START, replace(START, edits=edits))
    assert said == "g0 not pruned, g1 not pruned, 4 more changes"
