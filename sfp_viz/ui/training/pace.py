"""How long trainings will take, estimated from earlier ones of the same network."""

from __future__ import annotations

from contextlib import suppress
from itertools import pairwise
from pathlib import Path

from sfp_viz.core.training.distillation import Distillation
from sfp_viz.core.training.sparsification import SparseSettings
from sfp_viz.errors import SfpError
from sfp_viz.runs.scheduling.estimates import epoch_seconds, pace_key
from sfp_viz.runs.storage.records import Run
from sfp_viz.runs.storage.sparsify import KIND, last_refreshes, read_sparsify_request
from sfp_viz.text.numbers import duration
from sfp_viz.ui.cached import known_runs, loaders

_RECENT = 5  # runs that are considered, the newest first
_UNKNOWN = "The training time is not known yet: this network has not been trained here."


def training_sentence(
    digest: str, data: str, settings: Distillation, epochs: int, how: str = ""
) -> str:
    """The estimated time of a training, in a sentence.

    Args:
        digest: Digest of the network.
        data: Name of the images.
        settings: Settings of the training.
        epochs: Epochs of all its runs together.
        how: How several runs are executed, such as 'one after the other'.
    """
    seconds = _seconds_per_epoch(digest, data, settings)
    return _estimate(None if seconds is None else seconds * epochs, how)


def sparse_sentence(
    digest: str,
    data: str,
    settings: SparseSettings,
    tuning: Distillation | None,
    groups: int = 1,
) -> str:
    """The estimated time of a sparse training and the fine-tuning after it, in a sentence: from
    earlier sparse trainings, else from other trainings of the network.

    Args:
        digest: Digest of the network.
        data: Name of the images.
        settings: Settings of the sparse training.
        tuning: Settings of the fine-tuning, None for none.
        groups: Groups that are trained one after the other, if ``settings`` say so.
    """
    plain = tuning or Distillation(train_images=settings.train_images)
    tuning_pace = _seconds_per_epoch(digest, data, plain)
    pace = _sparse_seconds_per_epoch(digest, data, settings) or tuning_pace
    if pace is None:
        return _UNKNOWN
    epochs = settings.epochs * (groups if settings.order == "layers" else 1)
    return _estimate(pace * epochs + (tuning_pace or pace) * (tuning.epochs if tuning else 0))


def _estimate(seconds: float | None, how: str = "") -> str:
    if seconds is None:
        return _UNKNOWN
    how = f", {how}" if how else ""
    return f"This takes about {duration(seconds)}{how} (estimated from earlier trainings)."


def _seconds_per_epoch(digest: str, data: str, settings: Distillation) -> float | None:
    run = Run("", Path(), "", "waiting", settings, data, facts={"digest": digest})
    return epoch_seconds(loaders.home(), [run]).get(pace_key(run))


def _sparse_seconds_per_epoch(digest: str, data: str, settings: SparseSettings) -> float | None:
    """Seconds of an epoch in the newest sparse training of the network on as many of the same
    images, with stripes if ``settings`` have them."""
    runs = [run for run in known_runs.runs_of(digest) if run.kind == KIND and run.data == data]
    for run in runs[:_RECENT]:
        with suppress(SfpError):
            earlier, refreshes = read_sparsify_request(run.path).settings, last_refreshes(run.path)
            alike = earlier.train_images == settings.train_images
            alike &= (earlier.method == "stripes") == (settings.method == "stripes")
            if alike and refreshes:
                last = refreshes[-1]
                steps = sum(b.step - a.step for a, b in pairwise(refreshes)) or refreshes[0].step
                seconds = sum(line.seconds for line in refreshes[1:]) or refreshes[0].seconds
                return seconds / steps * last.steps / max(1, last.epochs)
    return None
