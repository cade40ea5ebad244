"""The report of pruning a network: how each layer was compensated, and what was left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Errors:
    """The error of a layer's output: the squared difference from its output in the unpruned
    network, as a share of the variance of that output.

    Attributes:
        before: After pruning, before the layer was refitted.
        after: After it was refitted.
        images: Number of images they were measured on.
    """

    before: float
    after: float
    images: int


@dataclass(frozen=True)
class LayerFit:
    """How one layer was refitted.

    Attributes:
        name: Name of the layer.
        form: What was fitted: 'window' (the kernels), 'channel' (one scale per input channel) or
            'bias' (the mean of the outputs).
        rows: Rows of the least-squares problem.
        before: Summed squared error on the calibration images without the fit: of the layer's
            outputs (and of the stream they are added to) for 'window', of the lost inputs for
            'channel'; 0 for 'bias'.
        after: The same with the fit; ``after + penalty`` is at most ``before``.
        penalty: The ridge term.
        seen: Errors of the output on images of the fit; None if they were not measured.
        unseen: Errors of the output on other images; None if they were not measured.
    """

    name: str
    form: str
    rows: int
    before: float = 0.0
    after: float = 0.0
    penalty: float = 0.0
    seen: Errors | None = None
    unseen: Errors | None = None


@dataclass(frozen=True)
class PruneReport:
    """How a pruned network was compensated.

    Attributes:
        added_biases: Names of new biases, such as 'conv2.bias'.
        notes: A sentence about everything that was not done as the recipe says.
        layers: The layers that were refitted, in forward order.
    """

    added_biases: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    layers: tuple[LayerFit, ...] = ()


def report_from_dict(value: Mapping[str, Any]) -> PruneReport:
    """The report whose ``dataclasses.asdict`` is ``value``, with lists in place of tuples.

    Raises:
        KeyError, TypeError: It is no such value.
    """
    layers = [
        LayerFit(**{**fit, "seen": _errors(fit["seen"]), "unseen": _errors(fit["unseen"])})
        for fit in value["layers"]
    ]
    added = value["added"] if "added" in value else value["added_biases"]  # version 0.1: 'added'
    return PruneReport(tuple(added), tuple(value["notes"]), tuple(layers))


def _errors(value: Mapping[str, Any] | None) -> Errors | None:
    return Errors(**value) if value else None
