"""How long trainings will take, by what earlier ones of the same network took."""

from __future__ import annotations

from contextlib import suppress
from itertools import pairwise
from pathlib import Path

from sfp_viz.core.training.distillation import Distillation
from sfp_viz.core.training.sparsification import Sparsification
from sfp_viz.errors import SfpError
from sfp_viz.runs.line.estimates import key_of, paces
from sfp_viz.runs.storage.records import Run
from sfp_viz.runs.storage.sparsify import KIND, last_refreshes, sparse_of
from sfp_viz.text.numbers import duration
from sfp_viz.ui.cached import known_runs, loaders

_SEEN = 5  # runs that are asked, the newest first


def sentence(digest: str, data: str, settings: Distillation, epochs: int, how: str = "") -> str:
    """What ``epochs`` of training on ``data`` will take, ``how`` they come ('one after the
    other'), or that this is not known."""
    asked = Run("", Path(), "", "waiting", settings, data, facts={"digest": digest})
    each = paces(loaders.home(), [asked]).get(key_of(asked))
    if each is None:
        return "How long that takes is not known yet: no training of this network has run here."
    how = f", {how}" if how else ""
    return f"That takes about {duration(each * epochs)}{how} (estimated from earlier trainings)."


def thinning_sentence(
    digest: str,
    data: str,
    settings: Sparsification,
    tuning: Distillation | None,
    groups: int = 1,
) -> str:
    """What pruning while training, and the fine-tuning after it, will take: by earlier runs of the
    same kind, else by trainings of the network; or that this is not known."""
    plain = tuning or Distillation(train_images=settings.train_images)
    asked = Run("", Path(), "", "waiting", plain, data, facts={"digest": digest})
    tuned = paces(loaders.home(), [asked]).get(key_of(asked))
    each = _thinning_pace(digest, data, settings) or tuned
    if each is None:
        return "How long that takes is not known yet: no training of this network has run here."
    epochs = settings.epochs * (groups if settings.order == "layers" else 1)
    whole = each * epochs + (tuned or each) * (tuning.epochs if tuning else 0)
    return f"That takes about {duration(whole)} (estimated from earlier trainings)."


def _thinning_pace(digest: str, data: str, settings: Sparsification) -> float | None:
    """Seconds an epoch took in the newest run that pruned this network while training, on as many
    of the same images, with stripes or without as now."""
    found = [run for run in known_runs.runs_of(digest) if run.kind == KIND and run.data == data]
    for run in found[:_SEEN]:
        with suppress(SfpError):
            was, lines = sparse_of(run.path).settings, last_refreshes(run.path)
            alike = was.train_images == settings.train_images
            alike &= (was.method == "stripes") == (settings.method == "stripes")
            if alike and lines:
                steps = sum(b.step - a.step for a, b in pairwise(lines)) or lines[0].step
                spent = sum(line.seconds for line in lines[1:]) or lines[0].seconds
                return spent / steps * lines[-1].steps / max(1, lines[-1].epochs)
    return None
