"""The Pareto front against brute force, and by its properties."""

from __future__ import annotations

import random

import pytest

from sfp_viz.core.comparison.pareto import Rated, beaten_by, front, standings


def dominates(a: Rated, b: Rated) -> bool:
    no_worse = a.cost <= b.cost and a.gain >= b.gain
    return no_worse and (a.cost < b.cost or a.gain > b.gain)


def surely_beats(a: Rated, b: Rated) -> bool:
    return a.cost_span[1] <= b.cost_span[0] and a.gain_span[0] > b.gain_span[1]


def drawn(seed: int) -> list[Rated]:
    """Points on a coarse grid, so that ties and equals occur, with uneven spans."""
    source = random.Random(seed)
    found = []
    for _ in range(source.randrange(0, 40)):
        cost, gain = source.randrange(8), source.randrange(8) / 8
        wide, slack = source.choice((0, 0.05, 0.3)), source.choice((0, 0, 1.5))
        found.append(Rated(cost, gain, (cost - slack, cost + slack), (gain - wide, gain + wide)))
    return found


@pytest.mark.parametrize("seed", range(60))
def test_the_front_is_what_brute_force_finds(seed):
    rated = drawn(seed)
    expected = {i for i, b in enumerate(rated) if not any(dominates(a, b) for a in rated)}
    assert set(front(rated)) == expected
    assert len(front(rated)) == len(expected)


@pytest.mark.parametrize("seed", range(60))
def test_worse_are_those_that_another_one_surely_beats(seed):
    rated = drawn(seed)
    found = standings(rated)
    for i, b in enumerate(rated):
        beaten = any(surely_beats(a, b) for a in rated)
        assert (found[i] == "worse") == beaten
        other = beaten_by(rated)[i]
        assert (other is not None) == beaten
        assert other is None or surely_beats(rated[other], b)


@pytest.mark.parametrize("seed", range(30))
def test_nobody_on_the_front_is_worse_and_order_plays_no_part(seed):
    rated = drawn(seed)
    found = standings(rated)
    assert all(found[i] == "front" for i in front(rated))
    turned = standings(rated[::-1])[::-1]
    assert turned == found


@pytest.mark.parametrize("seed", range(30))
def test_along_the_front_accuracy_rises_with_cost(seed):
    rated = drawn(seed)
    pairs = [(rated[i].cost, rated[i].gain) for i in front(rated)]
    assert pairs == sorted(pairs)
    assert [gain for _, gain in pairs] == sorted(gain for _, gain in pairs)


def test_a_point_within_its_interval_of_the_front_is_not_called_worse():
    near = Rated(100, 0.90, gain_span=(0.88, 0.92))
    best = Rated(100, 0.91, gain_span=(0.89, 0.93))
    far = Rated(100, 0.80, gain_span=(0.78, 0.82))
    assert standings([near, best, far]) == ("noise", "front", "worse")


def test_a_latency_whose_quartiles_overlap_makes_nobody_surely_slower():
    quick, slow = Rated(1.0, 0.9, (0.8, 1.2)), Rated(1.1, 0.5, (0.9, 1.3))
    assert standings([quick, slow]) == ("front", "noise")
    assert standings([quick, Rated(2.0, 0.5, (1.9, 2.1))]) == ("front", "worse")


def test_equals_are_on_the_front_together_and_no_points_have_no_front():
    assert front([Rated(1, 0.5), Rated(1, 0.5), Rated(2, 0.5)]) == (0, 1)
    assert front([]) == ()
    assert standings([]) == ()


def test_a_span_that_misses_its_value_is_widened_and_numbers_are_finite():
    assert Rated(1, 0.5, gain_span=(0.6, 0.7)).gain_span == (0.5, 0.7)
    with pytest.raises(ValueError, match="finite"):
        Rated(1, float("nan"))
