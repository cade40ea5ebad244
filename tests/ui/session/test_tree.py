"""The tree of steps: nothing that was done is forgotten, branches included."""

from __future__ import annotations

from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.ui.session.tree import MOST, Tree


def grown(*moves: tuple[int, float]) -> Tree:
    """A tree of steps on one network; a move is (parent, target)."""
    tree = Tree()
    for time, (parent, target) in enumerate(moves):
        tree, _ = tree.with_step(
            parent, model="net", recipe=Recipe(target), edits=None, time=float(time)
        )
    return tree


def test_each_step_knows_its_parent_and_its_time():
    tree = grown((-1, 0.1), (0, 0.2), (1, 0.3))
    assert [(step.id, step.parent, step.time) for step in tree.steps] == [
        (0, -1, 0.0), (1, 0, 1.0), (2, 1, 2.0),
    ]  # fmt: skip
    assert tree.path(2) == (0, 1, 2)


def test_another_way_on_from_the_same_step_is_a_branch_of_its_own_lane():
    tree = grown((-1, 0.1), (0, 0.2), (1, 0.3), (0, 0.4), (3, 0.5), (1, 0.6))
    assert tree.path(4) == (0, 3, 4)
    assert tree.lanes() == {0: 0, 1: 0, 2: 0, 3: 1, 4: 1, 5: 2}


def test_the_same_step_from_the_same_place_is_no_new_one():
    tree = grown((-1, 0.1), (0, 0.2))
    again, at = tree.with_step(0, model="net", recipe=Recipe(0.2), edits=None, time=9.0)
    assert again is tree
    assert at == 1
    by_hand, at = tree.with_step(0, model="net", recipe=Recipe(0.2), edits=Edits("d"), time=9.0)
    assert (len(by_hand.steps), at) == (3, 2)


def test_a_name_is_short_and_on_one_line_and_can_go():
    tree = grown((-1, 0.1)).with_name(0, f"  best\nso far {'x' * 90}")
    assert tree.steps[0].name.startswith("best so far x")
    assert len(tree.steps[0].name) == 40
    assert tree.with_name(0, "").steps[0].name == ""


def test_old_steps_are_forgotten_and_the_rest_still_hangs_together():
    moves = [(-1, 0.0), *((at, 0.9 * (at + 1) / (MOST + 40)) for at in range(MOST + 20))]
    tree = grown(*moves)
    assert len(tree.steps) == MOST
    last = tree.steps[-1].id
    assert tree.path(last) == tuple(step.id for step in tree.steps)
    assert set(tree.lanes().values()) == {0}


def test_a_tree_whose_parents_run_in_a_circle_ends():
    tree = grown((1, 0.1), (0, 0.2))
    assert len(tree.path(0)) == 2
