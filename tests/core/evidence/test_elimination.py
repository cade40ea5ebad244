"""Redundancy by function."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sfp_viz.core.evidence.elimination import eliminate


def observed(seed: int, units: int = 6, samples: int = 200) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    values = draw.standard_normal((samples, units)) @ draw.standard_normal((units, units))
    following = draw.standard_normal((10, units))
    return np.cov(values.T), following.T @ following


def slow_error(
    covariance: np.ndarray, readers_gram: np.ndarray, kept: list[int], ridge: float
) -> float:
    """E(K) by its definition, on the ridged covariance."""
    n = len(covariance)
    ridged = covariance + (ridge * np.trace(covariance) / n + 1e-12) * np.eye(n)
    if not kept:
        return float(np.sum(readers_gram * ridged) / np.sum(readers_gram * covariance))
    cross = ridged[:, kept]
    rest = ridged - cross @ np.linalg.solve(ridged[np.ix_(kept, kept)], cross.T)
    return float(np.sum(readers_gram * rest) / np.sum(readers_gram * covariance))


@given(st.integers(0, 50))
@settings(max_examples=20, deadline=None)
def test_each_step_is_the_best_single_removal_by_brute_force(seed):
    covariance, readers_gram = observed(seed)
    found = eliminate(covariance, readers_gram, ridge=1e-3)
    kept = list(range(6))
    for unit, error in zip(found.order, found.errors[1:], strict=True):
        tried = {
            i: slow_error(covariance, readers_gram, [k for k in kept if k != i], 1e-3) for i in kept
        }
        assert tried[unit] <= min(tried.values()) + 1e-9
        assert np.isclose(min(1.0, tried[unit]), error, atol=1e-8)
        kept.remove(unit)


def test_of_two_identical_filters_one_goes_first_at_no_loss():
    covariance, readers_gram = observed(0)
    doubled = np.pad(covariance, (0, 1))
    doubled[6, :6] = doubled[:6, 6] = covariance[3]
    doubled[6, 6] = covariance[3, 3]
    wider = np.pad(readers_gram, (0, 1))
    wider[6, 6] = 1.0
    found = eliminate(doubled, wider, ridge=1e-9)
    assert found.order[0] in (3, 6)
    assert found.errors[1] < 1e-6


def test_a_permutation_of_the_filters_permutes_the_order():
    covariance, readers_gram = observed(1)
    shuffle = np.random.default_rng(0).permutation(6)
    again = eliminate(covariance[np.ix_(shuffle, shuffle)], readers_gram[np.ix_(shuffle, shuffle)])
    assert tuple(int(shuffle[i]) for i in again.order) == eliminate(covariance, readers_gram).order


def test_errors_start_at_nothing_and_never_fall():
    found = eliminate(*observed(2))
    assert found.errors[0] == 0
    assert all(a <= b for a, b in zip(found.errors, found.errors[1:], strict=False))


def test_filters_that_never_fire_go_first():
    covariance, readers_gram = observed(3)
    covariance[2, :] = covariance[:, 2] = 0
    assert eliminate(covariance, readers_gram).order[0] == 2


def test_many_units_go_as_they_would_one_by_one():
    """More units than one block: each error is what the units gone so far really cost."""
    covariance, readers_gram = observed(4, units=150, samples=400)
    found = eliminate(covariance, readers_gram)
    assert sorted(found.order) == list(range(150))
    for gone in (1, 40, 64, 65, 100, 128, 140):
        kept = sorted(found.order[gone:])
        expected = min(1.0, slow_error(covariance, readers_gram, kept, 1e-3))
        assert np.isclose(expected, found.errors[gone], rtol=1e-5)
