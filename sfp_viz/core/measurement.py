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


@dataclass(frozen=True)
class MeasuredPreprocessing:
    """What a network measures with one preprocessing: its name ('' for one without), the mean and
    the deviation of each channel, and the accuracy."""

    name: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    measured: Measured

    @property
    def accuracy(self) -> float:
        return self.measured.accuracy or 0.0


@dataclass(frozen=True)
class PreprocessingCheck:
    """A network measured with each usual preprocessing.

    Args:
        current: With the one that it has now.
        others: With the others, the best first.
        classes: Of the network.
    """

    current: MeasuredPreprocessing
    others: tuple[MeasuredPreprocessing, ...]
    classes: int

    @property
    def best(self) -> MeasuredPreprocessing:
        """The one with the highest accuracy among those measured on as many images as the current
        one; the current one where they are equal."""
        images = self.current.measured.images
        final = [entry for entry in self.others if entry.measured.images >= images]
        return max((self.current, *final), key=lambda entry: entry.accuracy)

    @property
    def is_better(self) -> bool:
        """Whether the best one is better than the current one beyond both 95 % intervals."""
        (low, _), (_, high) = (
            entry.measured.interval or (0.0, 1.0) for entry in (self.best, self.current)
        )
        return self.best is not self.current and low > high

    @property
    def is_chance(self) -> bool:
        """Whether even the best accuracy is not clearly above that of guessing: its interval
        reaches twice the share of one class (the best of several tries is above it by luck), or
        half of the images for two classes. Our choice."""
        low, _ = self.best.measured.interval or (0.0, 1.0)
        return low <= min(0.5, 2 / max(2, self.classes))


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
