"""How a pruned network was compensated, as the command line says it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from typing import TYPE_CHECKING, Any

from sfp_viz.text.numbers import percent

if TYPE_CHECKING:
    from sfp_viz.core.plan.prune_report import Errors, LayerFit, PruneReport


def repair_to_dict(compensation: str, report: PruneReport) -> dict[str, Any]:
    """How a pruned network was compensated, as JSON.

    Args:
        compensation: What the recipe asks for.
        report: What pruning did: notes on what it left out, and of each refitted layer the sums
            that the fit computed and the measured errors of its output.
    """
    layers = [
        {
            "layer": layer.name,
            "form": layer.form,
            "computed": {"rows": layer.rows, "before": layer.before, "after": layer.after,
                         "penalty": layer.penalty},
            "measured": {"seen": _errors(layer.seen), "unseen": _errors(layer.unseen)},
        }
        for layer in report.layers
    ]  # fmt: skip
    return {"asked": compensation, "notes": list(report.notes), "layers": layers}


def error_lines(report: PruneReport) -> list[str]:
    """Two lines on the errors of refitted layers, on the fit's images and on others; none where
    they were not measured."""
    layers = [layer for layer in report.layers if layer.seen and layer.unseen]
    if not layers:
        return []
    words = (
        ("of the fit", lambda layer: layer.seen),
        ("not of the fit", lambda layer: layer.unseen),
    )
    return [_line(layers, where, of) for where, of in words]


def _line(layers: Sequence[LayerFit], where: str, errors_of: Callable[[LayerFit], Any]) -> str:
    errors: list[Errors] = [errors_of(layer) for layer in layers]
    before, after = (
        median(getattr(error, name) for error in errors) for name in ("before", "after")
    )
    median_of = f"the median of {len(layers)} layers" if len(layers) > 1 else "of one layer"
    return (
        f"{percent(before)} -> {percent(after)} of the output's variance, {median_of}  "
        f"(measured on {errors[0].images:,} images {where})"
    )


def _errors(errors: Errors | None) -> dict[str, Any] | None:
    if errors is None:
        return None
    return {"before": errors.before, "after": errors.after, "images": errors.images}
