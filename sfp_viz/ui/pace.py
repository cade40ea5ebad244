"""How long trainings will take, by what earlier ones of the same network took."""

from __future__ import annotations

from pathlib import Path

from sfp_viz.core.training import Distillation
from sfp_viz.figures.numbers import duration
from sfp_viz.runs.estimates import key_of, paces
from sfp_viz.runs.records import Run
from sfp_viz.ui import loaders


def sentence(digest: str, data: str, settings: Distillation, epochs: int, how: str = "") -> str:
    """What ``epochs`` of training on ``data`` will take, ``how`` they come ('one after the
    other'), or that this is not known."""
    asked = Run("", Path(), "", "waiting", settings, data, facts={"digest": digest})
    each = paces(loaders.home(), [asked]).get(key_of(asked))
    if each is None:
        return "How long that takes is not known yet: no training of this network has run here."
    how = f", {how}" if how else ""
    return f"That takes about {duration(each * epochs)}{how} (estimated from earlier trainings)."
