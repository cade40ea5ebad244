"""Monotone through noise: what is known to rise, from a few measured values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def rising_curve(
    places: Sequence[float], values: Sequence[float], size: int, most: float
) -> np.ndarray:
    """A nondecreasing curve at 0, 1 .. size - 1 that starts at 0, float64 [size].

    The values are made nondecreasing (isotonic regression, pool adjacent violators), joined by a
    monotone cubic (Fritsch and Carlson 1980), continued with the last slope, and cut off at
    ``most``.

    Args:
        places: Where it was measured, rising, above 0.
        values: The measured values.
        size: Length of the curve.
        most: Its upper bound.
    """
    from scipy.interpolate import PchipInterpolator

    knots = np.array([0, *places], dtype=float)
    risen = isotonic(np.array([0.0, *values]))
    risen = np.maximum(risen - risen[0], 0)  # noise may have lifted the start
    grid = np.arange(size, dtype=float)
    inside = PchipInterpolator(knots, risen)(np.minimum(grid, knots[-1]))
    slope = (risen[-1] - risen[-2]) / (knots[-1] - knots[-2])
    return np.clip(inside + slope * np.maximum(grid - knots[-1], 0), 0, most)


def rising_table(values: np.ndarray) -> np.ndarray:
    """``values`` [rows, columns] made nondecreasing along both axes: isotonic along each in turn
    until nothing moves."""
    for _ in range(100):
        before = values
        values = np.apply_along_axis(isotonic, 0, values)
        values = np.apply_along_axis(isotonic, 1, values)
        if np.abs(values - before).max() < 1e-12:
            break
    return np.maximum.accumulate(np.maximum.accumulate(values, axis=0), axis=1)


def isotonic(values: np.ndarray) -> np.ndarray:
    """The nondecreasing sequence nearest ``values`` in squares."""
    from scipy.optimize import isotonic_regression

    return np.asarray(isotonic_regression(values, increasing=True).x)
