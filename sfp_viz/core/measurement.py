"""A measured accuracy with its interval."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Measured:
    """What was measured on a network, and on what. Fields that were not measured are None.

    ``accuracy`` 0..1 with its 95 % Wilson ``interval``; ``latency_ms`` the median of ``repeats``
    at ``batch`` images and ``threads`` threads, with the quartiles in ``latency_iqr_ms``.
    """

    accuracy: float | None = None
    interval: tuple[float, float] | None = None
    images: int = 0
    data: str = ""
    latency_ms: float | None = None
    latency_iqr_ms: tuple[float, float] | None = None
    batch: int = 0
    threads: int = 0
    repeats: int = 0
    device: str = "cpu"


def wilson(right: int, total: int, z: float = 1.96) -> tuple[float, float]:
    """95 % confidence interval of a share (Wilson 1927), 0..1; (0, 1) for no images.

    Args:
        right: Images named right.
        total: All images.
        z: Quantile of the normal distribution; 1.96 for 95 %.
    """
    if total == 0:
        return 0.0, 1.0
    share = right / total
    center = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total)
    half *= math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    return max(0.0, center - half), min(1.0, center + half)
