"""What the starters of trainings write down: the same keys, whoever starts them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.recipe import NAMED, Recipe, functional, name_of, random, uniform_l1
from sfp_viz.runs.storage.facts import kind_of, training_facts
from tests.finished_runs import plan_of


def test_all_keys_are_there_whatever_is_known():
    plan = plan_of(Recipe(target_reduction=0.3))
    bare = training_facts(digest="d", recipe=None)
    known = {"model": "lenet", "before": (9, 8), "after": (7, 6)}
    full = training_facts(digest="d", recipe=plan.recipe, plan=plan, **known)
    assert bare.keys() == full.keys()
    assert bare == dict.fromkeys(bare) | {
        "digest": "d", "model": "d", "kind": "plan", "recipe": "", "plan": "",
    }  # fmt: skip
    assert full == {
        "digest": "d", "model": "lenet", "kind": "plan", "recipe": "similarity", "plan": plan.hash,
        "target_reduction": 0.3, "macs_before": 9, "params_before": 8, "macs": 7, "params": 6,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("recipe", "kind"),
    [(uniform_l1(0.7, max_ratio=0.99), "uniform"), (random(seed=4), "random"),
     (functional(), "plan"), (uniform_l1(compensation="bias"), "plan"), (None, "plan")],
)  # fmt: skip
def test_a_baseline_is_known_by_its_recipe(recipe, kind):
    assert kind_of(recipe) == kind


def test_locks_leave_a_baseline_what_it_is_and_other_changes_by_hand_do_not():
    assert kind_of(uniform_l1(), Edits("d", protected=("a",))) == "uniform"
    assert kind_of(uniform_l1(), Edits("d", ratios=(("a", 0.5),))) == "plan"


def test_named_recipes_keep_their_name_whatever_they_remove():
    for name, make in NAMED.items():
        assert name_of(replace(make(0.7), coupled="shared", seed=3)) == name
    assert name_of(replace(uniform_l1(), gamma=9.0)) == ""
