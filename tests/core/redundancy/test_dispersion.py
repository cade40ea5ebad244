import numpy as np
import pytest

from sfp_viz.core.redundancy.dispersion import (
    activation_spread,
    effective_rank,
    group_dispersion,
    kernel_dispersion,
    mean_distance,
    random_spread,
)
from sfp_viz.errors import RecipeError

KINDS = ("nearest", "effective_rank", "mean")


def normal(units, features, seed=0):
    return np.random.default_rng(seed).normal(size=(units, features)).astype(np.float32)


def slow_spread(matrix):
    """Mean over filters of 1 - cosine to the nearest other, pair by pair."""
    unit = [row / np.linalg.norm(row) for row in matrix]
    return np.mean(
        [min(1 - a @ b for j, b in enumerate(unit) if j != i) for i, a in enumerate(unit)]
    )


@pytest.mark.parametrize(("units", "features"), [(2, 3), (5, 2), (16, 27), (64, 576), (40, 3)])
def test_the_closed_form_of_chance_equals_drawing(units, features):
    drawn = [slow_spread(normal(units, features, seed)) for seed in range(60)]
    error = np.std(drawn) / np.sqrt(len(drawn))
    assert random_spread(units, features) == pytest.approx(np.mean(drawn), abs=4 * error + 1e-4)


def test_chance_by_hand():
    assert random_spread(2, 50) == pytest.approx(1, abs=1e-6)  # one other: 1 - E[cos] = 1
    assert random_spread(3, 1) == pytest.approx(0.5)  # both others opposite: 2 * 1/4
    assert random_spread(2, 2) == pytest.approx(1, abs=1e-4)


def test_it_is_the_spread_over_its_chance_value():
    matrix = normal(12, 27) + 1
    assert kernel_dispersion(matrix) == pytest.approx(
        slow_spread(matrix) / random_spread(12, 27), abs=1e-4
    )


@pytest.mark.parametrize(("units", "features"), [(16, 144), (64, 576), (256, 64)])
def test_random_filters_are_near_1(units, features):
    assert kernel_dispersion(normal(units, features)) > 0.95


@pytest.mark.parametrize("kind", KINDS)
def test_it_stays_within_0_and_1(kind):
    for seed in range(5):
        assert 0 <= kernel_dispersion(normal(6, 5, seed), kind) <= 1
    assert kernel_dispersion(np.eye(8, dtype=np.float32), kind) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_duplicates_have_none(kind):
    same = np.tile(normal(1, 20), (8, 1)) * np.arange(1, 9)[:, None].astype(np.float32)
    expected = 1 / 8 if kind == "effective_rank" else 0
    assert kernel_dispersion(same, kind) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("kind", ["nearest", "effective_rank"])  # the mean hardly sees it
def test_duplicating_half_the_filters_lowers_it(kind):
    matrix = normal(16, 50)
    half = np.vstack([matrix[:8], matrix[:8]])
    assert kernel_dispersion(half, kind) < 0.6 * kernel_dispersion(matrix, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_neither_order_nor_positive_scale_matters(kind):
    matrix, rng = normal(16, 30), np.random.default_rng(1)
    other = matrix[rng.permutation(16)] * rng.uniform(0.1, 9, (16, 1)).astype(np.float32)
    assert kernel_dispersion(other, kind) == pytest.approx(
        kernel_dispersion(matrix, kind), abs=1e-5
    )


@pytest.mark.parametrize("kind", KINDS)
def test_dead_filters_lower_it_as_duplicates_do(kind):
    matrix = normal(16, 30)
    dying = matrix.copy()
    dying[:8] = 0
    assert 0 < kernel_dispersion(dying, kind) < 0.7 * kernel_dispersion(matrix, kind)
    assert kernel_dispersion(np.zeros((4, 9), np.float32), kind) == 0


def test_a_single_live_filter_counts_as_spread():
    assert kernel_dispersion(np.ones((1, 9), np.float32)) == 1
    assert kernel_dispersion(np.diag([1, 0, 0, 0]).astype(np.float32)) == 0.25


def test_filters_of_one_weight_are_no_problem():
    assert kernel_dispersion(np.ones((64, 1), np.float32)) == 0
    assert kernel_dispersion(np.array([[1.0], [-1]], np.float32)) == 1


def test_effective_rank_by_hand():
    axes = np.repeat(np.eye(2, 5, dtype=np.float32), 3, axis=0)  # two directions, equal shares
    assert effective_rank(axes) == pytest.approx(2 / 6)


def test_a_coupled_group_has_the_weighted_mean_of_its_layers(residual):
    group = residual.group("stem")
    parts = [residual.layer(name).weight.reshape(16, -1) for name in group.layers]
    expected = np.average([kernel_dispersion(p) for p in parts], weights=[27, 144])
    assert group_dispersion(residual, group) == pytest.approx(expected)


def test_an_unknown_kind_is_refused():
    with pytest.raises(RecipeError, match="entropy"):
        kernel_dispersion(normal(3, 3), "entropy")


def test_the_mean_distance_is_that_of_all_pairs():
    matrix = normal(9, 20) + 0.5
    unit = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    pairs = [1 - unit[i] @ unit[j] for i in range(9) for j in range(9) if i != j]
    assert mean_distance(matrix) == pytest.approx(np.mean(pairs), abs=1e-6)
    assert mean_distance(np.vstack([matrix, -matrix])) == 1  # opposite filters: cut off at 1


def test_activation_spread_takes_the_strongest_correlation_of_either_sign():
    covariance = np.diag([1.0, 4, 9, 1])
    covariance[0, 1] = covariance[1, 0] = -1.0  # r = -0.5
    covariance[2, 3] = covariance[3, 2] = 2.4  # r = 0.8
    assert activation_spread(covariance) == pytest.approx(1 - (0.5 + 0.5 + 0.8 + 0.8) / 4)


def test_constant_units_count_as_duplicates_and_a_single_unit_as_spread():
    assert activation_spread(np.diag([1.0, 0, 2, 0])) == pytest.approx(0.5)
    assert activation_spread(np.array([[3.0]])) == 1
    assert activation_spread(np.zeros((3, 3))) == 0


def test_a_group_is_as_spread_as_its_activations(plain, seen_of):
    seen = seen_of(plain, without=("conv3",))
    found = group_dispersion(plain, plain.group("conv2"), "activation", seen)
    assert found == activation_spread(seen.covariance["conv2"])
    assert group_dispersion(plain, plain.group("conv3"), "activation", seen) == 1
    with pytest.raises(RecipeError, match="observe"):
        group_dispersion(plain, plain.group("conv2"), "activation")
