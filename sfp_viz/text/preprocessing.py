"""What a measured check of preprocessings says, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sfp_viz.core.measurement import MeasuredPreprocessing, PreprocessingCheck
from sfp_viz.text.numbers import percent, span

NAMES: Mapping[str, str] = {
    "raw": "Pixels from 0 to 1 as they are",
    "half": "0.5 / 0.5",
    "cifar10": "CIFAR-10's mean and deviation",
    "cifar10-2023": "CIFAR-10's mean, deviations of 0.2",
    "cifar100": "CIFAR-100's mean and deviation",
    "imagenet": "ImageNet's mean and deviation",
    "mean-only": "CIFAR-10's mean alone",
    "pixels-255": "Pixels from 0 to 255",
    "mnist": "MNIST's mean and deviation",
    "fashion_mnist": "Fashion-MNIST's mean and deviation",
}
CAUSES = (
    "the images or the order of their classes are not those it was trained on",
    "its size of images is another",
    "its weights are not trained",
    "its layers work otherwise than was assumed",
)


def preprocessing_name(entry: MeasuredPreprocessing) -> str:
    """A preprocessing by its usual name, else its numbers."""
    return NAMES.get(entry.name) or f"{_numbers(entry.mean)} / {_numbers(entry.std)}"


def check_rows(check: PreprocessingCheck) -> list[tuple[str, str, str, int]]:
    """Name, accuracy, interval and images of each preprocessing: the current one, then the best."""
    rows = []
    for entry in (check.current, *check.others):
        name = preprocessing_name(entry) + (" (now)" if entry is check.current else "")
        interval = span(entry.measured.interval)
        rows.append((name, percent(entry.accuracy), interval, entry.measured.images))
    return rows


def check_summary(check: PreprocessingCheck) -> str:
    """What the figures mean, in a sentence or two."""
    best, now = check.best, check.current
    if check.is_chance:
        return (
            f"No preprocessing is clearly better than guessing: {percent(best.accuracy)} at best, "
            f"and guessing gives {percent(1 / max(2, check.classes))}. Likely causes: "
            f"{'; '.join(CAUSES)}."
        )
    if check.is_better:
        return (
            f"{preprocessing_name(best)} fits better: {percent(best.accuracy)} instead of "
            f"{percent(now.accuracy)} (measured on {best.measured.images:,} images)."
        )
    return (
        f"The preprocessing fits: {percent(now.accuracy)} on {now.measured.images:,} images, and "
        "none of the others is better beyond its interval (measured)."
    )


def _numbers(values: Sequence[float]) -> str:
    values = values[:1] if len(set(values)) == 1 else values
    return ", ".join(f"{value:.4g}" for value in values)
