"""Which preprocessing a network was trained with, measured on labeled images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sfp_viz.core.measurement import MeasuredPreprocessing, PreprocessingCheck
from sfp_viz.errors import DataError, ModelError
from sfp_viz.nets.data.compatibility import check_images
from sfp_viz.nets.data.datasets import Images
from sfp_viz.nets.evaluation.measure import measure_accuracy
from sfp_viz.nets.model import Model
from sfp_viz.nets.zoo.preprocessing import candidates, name_of
from sfp_viz.nets.zoo.recognize import published

_FIRST = 100  # images for every candidate; the best ones are measured on more
_FINALISTS = 2


def check_preprocessing(
    model: Model,
    images: Images,
    *,
    limit: int = 400,
    progress: Callable[[str], None] | None = None,
) -> PreprocessingCheck:
    """Measure ``model`` with its own preprocessing and with each usual one.

    Args:
        model: The network.
        images: Labeled test images.
        limit: How many of them, spread over the whole set, decide between the best ones.
        progress: Gets a line about each preprocessing.

    Returns:
        The figures: of the current one and the best ones on ``limit`` images, of others on 100.

    Raises:
        DataError: The images do not fit the network, or are fewer than two.
    """
    check_images(model, images)
    if len(images) < 2:
        raise DataError(f"The data '{images.name}' have too few images. Choose other data.")
    every = {(model.mean, model.std): name_of(model.mean, model.std)}
    for name, values in candidates(model.input_shape[0]).items():
        every.setdefault(values, name)
    own = _published(model)
    if own is not None:
        every.setdefault(own, name_of(*own))
    few, many = (_spread(images, count) for count in (min(_FIRST, limit), limit))

    def measured(values: tuple, chosen: Images) -> MeasuredPreprocessing:
        if progress:
            progress(f"Measuring with the preprocessing {every[values] or 'of its own'}")
        mean, std = values
        accuracy = measure_accuracy(replace(model, mean=mean, std=std), chosen)
        return MeasuredPreprocessing(every[values], mean, std, accuracy)

    entries = {values: measured(values, few) for values in every}
    order = sorted(entries, key=lambda values: -entries[values].accuracy)
    current = (model.mean, model.std)
    for values in {current, *order[:_FINALISTS]}:
        entries[values] = measured(values, many)
    now = entries.pop(current)
    others = sorted(entries.values(), key=lambda e: (-e.measured.images, -e.accuracy))
    return PreprocessingCheck(now, tuple(others), model.classes)


def _published(model: Model) -> tuple | None:
    """What timm or torchvision state for the architecture."""
    if not model.architecture or ":" not in model.architecture:
        return None
    try:
        stated = published(model.architecture)
    except (ModelError, ValueError, KeyError, RuntimeError):
        return None
    channels = model.input_shape[0]
    return (stated.mean, stated.std) if len(stated.mean) == channels else None


def _spread(images: Images, count: int) -> Images:
    """``count`` images spread over the whole set, so that sorted classes are all among them."""
    import numpy as np

    if count >= len(images):
        return images
    chosen = np.linspace(0, len(images) - 1, count).round().astype(int)
    return Images(images.name, images.split, images.pixels[chosen], images.labels[chosen])
