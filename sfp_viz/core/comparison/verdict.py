"""What measured plans say about a suggestion: agreement, leaders, verdict."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sfp_viz.core.allocation.alternatives import COMPARED, SAID
from sfp_viz.core.comparison.sampled_plans import PREDICTORS, Draw
from sfp_viz.core.comparison.trust import Trust
from sfp_viz.core.measurement import wilson
from sfp_viz.core.plan.recipe import Strategy

_RESAMPLES = 2000


@dataclass(frozen=True)
class Agreement:
    """Rank correlation (Spearman) of predicted and measured order, with a 95 % interval.

    1: the plans predicted to lose least are the most accurate; 0: no connection. The interval is
    by the bootstrap over the plans (percentiles of 2,000 resamples, Efron 1979).
    """

    predictor: str
    correlation: float
    interval: tuple[float, float]
    plans: int


def agreement(trust: Trust, predictor: str) -> Agreement | None:
    """Rank correlation for one of ``PREDICTORS``; None for fewer than 4 plans or no spread."""
    pairs = [
        (-dict(d.predicted)[predictor], float(d.right))
        for d in trust.draws
        if d.right is not None and predictor in dict(d.predicted)
    ]
    values = np.array(pairs).reshape(-1, 2)
    if len(values) < 4 or (np.ptp(values, axis=0) == 0).any():
        return None
    source = np.random.default_rng(0)
    resampled = [
        spearman(*values[source.integers(0, len(values), len(values))].T) for _ in range(_RESAMPLES)
    ]
    low, high = np.nanpercentile(resampled, (2.5, 97.5))
    return Agreement(predictor, spearman(*values.T), (float(low), float(high)), len(values))


def spearman(first: np.ndarray, second: np.ndarray) -> float:
    """Pearson correlation of the ranks, ties by their mean rank; NaN where one is constant."""
    a, b = _ranks(first), _ranks(second)
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def verdict(trust: Trust) -> str:
    """What the measurement says of the suggestion, in plain sentences."""
    return " ".join(findings(trust))


def findings(trust: Trust) -> tuple[str, ...]:
    """The verdict in its parts: against uniform, which allocation measured best, and how well
    predictions order plans."""
    parts = _against_uniform(trust), which(trust), _of_order(trust)
    return tuple(part for part in parts if part)


def _against_uniform(trust: Trust) -> str:
    best, plain = trust.draw("suggestion"), trust.draw("uniform")
    if best is None or plain is None:
        return "The suggestion and the uniform plan have not both been measured yet."
    shares = [100 * (d.right or 0) / max(1, trust.images) for d in (best, plain)]
    figures = f"{shares[0]:.1f} % against {shares[1]:.1f} % one-shot, {trust.images:,} images"
    if best.kept == plain.kept:
        return f"The suggestion is the uniform plan itself ({shares[0]:.1f} % one-shot)."
    if _interval(best, trust)[0] > _interval(plain, trust)[1]:
        return f"The suggestion is better than the same ratio everywhere ({figures})."
    if _interval(best, trust)[1] < _interval(plain, trust)[0]:
        return f"The suggestion is worse than the same ratio everywhere ({figures})."
    return (
        f"The suggestion is no better than uniform, the same ratio everywhere: their intervals "
        f"overlap ({figures})."
    )


def _of_order(trust: Trust) -> str:
    found = [a for name in PREDICTORS if (a := agreement(trust, name))]
    if not found:
        return "Too few plans were measured to say whether predictions order them rightly."
    return " ".join(
        f"{_WORDS[a.predictor]} {_strength(a)} (rank correlation {_signed(a.correlation)}, 95 % "
        f"{_signed(a.interval[0])} to {_signed(a.interval[1])}, {a.plans} plans of equal cost)."
        for a in found
    )


_WORDS = {
    "dispersion": "Kernel Dispersion",
    "functional": "The functional error",
    "sensitivity": "The measured sensitivity",
}


def _signed(number: float) -> str:
    """Two digits, with a true minus sign."""
    return f"{number:.2f}".replace("-", "−")


def _strength(a: Agreement) -> str:
    if a.interval[1] < 0:
        return "orders plans the wrong way round"
    if a.interval[0] <= 0:
        return "does not order plans better than chance"
    return "orders plans well" if a.correlation >= 0.7 else "orders plans only roughly"


def _interval(draw: Draw, trust: Trust) -> tuple[float, float]:
    return wilson(draw.right or 0, trust.images)


def _ranks(values: np.ndarray) -> np.ndarray:
    _, where, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[where]


_ON_TEST = (
    "The sensitivity was itself measured on test images, so the figure of its plan may be a little "
    "too good."
)


@dataclass(frozen=True)
class Ranking:
    """The plan of one allocation as it was measured: ``right`` of ``images``, one-shot; ``cost``
    is what is left of the goal's measure (computed)."""

    allocation: Strategy
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


def standings(trust: Trust) -> tuple[Ranking, ...]:
    """The measured allocations, best first; equals in the order of ``COMPARED``."""
    found: dict[Strategy, Ranking] = {}
    for draw in trust.draws:
        own = draw.kind == "suggestion"
        named: list[Strategy] = [a for a in COMPARED if a == draw.kind]
        named = [trust.recipe.allocation] if own else named
        for name in named:
            if name not in found and draw.right is not None:
                found[name] = Ranking(name, draw.right, trust.images, draw.cost)
    order = [*COMPARED, "pooled"]
    return tuple(sorted(found.values(), key=lambda s: (-s.right, order.index(s.allocation))))


def leaders(trust: Trust) -> tuple[Ranking, ...]:
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


def _all(found: tuple[Ranking, ...]) -> str:
    return ", ".join(f"{SAID[s.allocation]} {_figure(s)}" for s in found)


def _figure(standing: Ranking) -> str:
    low, high = (100 * end for end in standing.interval)
    return f"{100 * standing.share:.1f} % (95 %: {low:.1f} to {high:.1f} %)"


def _begun(standing: Ranking) -> str:
    text = SAID[standing.allocation]
    return text[:1].upper() + text[1:]
