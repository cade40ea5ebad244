import numpy as np
import pytest

from sfp_viz.core.network import ConvLayer, FilterGroup, Network
from sfp_viz.core.redundancy.similarity import (
    comparison_matrix,
    distance,
    filter_matrix,
    layer_matrix,
    live,
    rows_as_compared,
    similarity,
)
from sfp_viz.errors import PlanError, RecipeError

KINDS = ("cosine", "euclidean", "correlation")


def slow(matrix, kind):
    """The formulas of docs/method.md pair by pair."""
    n = len(matrix)
    rows = [row - row.mean() if kind == "correlation" else row for row in matrix.astype(float)]
    if kind != "euclidean":
        return np.array(
            [[a @ b / np.linalg.norm(a) / np.linalg.norm(b) for b in rows] for a in rows]
        )
    apart = np.array([[np.linalg.norm(a - b) for b in rows] for a in rows])
    middle = np.median(apart[~np.eye(n, dtype=bool)] ** 2)
    return np.exp(-(apart**2) / (2 * middle))


@pytest.mark.parametrize("kind", KINDS)
def test_it_equals_the_plain_formula(kind):
    matrix = np.random.default_rng(0).normal(size=(14, 30)).astype(np.float32)
    np.testing.assert_allclose(similarity(matrix, kind), slow(matrix, kind), atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_the_order_of_filters_does_not_matter(kind):
    rng = np.random.default_rng(1)
    matrix, order = rng.normal(size=(12, 20)).astype(np.float32), rng.permutation(12)
    np.testing.assert_allclose(
        similarity(matrix[order], kind), similarity(matrix, kind)[np.ix_(order, order)], atol=1e-6
    )


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_symmetric_with_ones_on_the_diagonal_and_in_range(kind):
    matrix = np.random.default_rng(2).normal(size=(9, 5)).astype(np.float32)
    found = similarity(matrix, kind)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, found.T, atol=1e-6)
    np.testing.assert_array_equal(np.diag(found), 1)
    assert found.min() >= (0 if kind == "euclidean" else -1)
    assert found.max() <= 1


def test_cosine_does_not_see_positive_scale_and_euclidean_does():
    row = np.random.default_rng(3).normal(size=20)
    matrix = np.stack([row, 3 * row, np.roll(row, 1)]).astype(np.float32)
    assert similarity(matrix, "cosine")[0, 1] == pytest.approx(1, abs=1e-6)
    assert similarity(matrix, "euclidean")[0, 1] < 0.99


