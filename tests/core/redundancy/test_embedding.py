import subprocess
import sys

import numpy as np
import pytest

from sfp_viz.core.redundancy.embedding import pca, trustworthiness


def normal(units, features, seed=0):
    return np.random.default_rng(seed).normal(size=(units, features)).astype(np.float32)


@pytest.mark.parametrize(("units", "features"), [(20, 50), (50, 20), (3, 100), (100, 3)])
def test_pca_equals_the_singular_value_decomposition(units, features):
    matrix = normal(units, features)
    rows = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    left, values, _ = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    expected = left[:, :2] * values[:2]
    np.testing.assert_allclose(np.abs(pca(matrix)), np.abs(expected), atol=1e-4)


def test_pca_follows_the_order_of_filters():
    matrix, order = normal(15, 40), np.random.default_rng(1).permutation(15)
    np.testing.assert_allclose(pca(matrix[order]), pca(matrix)[order], atol=1e-4)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (2, 1), (2, 9), (9, 1), (3, 2)])
def test_tiny_groups_have_finite_points(shape):
    found = pca(normal(*shape))
    assert found.shape == (shape[0], 2)
    assert np.isfinite(found).all()


def test_dead_and_identical_filters_have_finite_points():
    assert (pca(np.zeros((5, 4), np.float32)) == 0).all()
    np.testing.assert_allclose(pca(np.ones((5, 4), np.float32)), 0, atol=1e-5)


def test_a_perfect_picture_is_trusted_and_a_shuffled_one_less():
    angles = np.random.default_rng(2).uniform(0, 2 * np.pi, 60)
    matrix = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    assert trustworthiness(matrix, matrix) == pytest.approx(1)
    shuffled = np.random.default_rng(3).permutation(matrix)
    assert trustworthiness(matrix, shuffled) < 0.7


@pytest.mark.parametrize("units", [1, 4])
def test_too_few_filters_have_no_trustworthiness(units):
    assert np.isnan(trustworthiness(normal(units, 9), normal(units, 2)))


@pytest.mark.parametrize("units", [5, 6, 20, 21])
def test_few_filters_use_fewer_neighbors(units):
    assert 0 <= trustworthiness(normal(units, 9), pca(normal(units, 9))) <= 1


def test_the_instant_parts_load_neither_sklearn_nor_umap_nor_torch():
    code = (
        "import sys\n"
        "from sfp_viz.core.allocation import allocate\n"
        "from sfp_viz.core.redundancy import dispersion, embedding, importance\n"
        "from sfp_viz.core.selection import analysis, planner\n"
        "import numpy as np\n"
        "matrix = np.random.default_rng(0).normal(size=(9, 9)).astype(np.float32)\n"
        "embedding.pca(matrix), dispersion.kernel_dispersion(matrix)\n"
        "print([m for m in ('sklearn', 'umap', 'torch', 'pandas') if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
@pytest.mark.parametrize("units", [3, 5, 8, 40])
def test_umap_gives_finite_points_and_the_same_ones_again(units):
    from sfp_viz.core.redundancy.embedding import umap_map

    first, again = umap_map(normal(units, 30), seed=3), umap_map(normal(units, 30), seed=3)
    assert first.shape == (units, 2)
    assert np.isfinite(first).all()
    np.testing.assert_array_equal(first, again)
