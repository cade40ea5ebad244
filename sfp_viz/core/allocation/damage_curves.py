"""Curves of damage: how much is lost when so many units of a group are gone."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from sfp_viz.core.evidence.observations import Observations
from sfp_viz.core.evidence.sensitivity import Sensitivity, odds_lost
from sfp_viz.core.memo import Memo

_CURVES: Memo[np.ndarray] = Memo()  # of observations and of sensitivities, by group
GRID = 96  # a curve is looked at in at most so many widths; single units are given back after


def functional_curves(observations: Observations) -> dict[str, np.ndarray]:
    """Damage by function, by observed group: what no refit of the next layers can make up for.

    -energy * ln(1 - errors[m]): the share of the disturbed stream's power that a group's units
    feed, and the part of it that is lost when the m most redundant units are gone (our design;
    docs/method.md, 'Functional redundancy'). The logarithm rises faster as a group runs dry, so
    that no layer is starved: it did better than the plain error at 70 % of the MACs removed, and
    as well at 50 %.

    Returns:
        By group, float64 [units + 1]: the damage with 0, 1 .. all units removed, never falling.
    """
    curves = _CURVES.of(observations)
    for name in observations.covariance:
        if name not in curves:
            errors = np.array(observations.elimination(name).errors)
            curves[name] = -energy(observations, name) * np.log(np.maximum(1 - errors, 1e-6))
    return curves


def energy(observations: Observations, group: str) -> float:
    """What the next layers get from a group, as a share of the stream that it disturbs, 0..

    tr(readers_gram * covariance) / power: the weight of the group's errors in 'functional' widths.

    Args:
        observations: What was observed.
        group: Name of the group.

    Raises:
        RecipeError: The group was not observed.
    """
    _, covariance, readers_gram = observations.of(group)
    power = float(observations.power.get(group, 1.0))
    return float(np.sum(readers_gram * covariance)) / power if power > 0 else 0.0


def sensitivity_curves(sensitivity: Sensitivity) -> dict[str, np.ndarray]:
    """Log-odds of the accuracy lost, by measured group, when 0, 1 .. size units of it are gone.

    See ``sensitivity.odds_lost``: estimated between measured widths; of groups thinned together
    log-odds add up better than points. The last entry, all units gone, continues the last step.
    """
    curves = _CURVES.of(sensitivity)
    for name in sensitivity.right:
        if name in curves:
            continue
        lost = odds_lost(sensitivity, name)
        last = 2 * lost[-1] - lost[-2] if len(lost) > 1 else lost[-1] + 1
        curves[name] = np.maximum.accumulate(np.append(lost, last))
    return curves


def hull_pieces(damage: np.ndarray, low: int, high: int, step: int) -> list[tuple[int, float]]:
    """The lower convex hull of a curve between two widths, as (units that go, rise of damage).

    Args:
        damage: Damage [units + 1] with 0, 1 .. all units removed, never falling.
        low: Fewest units to keep.
        high: Most units to keep.
        step: Units between two widths, 1 or more.
    """
    size = len(damage) - 1
    coarse = step * -(-(high - low) // (step * GRID)) or step
    widths = [high, *range((high - 1) // coarse * coarse, low - 1, -coarse)]
    widths += [low] if widths[-1] != low else []
    hull: list[tuple[int, float]] = []
    for kept in widths:
        point = (size - kept, float(damage[size - kept]))
        while len(hull) > 1 and _above(hull[-2], hull[-1], point):
            hull.pop()
        hull.append(point)
    return [(b[0] - a[0], max(b[1] - a[1], 0.0)) for a, b in pairwise(hull)]


def _above(a: tuple[int, float], b: tuple[int, float], c: tuple[int, float]) -> bool:
    """Whether b is on or above the line from a to c."""
    return (b[1] - a[1]) * (c[0] - a[0]) >= (c[1] - a[1]) * (b[0] - a[0])
