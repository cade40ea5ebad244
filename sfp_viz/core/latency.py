"""Latency of any plan, estimated from a table that was measured on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class LatencyTable:
    """Time of each parametrised operation at some widths, measured on one machine.

    ``points``, by the owner of a cost term: (output channels, input channels, milliseconds),
    medians. ``rest_ms``: what a forward pass of the whole network takes besides (norms,
    activations, calls); it is taken to stay. ``device``, ``threads`` and ``batch`` say how.
    """

    digest: str
    device: str
    threads: int
    batch: int
    points: Mapping[str, tuple[tuple[int, int, float], ...]]
    rest_ms: float
    whole_ms: float
