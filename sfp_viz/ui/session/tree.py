"""The tree of steps: every plan a person made here, and from which one. No streamlit.

Undo and redo walk the line of what was done (history.py); the tree forgets nothing of it, so a
plan that was undone and then changed in another way stays as a branch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.recipe import Recipe

MOST = 300  # steps kept; older ones are forgotten
_LONGEST = 40  # characters of a name


@dataclass(frozen=True)
class Step:
    """What was asked at one moment: ``recipe`` and ``edits`` (None: none) of the network ``model``.

    ``id`` counts from 0; ``parent`` is the id of the step it was made from, -1 for the first.
    ``time`` is in seconds since 1970. ``name`` is what a person called it, or ''.
    """

    id: int
    parent: int
    time: float
    model: str
    recipe: Recipe
    edits: Edits | None
    name: str = ""

    @property
    def asked(self) -> tuple[str, Recipe, Edits | None]:
        """What makes two steps the same plan."""
        return self.model, self.recipe, self.edits


@dataclass(frozen=True)
class Tree:
    """Steps by rising id, so in the order of time."""

    steps: tuple[Step, ...] = ()

    @property
    def by_id(self) -> Mapping[int, Step]:
        """The steps by their id."""
        return {step.id: step for step in self.steps}

    def step(self, at: int) -> Step | None:
        """The step ``at``; None when it is not (or no longer) known."""
        return next((step for step in self.steps if step.id == at), None)

    def grown(
        self, parent: int, *, model: str, recipe: Recipe, edits: Edits | None, time: float
    ) -> tuple[Tree, int]:
        """The tree after a step from ``parent``, and the id of that step.

        The same step from the same parent a second time is no new one.
        """
        asked = (model, recipe, edits)
        known = next((s for s in self.steps if s.parent == parent and s.asked == asked), None)
        if known:
            return self, known.id
        at = self.steps[-1].id + 1 if self.steps else 0
        step = Step(at, parent, round(time, 3), model, recipe, edits)
        return Tree((*self.steps, step)[-MOST:]), at

    def named(self, at: int, name: str) -> Tree:
        """The tree with another name for the step ``at``; '' takes its name away."""
        name = " ".join(name.split())[:_LONGEST]
        steps = (replace(s, name=name) if s.id == at else s for s in self.steps)
        return Tree(tuple(steps))

    def path(self, at: int) -> tuple[int, ...]:
        """The ids from the first step to ``at``, both included."""
        by_id, found = self.by_id, []
        while at in by_id and at not in found:
            found.append(at)
            at = by_id[at].parent
        return tuple(reversed(found))

    def find(self, asked: tuple[str, Recipe, Edits | None]) -> Step | None:
        """The newest step that is this plan; None when there is none."""
        return next((step for step in reversed(self.steps) if step.asked == asked), None)

    def lanes(self) -> dict[int, int]:
        """In which column each step is drawn: 0 is the trunk, each branch has its own.

        The first step made from another goes on in its lane; a further one opens a new lane.
        """
        lanes: dict[int, int] = {}
        went_on: set[int] = set()
        free = 0
        for step in self.steps:
            if step.parent in lanes and step.parent not in went_on:
                went_on.add(step.parent)
                lanes[step.id] = lanes[step.parent]
            else:
                lanes[step.id] = free
                free += 1
        return lanes
