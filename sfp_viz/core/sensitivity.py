"""Sensitivity: one-shot accuracy of the network with one group thinned at a time, as measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sfp_viz.core.recipe import Recipe


@dataclass(frozen=True)
class Sensitivity:
    """Measured on ``images`` test images of ``data``, of the weights with ``digest``.

    ``base``: images that the whole network names right. ``right``, by group: (units kept, images
    named right), by falling units, never the whole group. ``recipe`` says how filters were chosen
    and made up for; its target plays no part. ``seconds`` it took.
    """

    digest: str
    data: str
    images: int
    base: int
    recipe: Recipe
    right: Mapping[str, tuple[tuple[int, int], ...]]
    seconds: float = 0.0