def test_filters_of_opposite_sign_are_as_far_as_can_be():
    row = np.random.default_rng(4).normal(size=20).astype(np.float32)
    found = similarity(np.stack([row, -row]))
    assert found[0, 1] == pytest.approx(-1, abs=1e-6)
    assert distance(found)[0, 1] == pytest.approx(2, abs=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_dead_filter_is_like_no_other_and_gives_no_nan(kind):
    matrix = np.random.default_rng(5).normal(size=(5, 9)).astype(np.float32)
    matrix[2] = 0
    found = similarity(matrix, kind)
    assert np.isfinite(found).all()
    assert found[2].tolist() == [0, 0, 1, 0, 0]


@pytest.mark.parametrize("kind", KINDS)
def test_dead_filters_change_nothing_between_the_others(kind):
    alive = (np.random.default_rng(0).normal(size=(8, 20)) + 3).astype(np.float32)
    found = similarity(np.vstack([alive, 0 * alive]), kind)
    np.testing.assert_allclose(found[:8, :8], similarity(alive, kind), rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_identical_filters_are_fully_similar(kind):
    matrix = np.tile(np.arange(1, 10, dtype=np.float32), (4, 1))
    np.testing.assert_allclose(similarity(matrix, kind), 1, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_all_dead_filters_and_a_single_one_are_no_problem(kind):
    np.testing.assert_array_equal(similarity(np.zeros((3, 4), np.float32), kind), np.eye(3))
    np.testing.assert_array_equal(similarity(np.ones((1, 4), np.float32), kind), [[1]])


def test_a_filter_of_equal_weights_has_no_correlation():
    matrix = np.array([[2, 2, 2], [1, 2, 3]], np.float32)
    assert similarity(matrix, "correlation")[0, 1] == 0


def test_dead_means_a_millionth_of_the_largest_norm():
    matrix = np.diag([1.0, 1e-5, 1e-7, 0]).astype(np.float32)
    assert live(matrix).tolist() == [True, True, False, False]
    assert not live(np.zeros((3, 2), np.float32)).any()


@pytest.mark.parametrize("kind", KINDS)
def test_distance_grows_as_similarity_falls(kind):
    found = np.linspace(0.01, 1, 20)
    assert (np.diff(distance(found, kind)) < 0).all()
    assert distance(np.ones(1), kind)[0] == 0


def test_euclidean_distance_comes_back_in_units_of_the_median():
    matrix = np.random.default_rng(6).normal(size=(8, 10)).astype(np.float32)
    apart = np.linalg.norm(matrix[:, None] - matrix[None], axis=2)
    middle = np.sqrt(np.median(apart[~np.eye(8, dtype=bool)] ** 2))
    back = distance(similarity(matrix, "euclidean"), "euclidean")
    np.testing.assert_allclose(back, apart / middle, atol=1e-3)


def test_the_matrix_of_one_layer_is_its_raw_weights(plain):
    matrix = filter_matrix(plain, plain.group("conv2"))
    np.testing.assert_array_equal(matrix, plain.layer("conv2").weight.reshape(24, -1))


def test_coupled_layers_weigh_the_same_whatever_their_scale(residual):
    matrix = filter_matrix(residual, residual.group("stem"))
    assert matrix.shape == (16, 3 * 9 + 16 * 9)
    first, second = matrix[:, :27], matrix[:, 27:]
    assert np.linalg.norm(first) == pytest.approx(1, abs=1e-5)
    assert np.linalg.norm(second) == pytest.approx(1, abs=1e-5)


def test_a_unit_of_grouped_convolutions_joins_one_offset_of_every_conv_group(grouped):
    weight = grouped.layer("conv2").weight
    matrix = filter_matrix(grouped, grouped.group("conv2"))
    assert matrix.shape == (4, 4 * 2 * 9)
    unit = np.concatenate([weight[1 + 4 * part].ravel() for part in range(4)])
    np.testing.assert_array_equal(matrix[1], unit)


def test_weights_that_are_not_numbers_and_wrong_widths_are_named(single):
    weight = np.ones((2, 1, 3, 3), np.float32)
    weight[0, 0, 0, 0] = np.nan
    network = single(weight)
    with pytest.raises(PlanError, match="'conv' holds weights that are not finite"):
        filter_matrix(network, network.group("conv"))
    layer = ConvLayer("a", np.ones((4, 1, 1, 1), np.float32), (1, 1), 1, (1, 1))
    group = FilterGroup("a", ("a",), 3)
    odd = Network("odd", "x", (1, 1, 1), (layer,), (group,), ())
    with pytest.raises(PlanError, match="has 4 filters"):
        layer_matrix(odd, group, "a")


def test_an_unknown_kind_is_refused():
    with pytest.raises(RecipeError, match="manhattan"):
        similarity(np.ones((2, 2), np.float32), "manhattan")


def test_activation_similarity_is_pearson_correlation_and_constant_units_are_dead():
    draw = np.random.default_rng(0)
    signals = draw.normal(size=(6, 400)) @ np.diag(draw.uniform(0.1, 3, 400))
    signals[1] = -2 * signals[0] + 5
    signals[4] = 7.0  # always the same
    covariance = np.cov(signals)
    found = similarity(covariance, "activation")
    others = [0, 1, 2, 3, 5]
    expected = np.corrcoef(signals[others])
    np.testing.assert_allclose(found[np.ix_(others, others)], expected, atol=1e-6)
    assert found[0, 1] == pytest.approx(-1)
    assert found[4].tolist() == [0, 0, 0, 0, 1, 0]
    assert live(covariance, "activation").tolist() == [True] * 4 + [False, True]


def test_rows_of_activations_have_the_correlations_as_inner_products():
    covariance = np.cov(np.random.default_rng(1).normal(size=(8, 60)))
    rows = rows_as_compared(covariance, "activation")
    np.testing.assert_allclose(rows @ rows.T, similarity(covariance, "activation"), atol=1e-5)


def test_comparing_activations_without_observations_names_the_call(plain):
    with pytest.raises(RecipeError, match=r"observe\(model, images\)"):
        comparison_matrix(plain, plain.group("conv1"), "activation")
