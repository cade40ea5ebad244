"""The tree of steps: every plan a person made here, and from which one. No streamlit.

Undo and redo follow the order of what was done (history.py); the tree forgets nothing of it, so a
plan that was undone and then changed in another way remains as a branch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.core.plan.request import Request

MOST = 300  # steps kept; older ones are forgotten
_LONGEST = 40  # characters of a name
PlanKey = tuple[str, Recipe, Edits | None]  # network, recipe, edits


@dataclass(frozen=True)
class Step:
    """One plan of the tree.

    Attributes:
        id: Number of the step, from 0.
        parent: Id of the step it was made from, -1 for the first.
        time: Seconds since 1970.
        model: Name of a sample, or digest of a stored network.
        recipe: The recipe.
        edits: The manual edits, None for none.
        name: What a person called it, or ''.
    """

    id: int
    parent: int
    time: float
    model: str
    recipe: Recipe
    edits: Edits | None
    name: str = ""

    @property
    def request(self) -> Request:
        """What was asked of the network: the recipe and the edits."""
        return Request.of(self.recipe, self.edits)

    @property
    def plan_key(self) -> PlanKey:
        """Network, recipe and edits: two steps with equal keys are the same plan."""
        return self.model, self.recipe, self.edits


@dataclass(frozen=True)
class Tree:
    """Steps by rising id, so in the order of time."""

    steps: tuple[Step, ...] = ()

    @property
    def by_id(self) -> Mapping[int, Step]:
        """The steps by their id."""
        return {step.id: step for step in self.steps}

    def step(self, step_id: int) -> Step | None:
        """The step with an id; None when it is not (or no longer) known."""
        return next((step for step in self.steps if step.id == step_id), None)

    def with_step(
        self, parent: int, *, model: str, recipe: Recipe, edits: Edits | None, time: float
    ) -> tuple[Tree, int]:
        """The tree with a new step, and the id of that step. The same step from the same parent is
        not added again.

        Args:
            parent: Id of the step it was made from, -1 for the first.
            model: Name of a sample, or digest of a stored network.
            recipe: The recipe.
            edits: The manual edits, None for none.
            time: Seconds since 1970.
        """
        key = (model, recipe, edits)
        existing = next((s for s in self.steps if s.parent == parent and s.plan_key == key), None)
        if existing:
            return self, existing.id
        step_id = self.steps[-1].id + 1 if self.steps else 0
        step = Step(step_id, parent, round(time, 3), model, recipe, edits)
        return Tree((*self.steps, step)[-MOST:]), step_id

    def with_name(self, step_id: int, name: str) -> Tree:
        """The tree with another name of a step.

        Args:
            step_id: Id of the step.
            name: The name, '' for none.
        """
        name = " ".join(name.split())[:_LONGEST]
        return Tree(tuple(replace(s, name=name) if s.id == step_id else s for s in self.steps))

    def path(self, step_id: int) -> tuple[int, ...]:
        """The ids from the first step to ``step_id``, both included."""
        by_id, ids = self.by_id, []
        while step_id in by_id and step_id not in ids:
            ids.append(step_id)
            step_id = by_id[step_id].parent
        return tuple(reversed(ids))

    def find(self, plan_key: PlanKey) -> Step | None:
        """The newest step that is this plan; None when there is none."""
        return next((step for step in reversed(self.steps) if step.plan_key == plan_key), None)

    def lanes(self) -> dict[int, int]:
        """The column in which each step is drawn: 0 is the trunk, each branch has its own.

        The first step made from another stays in its lane; a further one opens a new lane.
        """
        lanes: dict[int, int] = {}
        continued: set[int] = set()
        free = 0
        for step in self.steps:
            if step.parent in lanes and step.parent not in continued:
                continued.add(step.parent)
                lanes[step.id] = lanes[step.parent]
            else:
                lanes[step.id] = free
                free += 1
        return lanes
