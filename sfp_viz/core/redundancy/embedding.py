"""Filters as points in a plane: PCA at once, UMAP after; and how far to trust the picture."""

from __future__ import annotations

import warnings

import numpy as np

from sfp_viz.core.redundancy.similarity import rows_as_compared


def pca(matrix: np.ndarray) -> np.ndarray:
    """Two principal components of the filters' directions, float32 [units, 2].

    On unit rows, so that nearness means a like direction; dead filters lie where 0 falls. The
    largest coordinate of each axis is made positive, so equal input gives an equal picture.
    """
    rows = rows_as_compared(matrix).astype(np.float64)
    rows -= rows.mean(axis=0)
    small = min(rows.shape)
    if small < 2:
        first = rows[:, :1] if rows.shape[1] == 1 else np.zeros((len(rows), 1))
        return np.hstack([first, np.zeros_like(first)]).astype(np.float32)
    from scipy.linalg import eigh

    wide = rows.shape[0] <= rows.shape[1]
    gram = rows @ rows.T if wide else rows.T @ rows
    values, vectors = eigh(gram, subset_by_index=[small - 2, small - 1])
    values, vectors = values[::-1], vectors[:, ::-1]
    coords = vectors * np.sqrt(np.maximum(values, 0)) if wide else rows @ vectors
    coords[:, values <= 1e-12 * max(values[0], 1e-300)] = 0
    strongest = coords[np.abs(coords).argmax(axis=0), [0, 1]]
    return (coords * np.where(strongest < 0, -1, 1)).astype(np.float32)


def umap_map(matrix: np.ndarray, seed: int = 0) -> np.ndarray:
    """UMAP of the filters' directions, float32 [units, 2]; seconds, and imports umap.

    Starts from the PCA; 15 neighbors (fewer for fewer filters), minimum distance 0.1. Fewer than
    five filters are too few for it and get their PCA.

    Args:
        matrix: Filters as rows [units, features].
        seed: Of the layout.
    """
    start = pca(matrix)
    if len(matrix) < 5:
        return start
    with warnings.catch_warnings():  # umap says that its Tensorflow variant is missing
        warnings.simplefilter("ignore", ImportWarning)
        from umap import UMAP

    rng = np.random.default_rng(seed)
    spread = start / (np.abs(start).max() or 1.0) * 10
    begin = (spread + rng.normal(scale=1e-3, size=start.shape)).astype(np.float32)
    model = UMAP(
        n_neighbors=min(15, len(matrix) - 1),
        min_dist=0.1,
        init=begin,  # pyright: ignore[reportArgumentType]  (umap takes arrays too)
        random_state=seed,
        n_jobs=1,
    )
    return np.asarray(model.fit_transform(rows_as_compared(matrix)), np.float32)


def trustworthiness(matrix: np.ndarray, coords: np.ndarray, neighbors: int = 10) -> float:
    """How far neighbors in the picture are neighbors among the filters, 0..1.

    After Venna and Kaski 2001. nan for fewer than five filters; fewer ``neighbors`` where there
    are fewer than twice as many filters.

    Args:
        matrix: Filters as rows [units, features].
        coords: Their places in the picture [units, 2].
        neighbors: How many neighbors count, 1 or more.
    """
    if len(matrix) < 5:
        return float("nan")
    from sklearn.manifold import trustworthiness as measure

    few = min(neighbors, (len(matrix) - 1) // 2)
    return float(measure(rows_as_compared(matrix), coords, n_neighbors=few))
