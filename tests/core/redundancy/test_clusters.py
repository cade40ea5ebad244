import time

import numpy as np
import pytest

from sfp_viz.core.redundancy.clusters import canonical, clusters, merge, move, representative, split
from sfp_viz.core.redundancy.similarity import similarity
from sfp_viz.errors import PlanError, RecipeError

METHODS = ("kmeans", "agglomerative", "average", "complete", "spectral")  # their k is exact
ALL = (*METHODS, "hdbscan")


def blobs(centers=3, each=5, features=12, noise=0.02, seed=0):
    rng = np.random.default_rng(seed)
    middle = rng.normal(size=(centers, features))
    rows = np.repeat(middle, each, axis=0) + rng.normal(
        scale=noise, size=(centers * each, features)
    )
    return rows.astype(np.float32)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", ["cosine", "euclidean", "correlation"])
def test_clear_clusters_are_found(method, kind):
    found = clusters(blobs(), method=method, k=3, kind=kind)
    assert found.labels == tuple(np.repeat([0, 1, 2], 5))
    assert found.k == 3


@pytest.mark.parametrize("method", ALL)
@pytest.mark.parametrize("kind", ["cosine", "euclidean", "correlation"])
@pytest.mark.parametrize("k", [4, 9, "threshold", "silhouette"])
def test_the_order_of_filters_does_not_matter_even_where_clusters_are_not_clear(method, kind, k):
    draw = np.random.default_rng(11)
    matrix, order = draw.normal(size=(24, 9)).astype(np.float32), draw.permutation(24)
    straight = np.array(clusters(matrix, method=method, k=k, kind=kind).labels)
    turned = clusters(matrix[order], method=method, k=k, kind=kind)
    assert turned.labels == canonical(straight[order])


@pytest.mark.parametrize("method", ALL)
def test_cosine_clusters_do_not_see_the_scale_of_a_filter(method):
    matrix = blobs()
    scaled = matrix * np.random.default_rng(2).uniform(0.1, 10, (15, 1)).astype(np.float32)
    assert (
        clusters(scaled, method=method, k=3).labels == clusters(matrix, method=method, k=3).labels
    )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("k", [1, 2, 7, 19, 20])
def test_there_are_as_many_clusters_as_asked_for(method, k):
    matrix = np.random.default_rng(3).normal(size=(20, 40)).astype(np.float32)
    found = clusters(matrix, method=method, k=k)
    assert found.k == k
    assert set(found.labels) == set(range(k))


@pytest.mark.parametrize("method", ALL)
def test_the_same_seed_gives_the_same_clusters(method):
    matrix = np.random.default_rng(4).normal(size=(40, 9)).astype(np.float32)
    assert clusters(matrix, method=method, k=9, seed=5) == clusters(
        matrix, method=method, k=9, seed=5
    )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("k", [1, 3, 6, 100])
def test_more_clusters_than_different_filters_are_lowered(method, k):
    matrix = np.repeat(np.eye(3, 7, dtype=np.float32), 4, axis=0) * 1.7
    found = clusters(matrix, method=method, k=k)
    assert found.k == min(k, 3)


@pytest.mark.parametrize("method", ALL)
def test_identical_filters_are_one_cluster(method):
    found = clusters(np.ones((6, 4), np.float32), method=method, k=3)
    assert found.labels == (0,) * 6


@pytest.mark.parametrize("method", ALL)
def test_copies_with_another_scale_never_part(method):
    rng = np.random.default_rng(6)
    rows = rng.normal(size=(8, 30))
    matrix = np.vstack([rows, rows * rng.uniform(0.5, 2, (8, 1))]).astype(np.float32)
    labels = clusters(matrix, method=method, k=6).labels
    assert labels[:8] == labels[8:]


def test_filters_of_opposite_sign_never_share_a_cluster_of_two():
    row = np.random.default_rng(7).normal(size=12)
    matrix = np.stack([row, -row, 1.1 * row, -0.9 * row]).astype(np.float32)
    assert clusters(matrix, k=2).labels == (0, 1, 0, 1)


