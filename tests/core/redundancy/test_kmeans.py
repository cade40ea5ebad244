from itertools import product

import numpy as np
import pytest

from sfp_viz.core.redundancy.kmeans import kmeans


def spread(points, weights, labels):
    """Weighted sum of squared distances to the means, cluster by cluster."""
    total = 0.0
    for cluster in set(labels):
        part, share = points[labels == cluster], weights[labels == cluster]
        total += share @ np.square(part - np.average(part, axis=0, weights=share)).sum(axis=1)
    return total


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_it_finds_the_best_of_all_partitions_of_a_few_points(k, seed):
    draw = np.random.default_rng(seed)
    points, weights = draw.normal(size=(8, 3)), draw.integers(1, 4, 8).astype(float)
    found = kmeans(points @ points.T, weights, k, seed=0, starts=10)
    every = (np.array(labels) for labels in product(range(k), repeat=8))
    best = min(spread(points, weights, labels) for labels in every if len(set(labels)) == k)
    assert spread(points, weights, found) == pytest.approx(best)


@pytest.mark.parametrize("k", [2, 7, 40, 59])
def test_all_clusters_are_used_and_nothing_is_nearer_to_another_center(k):
    draw = np.random.default_rng(k)
    points, weights = draw.normal(size=(60, 5)), np.ones(60)
    labels = kmeans(points @ points.T, weights, k, seed=0, starts=3)
    assert set(labels) == set(range(k))
    centers = np.stack([points[labels == c].mean(axis=0) for c in range(k)])
    apart = np.square(points[:, None] - centers[None]).sum(axis=2)
    assert (apart[np.arange(60), labels] <= apart.min(axis=1) + 1e-9).all()


def test_many_points_on_the_same_spot_still_fill_every_cluster():
    points = np.repeat(np.eye(3), [5, 1, 1], axis=0)
    assert set(kmeans(points @ points.T, np.ones(7), 5, seed=0, starts=2)) == set(range(5))


def test_a_wide_problem_equals_the_narrow_one():
    """Above 256 points the means are taken by a sparse matrix."""
    draw = np.random.default_rng(0)
    centers = draw.normal(size=(6, 20)) * 5
    points = np.repeat(centers, 60, axis=0) + draw.normal(size=(360, 20))
    labels = kmeans(points @ points.T, np.ones(360), 6, seed=1, starts=3)
    assert all(len(set(labels[60 * c : 60 * c + 60])) == 1 for c in range(6))
    assert len(set(labels)) == 6


def test_the_same_seed_gives_the_same_clusters():
    points = np.random.default_rng(1).normal(size=(50, 4))
    one, two = (kmeans(points @ points.T, np.ones(50), 9, seed=4, starts=2) for _ in range(2))
    assert (one == two).all()
