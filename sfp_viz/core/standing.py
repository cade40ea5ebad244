"""Which allocation measured best at equal cost, and which cannot be told apart from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sfp_viz.core.allocation.alternatives import COMPARED, SAID
from sfp_viz.core.plan.recipe import Allocation
from sfp_viz.core.training.distillation import wilson

if TYPE_CHECKING:
    from sfp_viz.core.comparison.trust import Trust

_ON_TEST = (
    "The sensitivity was itself measured on test images, so the figure of its plan may be a little "
    "too good."
)


@dataclass(frozen=True)
class Standing:
    """The plan of one allocation as it was measured: ``right`` of ``images``, one-shot; ``cost``
    is what is left of the goal's measure (computed)."""

    allocation: Allocation
    right: int
    images: int
    cost: float

    @property
    def share(self) -> float:
        """Accuracy, 0..1."""
        return self.right / max(1, self.images)

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the accuracy, 0..1."""
        return wilson(self.right, self.images)


def standings(trust: Trust) -> tuple[Standing, ...]:
    """The measured allocations, best first; equals in the order of ``COMPARED``."""
    found: dict[Allocation, Standing] = {}
    for draw in trust.draws:
        own = draw.kind == "suggestion"
        named: list[Allocation] = [a for a in COMPARED if a == draw.kind]
        named = [trust.recipe.allocation] if own else named
        for name in named:
            if name not in found and draw.right is not None:
                found[name] = Standing(name, draw.right, trust.images, draw.cost)
    order = [*COMPARED, "pooled"]
    return tuple(sorted(found.values(), key=lambda s: (-s.right, order.index(s.allocation))))


def leaders(trust: Trust) -> tuple[Standing, ...]:
    """The best one and those that cannot be told apart from it: their 95 % intervals overlap.

    All counted the same images, so that this is cautious: a difference that it names is there.
    """
    found = standings(trust)
    return tuple(s for s in found if s.interval[1] >= found[0].interval[0])


def left_out(trust: Trust) -> str:
    """Which allocations were not measured and why, in a sentence; '' where all were."""
    if trust.left_out is None:
        return (
            "This is an older measurement, of the suggestion and uniform alone: measure again to "
            "see where the other allocations stand."
        )
    parts = [f"{SAID[name]} ({why})" for name, why in trust.left_out]
    return f"Not compared: {', '.join(parts)}." if parts else ""


def which(trust: Trust) -> str:
    """Which allocation measured best, with what was not compared, in plain sentences; '' where
    fewer than two were measured."""
    found, best = standings(trust), leaders(trust)
    if len(found) < 2:
        return left_out(trust)
    rest = found[len(best) :]
    on = f"measured on {trust.images:,} images, one-shot"
    if len(best) == len(found):
        text = f"The allocations cannot be told apart: {_all(found)} ({on})."
    elif len(best) == 1:
        text = f"{_begun(best[0])} measured best: {_figure(best[0])}, against {_all(rest)} ({on})."
    else:
        text = (
            f"{_begun(best[0])} measured best with {_figure(best[0])}, but cannot be told apart "
            f"from {_all(best[1:])}; worse: {_all(rest)} ({on})."
        )
    if any(s.allocation == "sensitivity" for s in best) and len(best) < len(found):
        text += f" {_ON_TEST}"
    return f"{text} {left_out(trust)}".rstrip()


def _all(found: tuple[Standing, ...]) -> str:
    return ", ".join(f"{SAID[s.allocation]} {_figure(s)}" for s in found)


def _figure(standing: Standing) -> str:
    low, high = (100 * end for end in standing.interval)
    return f"{100 * standing.share:.1f} % (95 %: {low:.1f} to {high:.1f} %)"


def _begun(standing: Standing) -> str:
    text = SAID[standing.allocation]
    return text[:1].upper() + text[1:]