@pytest.mark.parametrize("method", ALL)
def test_dead_filters_belong_to_no_cluster(method):
    matrix = blobs()
    matrix[[0, 7]] = 0
    found = clusters(matrix, method=method, k=3)
    assert [i for i, label in enumerate(found.labels) if label < 0] == [0, 7]
    assert found.labels[1] == 0
    assert clusters(np.zeros((4, 3), np.float32), method=method, k=2).k == 0


@pytest.mark.parametrize("method", METHODS)
def test_filters_without_a_correlation_are_like_no_other(method):
    """Weights that are all one number: their similarity is 0, so no cluster holds two of them."""
    matrix = blobs(centers=3, each=3)
    flat = np.outer([1, 2, -1], np.ones(matrix.shape[1])).astype(np.float32)
    found = clusters(np.vstack([matrix, flat]), method=method, k=6, kind="correlation")
    assert found.labels == (*np.repeat([0, 1, 2], 3), 3, 4, 5)
    by_rule = clusters(np.vstack([matrix, flat]), method=method, k="threshold", kind="correlation")
    assert by_rule.labels[-3:] == (by_rule.k - 3, by_rule.k - 2, by_rule.k - 1)


@pytest.mark.parametrize("method", ALL)
def test_a_single_filter_is_a_cluster(method):
    assert clusters(np.ones((1, 3), np.float32), method=method, k=4).labels == (0,)


@pytest.mark.parametrize("method", ALL)
@pytest.mark.parametrize("k", [1, 2, "threshold", "silhouette"])
@pytest.mark.parametrize("units", [1, 2, 3])
def test_a_few_filters_are_no_problem(method, k, units):
    matrix = np.random.default_rng(units).normal(size=(units, 9)).astype(np.float32)
    assert 1 <= clusters(matrix, method=method, k=k).k <= units


@pytest.mark.parametrize("method", ALL)
@pytest.mark.parametrize("k", [3, "threshold", "silhouette"])
def test_equal_filters_are_one_cluster_under_every_rule(method, k):
    assert clusters(np.ones((6, 4), np.float32), method=method, k=k).labels == (0,) * 6


def test_hdbscan_mixes_no_clear_clusters_and_leaves_noise_alone():
    found = clusters(blobs(4, 6, 30), method="hdbscan", k=1)
    parts = [set(found.labels[6 * c : 6 * c + 6]) for c in range(4)]
    assert sum(map(len, parts)) == len(set().union(*parts)) < 24
    pairs = np.vstack([np.eye(8, 40), np.eye(8, 40)[:3]]) + 0.01 * blobs(11, 1, 40)
    labels = clusters(pairs.astype(np.float32), method="hdbscan", k=1).labels
    assert labels[8:] == labels[:3]
    assert len(set(labels[:8])) > 4


def test_a_graph_in_pieces_is_clustered_by_its_pieces():
    matrix = np.kron(np.eye(3), np.ones((4, 2))) + 0.05 * np.abs(blobs(12, 1, 6))
    found = clusters(matrix.astype(np.float32), method="spectral", k=3)
    assert found.labels == tuple(np.repeat([0, 1, 2], 4))


def slow_complete(similarity, limit):
    """Complete linkage word for word: join the two clusters whose least alike pair is most so."""
    groups = [[i] for i in range(len(similarity))]
    while len(groups) > 1:
        pairs = [(a, b) for a in range(len(groups)) for b in range(a)]
        least = [similarity[np.ix_(groups[a], groups[b])].min() for a, b in pairs]
        if max(least) < limit:
            break
        a, b = pairs[int(np.argmax(least))]
        groups[b] += groups.pop(a)
    return sorted(sorted(group) for group in groups)


