"""Records to plotly figures; each builder is imported when it is first asked for."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "Point": "tradeoff.tradeoff",
    "accuracy_bars": "tradeoff.accuracy_bars",
    "accuracy_against_macs": "tradeoff.tradeoff",
    "dispersion_bars": "filters.dispersion",
    "filter_map": "filters.filter_map",
    "filter_pixels": "filters.pictures",
    "layer_widths": "architecture",
    "predicted_against_measured": "trust",
    "sensitivity_curves": "sensitivity",
    "similarity_map": "filters.similarity",
    "thinning_layers": "sparsity",
    "training_curves": "curves",
}
__all__ = sorted(_HOMES)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"sfp_viz.figures has no '{name}'")
    return getattr(import_module(f"sfp_viz.figures.{_HOMES[name]}"), name)
