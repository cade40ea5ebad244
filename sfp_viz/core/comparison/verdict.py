"""What measured plans say about an allocation: rank correlations, rankings, leaders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from sfp_viz.core.allocation.alternatives import COMPARED
from sfp_viz.core.comparison.sampled_plans import PREDICTORS, Draw
from sfp_viz.core.comparison.trust import Trust
from sfp_viz.core.measurement import wilson
from sfp_viz.core.plan.recipe import Strategy

_RESAMPLES = 2000
AgreementKind = Literal["reversed", "chance", "strong", "weak"]
UniformKind = Literal["same", "better", "worse", "overlap"]


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

    @property
    def kind(self) -> AgreementKind:
        """'reversed' or 'chance' by the interval; 'strong' from a correlation of 0.7 on."""
        if self.interval[1] < 0:
            return "reversed"
        if self.interval[0] <= 0:
            return "chance"
        return "strong" if self.correlation >= 0.7 else "weak"


@dataclass(frozen=True)
class UniformComparison:
    """The suggestion's plan beside the uniform plan: one-shot accuracies 0..1. ``kind``: they are
    the 'same' plan, their 95 % intervals 'overlap', or it is 'better' or 'worse'."""

    kind: UniformKind
    suggestion: float
    uniform: float


@dataclass(frozen=True)
class Ranking:
    """The plan of one allocation as it was measured: ``right`` of ``images``, one-shot; ``cost``
    is what is left of the goal's cost (computed)."""

    allocation: Strategy
    right: int
    images: int
    cost: float

    @property
    def accuracy(self) -> float:
        """Accuracy, 0..1."""
        return self.right / max(1, self.images)

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the accuracy, 0..1."""
        return wilson(self.right, self.images)


def agreement(trust: Trust, predictor: str) -> Agreement | None:
    """Rank correlation for one of ``PREDICTORS``; None for fewer than 4 plans or no spread.

    Args:
        trust: The measured plans.
        predictor: 'dispersion', 'functional' or 'sensitivity'.
    """
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


def agreements(trust: Trust) -> tuple[Agreement, ...]:
    """The rank correlations that can be computed, in the order of ``PREDICTORS``."""
    return tuple(result for name in PREDICTORS if (result := agreement(trust, name)))


def spearman(first: np.ndarray, second: np.ndarray) -> float:
    """Pearson correlation of the ranks, ties by their mean rank; NaN where one is constant.

    Args:
        first: Values [n].
        second: Values [n].
    """
    a, b = _ranks(first), _ranks(second)
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def against_uniform(trust: Trust) -> UniformComparison | None:
    """The suggestion beside the uniform plan; None before both were measured."""
    best, uniform = trust.draw("suggestion"), trust.draw("uniform")
    if best is None or uniform is None:
        return None
    low, high = _interval(best, trust), _interval(uniform, trust)
    kind: UniformKind = "overlap"
    if best.kept == uniform.kept:
        kind = "same"
    elif low[0] > high[1]:
        kind = "better"
    elif low[1] < high[0]:
        kind = "worse"
    images = max(1, trust.images)
    return UniformComparison(kind, (best.right or 0) / images, (uniform.right or 0) / images)


def rankings(trust: Trust) -> tuple[Ranking, ...]:
    """The measured allocations, best first; equals in the order of ``COMPARED``."""
    ranked: dict[Strategy, Ranking] = {}
    for draw in trust.draws:
        names: list[Strategy] = [a for a in COMPARED if a == draw.kind]
        if draw.kind == "suggestion":
            names = [trust.recipe.allocation]
        for name in names:
            if name not in ranked and draw.right is not None:
                ranked[name] = Ranking(name, draw.right, trust.images, draw.cost)
    order = [*COMPARED, "pooled"]
    return tuple(sorted(ranked.values(), key=lambda r: (-r.right, order.index(r.allocation))))


def leaders(trust: Trust) -> tuple[Ranking, ...]:
    """The best one and those that cannot be told apart from it: their 95 % intervals overlap.

    All were measured on the same images, so this is cautious: a difference that it names is there.
    """
    ranked = rankings(trust)
    return tuple(ranking for ranking in ranked if ranking.interval[1] >= ranked[0].interval[0])


def _interval(draw: Draw, trust: Trust) -> tuple[float, float]:
    return wilson(draw.right or 0, trust.images)


def _ranks(values: np.ndarray) -> np.ndarray:
    _, where, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[where]
