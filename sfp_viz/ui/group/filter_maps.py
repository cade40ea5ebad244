"""Where a group's filters are on the map: UMAP, shipped or from the warm process, else PCA."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import streamlit as st

from sfp_viz.core.redundancy.embedding import pca, trustworthiness
from sfp_viz.core.redundancy.similarity import filter_matrix
from sfp_viz.errors import SfpError
from sfp_viz.nets.io import samples
from sfp_viz.ui.cached import loaders

FEWEST = 5  # filters; with fewer there is nothing that UMAP could show


@dataclass(frozen=True)
class Places:
    """Where the filters of a group are on the map.

    Attributes:
        points: Float [units, 2].
        kind: 'UMAP' or 'PCA'.
        waiting: Whether the UMAP is being computed.
    """

    points: np.ndarray
    kind: str
    waiting: bool = False


def places(key: str, group: str, *, method: str = "UMAP") -> Places:
    """The places of a group's filters; a missing UMAP is requested, with PCA until it is ready.

    Args:
        key: The network.
        group: Name of the group.
        wanted: 'UMAP' or 'PCA'.
    """
    size = loaders.network(key).group(group).size
    if method == "PCA" or size < FEWEST:
        return Places(_pca(key, group), "PCA")
    points = _shipped(key, group)
    if points is None:
        points = _from_pool(key, group)
    if points is not None:
        return Places(points, "UMAP")
    return Places(_pca(key, group), "PCA", waiting=not _problem(key, group))


@st.cache_resource(max_entries=256, show_spinner=False)
def matrix(key: str, group: str) -> np.ndarray:
    """The filters of a group as rows, float32 [units, features]; cached.

    Args:
        key: Name of a sample, or digest of a stored network.
        group: Name of the group.
    """
    network = loaders.network(key)
    return filter_matrix(network, network.group(group))


@st.cache_data(max_entries=256, show_spinner=False)
def trust(key: str, group: str, kind: str, points: np.ndarray) -> float:
    """How well the map keeps neighborhoods: trustworthiness 0..1 at 10 neighbors; estimated.

    Args:
        key: Name of a sample, or digest of a stored network.
        group: Name of the group.
        kind: 'UMAP' or 'PCA', a part of the cache key.
        points: The points of the map, float [units, 2].
    """
    return trustworthiness(matrix(key, group), points)


def spread_apart(points: np.ndarray) -> np.ndarray:
    """Coinciding points are spread a little around their place, so that each can be seen."""
    points = np.array(points, float)
    if not len(points):
        return points
    spread = float(np.ptp(points, axis=0).max(initial=0.0)) or 1.0
    _, place, many = np.unique(
        np.round(points / (spread * 0.004)), axis=0, return_inverse=True, return_counts=True
    )
    order = np.argsort(place.ravel(), kind="stable")
    rank = np.empty(len(points))
    rank[order] = np.concatenate([np.arange(n) for n in many])
    crowded = many[place.ravel()] > 1
    angle, radius = rank * 2.399963, spread * 0.011 * np.sqrt(rank + 0.5)  # a sunflower
    points[crowded] += (radius * np.stack([np.cos(angle), np.sin(angle)])).T[crowded]
    return points


def _shipped(key: str, group: str) -> np.ndarray | None:
    if key not in samples.sample_names():
        return None
    coordinates = _sample_maps(key)["coordinates"].get(group)
    points = np.array(coordinates, float) if coordinates is not None else np.empty(0)
    fits = points.shape == (loaders.network(key).group(group).size, 2)
    return points if fits else None


@st.cache_resource(max_entries=16, show_spinner=False)
def _sample_maps(key: str) -> dict:
    return samples.sample_maps(key)


def shipped_labels(key: str, group: str) -> tuple[int, ...] | None:
    """The clusters of the default recipe that a sample ships; None if there are none.

    Args:
        key: Name of a sample, or digest of a stored network.
        group: Name of the group.
    """
    if key not in samples.sample_names():
        return None
    labels = tuple(int(x) for x in _sample_maps(key)["clusters"].get(group, ()))
    return labels if len(labels) == loaders.network(key).group(group).size else None


def _from_pool(key: str, group: str) -> np.ndarray | None:
    from sfp_viz.runs import pool

    name = _entry(key, group)
    points = pool.embedding(loaders.home(), name)
    if points is None and not pool.embedding_problem(loaders.home(), name):
        try:
            pool.request_embedding(loaders.home(), name, matrix(key, group))
        except (SfpError, OSError):  # a full disk, or no process: PCA remains
            return None
    fits = points is not None and points.shape == (len(matrix(key, group)), 2)
    return points if fits else None


def _problem(key: str, group: str) -> str:
    from sfp_viz.runs import pool

    if pool.pool_alive(loaders.home()) is None:
        return "no process"
    return pool.embedding_problem(loaders.home(), _entry(key, group))


def _entry(key: str, group: str) -> str:
    """The name of a map in the disk cache: all that it depends on."""
    return hashlib.sha256(f"{loaders.digest(key)} {group} umap 0".encode()).hexdigest()[:24]


@st.cache_resource(max_entries=256, show_spinner=False)
def _pca(key: str, group: str) -> np.ndarray:
    return pca(matrix(key, group))
