"""Usual preprocessings of images: what pixels from 0 to 1 have taken off and are divided by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sfp_viz.errors import ModelError

Values = tuple[float, ...]
IMAGENET: tuple[Values, Values] = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# name -> mean and standard deviation a channel; one number stands for every channel
NAMED: Mapping[str, tuple[Values, Values]] = {
    "raw": ((0.0,), (1.0,)),
    "half": ((0.5,), (0.5,)),
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    "cifar10-2023": ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
    "cifar100": ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
    "imagenet": IMAGENET,
    "mean-only": ((0.4914, 0.4822, 0.4465), (1.0, 1.0, 1.0)),
    "pixels-255": ((0.0,), (1 / 255,)),
    "mnist": ((0.1307,), (0.3081,)),
    "fashion_mnist": ((0.2860,), (0.3530,)),
}


def candidates(channels: int) -> dict[str, tuple[Values, Values]]:
    """The usual preprocessings for images with so many channels, by name."""
    return {
        name: (_spread(mean, channels), _spread(std, channels))
        for name, (mean, std) in NAMED.items()
        if len(mean) in (1, channels)
        and not (channels != 1 and name in ("mnist", "fashion_mnist"))
    }  # fmt: skip


def preprocessing_named(
    chosen: str | tuple[Sequence[float], Sequence[float]], channels: int
) -> tuple[Values, Values]:
    """Mean and deviation a channel.

    Args:
        chosen: A name of ``NAMED``; 'MEAN/STD' with one number, or one a channel between commas,
            such as '0.5/0.5' and '0.49,0.48,0.45/0.2,0.2,0.2'; or (mean, deviation) themselves.
        channels: Of the images.

    Raises:
        ModelError: It is none of these.
    """
    if isinstance(chosen, str) and chosen in candidates(channels):
        return candidates(channels)[chosen]
    try:
        if isinstance(chosen, str):
            sides = chosen.split("/")
            mean, std = (tuple(float(x) for x in side.split(",")) for side in sides)
        else:
            mean, std = (tuple(float(x) for x in side) for side in chosen)
        mean, std = _spread(mean, channels), _spread(std, channels)
        is_finite = all(abs(x) < 1e4 for x in (*mean, *std))
        if len(mean) == len(std) == channels and min(std) > 0 and is_finite:
            return mean, std
    except (ValueError, TypeError):
        pass
    raise ModelError(
        f"'{str(chosen)[:100]}' is no preprocessing of images with {channels} channels. Choose "
        f"{', '.join(candidates(channels))}, or write MEAN/STD with one number a channel, such as "
        "0.5/0.5 (a deviation is above 0)."
    )


def name_of(mean: Values, std: Values) -> str:
    """The name of a preprocessing, or '' where it has none.

    Args:
        mean: One value a channel, for pixels from 0 to 1.
        std: The deviations that pixels are divided by.
    """
    for name, values in candidates(len(mean)).items():
        if all(
            abs(a - b) < 1e-4 for a, b in zip((*mean, *std), (*values[0], *values[1]), strict=True)
        ):
            return name
    return ""


def _spread(values: Values, channels: int) -> Values:
    return values * channels if len(values) == 1 else values
