"""How wrong a refitted layer's output is, before and after its fit, on images of the fit and on
others (docs/method.md). Looks only: the fit is the same to the bit with and without it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import numpy as np
from torch import Tensor, nn

from sfp_viz.nets.data.datasets import Images
from sfp_viz.nets.model import Model
from sfp_viz.nets.pruning.calibration import calibration_batches
from sfp_viz.nets.pruning.layer_fits import Errors, LayerFit, Reader, look
from sfp_viz.nets.tracing.channel_groups import ChannelGroup, channels_of

Removed = Mapping[str, Sequence[int]]


@dataclass(frozen=True)
class ErrorProbe:
    """Two batches to measure on: ``seen`` of the fit's images and ``unseen`` ones; None for
    neither. ``module`` is the network that is cut and refitted, ``whole`` the uncut one; ``gone``
    holds the outputs of layers that are cut themselves, which do not count."""

    module: nn.Module
    whole: nn.Module
    seen: Tensor | None = None
    unseen: Tensor | None = None
    gone: Mapping[str, np.ndarray] = field(default_factory=dict)

    def before(self, reader: Reader) -> tuple[float, float] | None:
        """The errors of a layer before its fit, on seen and on unseen images."""
        return self._errors(reader, None)

    def after(
        self,
        reader: Reader,
        made: LayerFit,
        before: tuple[float, float] | None,
        constant: Tensor | None,
    ) -> LayerFit:
        """``made`` with the errors of its layer before and after the fit; ``constant`` [outputs]
        is what the fit adds behind the layer, in the norm there."""
        after = self._errors(reader, constant)
        if before is None or after is None or self.seen is None or self.unseen is None:
            return made
        seen, unseen = (
            Errors(was, now, len(batch))
            for was, now, batch in zip(before, after, (self.seen, self.unseen), strict=True)
        )
        return replace(made, seen=seen, unseen=unseen)

    def _errors(self, reader: Reader, constant: Tensor | None) -> tuple[float, float] | None:
        if self.seen is None or self.unseen is None:
            return None
        gone = self.gone.get(reader.name, ())
        stays = np.setdiff1d(np.arange(len(reader.part.weight)), gone)
        seen, unseen = (
            output_error(self.module, self.whole, reader, batch, stays, constant)
            for batch in (self.seen, self.unseen)
        )
        return seen, unseen


def rulers(
    module: nn.Module,
    whole: nn.Module,
    model: Model,
    groups: Sequence[ChannelGroup],
    removed: Removed,
    images: Images,
    held_out: Images | None,
    most: int,
) -> ErrorProbe:
    """The first batch of the fit's ``images`` and one of ``held_out``, of up to 128 images, each
    spread evenly over all of them; nothing to measure on without ``held_out``."""
    if held_out is None or len(held_out) < 2:
        return ErrorProbe(module, whole)
    seen, unseen = (
        next(islice(calibration_batches(model, some, many), 1))
        for some, many in ((images, most), (held_out, 1))
    )
    gone = {r.name: channels for r, channels in channels_of(groups, removed) if r.side == "out"}
    return ErrorProbe(module, whole, seen, unseen, gone)


def output_error(
    module: nn.Module,
    whole: nn.Module,
    reader: Reader,
    batch: Tensor,
    stays: np.ndarray,
    constant: Tensor | None = None,
) -> float:
    """Sum of (Y' - Y)^2 over sum of (Y - mean Y)^2, the mean for each output: 0 where nothing is
    wrong, 1 where the layer knows no more than the mean of each output, above 1 where less.

    Y is what ``reader`` puts out in the ``whole`` network, Y' in the cut ``module`` (plus
    ``constant``), both with the stream they are added to where the fit looks at it too; only the
    outputs ``stays``, at the positions that are drawn for the fit. 0 where Y never changes.
    """
    norm: Any = whole.get_submodule(reader.norm) if reader.norm else None
    followed = norm is not None and norm.running_var is not None and reader.form != "channel"
    follow = {reader.name: norm} if followed else {}
    plain = replace(reader, form="window")  # so that what it puts out is looked at
    theirs = look(whole, [plain], batch, 0, follow=follow)
    ours = look(module, [plain], batch, 0, follow=follow if theirs.followed else {})
    wrong = total = 0.0
    for mine, right in zip(ours.calls[reader.name], theirs.calls[reader.name], strict=True):
        aim = right.rows[..., stays].double()
        made = mine.rows[..., stays].double()
        if constant is not None:
            made = made + constant.to(made)[stays]
        wrong += float((made - aim).square().sum())
        total += float((aim - aim.mean((0, 1))).square().sum())
    return wrong / total if total > 0 else 0.0