def test_the_threshold_cuts_where_the_least_similarity_falls_below_one_half():
    matrix = blobs(4, 5, 12, noise=0.6, seed=2)
    found = clusters(matrix, method="complete", k="threshold")
    expected = slow_complete(similarity(matrix), 0.5)
    assert [[i for i in range(20) if found.labels[i] == c] for c in range(found.k)] == expected
    assert 4 < found.k < 20
    assert clusters(matrix, method="kmeans", k="threshold").k == found.k


@pytest.mark.parametrize("method", METHODS)
def test_the_silhouette_finds_the_number_of_clear_clusters(method):
    assert clusters(blobs(4, 8, 20), method=method, k="silhouette").k in (3, 4, 5)
    assert clusters(blobs(2, 10, 20), method=method, k="silhouette").k == 2


def test_activations_cluster_by_their_correlation():
    draw = np.random.default_rng(3)
    signals = np.repeat(draw.normal(size=(3, 500)), 4, axis=0) * draw.uniform(0.1, 9, (12, 1))
    covariance = np.cov(signals + 0.01 * draw.normal(size=signals.shape))
    covariance[5, :] = covariance[:, 5] = 0  # a constant unit
    for method in ALL:
        found = clusters(covariance, method=method, k=3, kind="activation")
        assert found.labels == (0, 0, 0, 0, 1, -1, 1, 1, 2, 2, 2, 2), method


@pytest.mark.parametrize("method", ALL)
def test_a_wide_layer_takes_seconds(method):
    matrix = np.random.default_rng(0).normal(size=(700, 300)).astype(np.float32)
    start = time.perf_counter()
    clusters(matrix, method=method, k=250)
    assert time.perf_counter() - start < 20


def test_an_unknown_method_is_refused():
    with pytest.raises(RecipeError, match="dbscan"):
        clusters(blobs(), method="dbscan", k=2)


def test_clusters_are_numbered_by_their_first_unit():
    assert canonical((5, 5, 2, -1, 9, 2)) == (0, 0, 1, -1, 2, 1)


LABELS = (0, 0, 1, -1, 2, 1, 2)


def test_merging_joins_the_whole_clusters_of_the_selection():
    assert merge(LABELS, [0, 4]) == (0, 0, 1, -1, 0, 1, 0)
    assert merge(LABELS, [2, 3, 4]) == (0, 0, 1, -1, 1, 1, 1)
    assert merge(LABELS, [5]) == LABELS


def test_splitting_makes_a_new_cluster():
    assert split(LABELS, [1, 6]) == (0, 1, 2, -1, 3, 2, 1)
    assert split(LABELS, [0, 1]) == LABELS


def test_moving_goes_to_an_existing_cluster():
    assert move(LABELS, [0, 1], 2) == (0, 0, 1, -1, 0, 1, 0)
    assert move(LABELS, [0], 1) == (0, 1, 0, -1, 2, 0, 2)


def test_merging_undoes_splitting():
    assert merge(split(LABELS, [2]), [2, 5]) == LABELS


@pytest.mark.parametrize("act", [merge, split, lambda labels, units: move(labels, units, 0)])
@pytest.mark.parametrize("units", [[], [3], [7], [-1]])
def test_a_selection_without_live_filters_is_refused(act, units):
    with pytest.raises(PlanError):
        act(LABELS, units)


@pytest.mark.parametrize("cluster", [-1, 3])
def test_a_cluster_that_does_not_exist_is_refused(cluster):
    with pytest.raises(PlanError, match="no cluster"):
        move(LABELS, [0], cluster)
    with pytest.raises(PlanError, match="no cluster"):
        representative(LABELS, np.ones(7), cluster)


def test_the_representative_is_the_most_important_the_first_of_equals():
    assert representative(LABELS, np.array([1, 5, 2, 9, 3, 2, 3]), 0) == 1
    assert representative(LABELS, np.array([1, 5, 2, 9, 3, 2, 3]), 1) == 2
    assert representative(LABELS, np.array([1, 5, 2, 9, 3, 2, 4]), 2) == 6
