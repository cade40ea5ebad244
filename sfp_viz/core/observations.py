"""Observations: what was seen of a network's activations, enough for redundancy by function."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sfp_viz.errors import RecipeError


@dataclass(frozen=True)
class Observations:
    """Means and covariances of what each group feeds forward, over images and positions.

    ``mean`` [units] and ``covariance`` [units, units] (float64, by group name) are of the values
    that the next layers read, after norm and activation. ``reach`` [units, units], by group, is
    the Gram matrix of the next layers' weights over their outputs and window positions:
    sum over o, h, w of W[o, i, h, w] W[o, j, h, w], each output first scaled by the BatchNorm that
    follows it. ``power``, by group, is the variance of what the layer after the first reader takes
    in, summed over its channels: the size of the stream that an error disturbs. ``images`` says
    how many were seen, of which ``data``. A group that was not observed raises RecipeError.
    """

    digest: str
    data: str
    images: int
    mean: Mapping[str, np.ndarray]
    covariance: Mapping[str, np.ndarray]
    reach: Mapping[str, np.ndarray]
    power: Mapping[str, float]

    def __post_init__(self) -> None:
        for part in (self.mean, self.covariance, self.reach):
            for array in part.values():
                array.setflags(write=False)

    def of(self, group: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(mean, covariance, reach) of a group."""
        if group not in self.covariance:
            raise RecipeError(
                f"The activations of '{group}' were not observed. Call observe(model, images) on "
                "the network as it is now, and pass the result."
            )
        return self.mean[group], self.covariance[group], self.reach[group]
