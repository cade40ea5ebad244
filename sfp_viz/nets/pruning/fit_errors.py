"""The error of a refitted layer's output, before and after its fit, on images of the fit and on
others (docs/method.md). Measuring does not change the fit by a bit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import numpy as np
from torch import Tensor, nn

from sfp_viz.core.plan.prune_report import Errors, LayerFit
from sfp_viz.nets.data.datasets import Images
from sfp_viz.nets.pruning.calibration import calibration_batches
from sfp_viz.nets.pruning.cut_context import CutContext
from sfp_viz.nets.pruning.layer_fits import Reader, capture_calls


@dataclass(frozen=True)
class ErrorProbe:
    """Two batches on which the errors of refitted layers are measured.

    Attributes:
        module: The network that is cut and refitted.
        original: The uncut network.
        seen: A batch of images of the fit; None to measure nothing.
        unseen: A batch of other images; None to measure nothing.
        removed_outputs: Outputs of layers that are cut themselves; they do not count.
        follow_streams: Whether the fit counts the residual stream that an output is added to.
    """

    module: nn.Module
    original: nn.Module
    seen: Tensor | None = None
    unseen: Tensor | None = None
    removed_outputs: Mapping[str, np.ndarray] = field(default_factory=dict)
    follow_streams: bool = True

    def before(self, reader: Reader) -> tuple[float, float] | None:
        """The errors of a layer before its fit, on seen and on unseen images."""
        return self._errors(reader, None)

    def after(
        self,
        reader: Reader,
        fit: LayerFit,
        before: tuple[float, float] | None,
        constant: Tensor | None,
    ) -> LayerFit:
        """``fit`` with the errors of its layer before and after the fit.

        Args:
            reader: The layer.
            fit: How it was refitted.
            before: What ``before`` returned ahead of the fit.
            constant: What the fit adds behind the layer, in the norm there [outputs], or None.
        """
        after = self._errors(reader, constant)
        if before is None or after is None or self.seen is None or self.unseen is None:
            return fit
        seen, unseen = (
            Errors(error, remaining, len(batch))
            for error, remaining, batch in zip(before, after, (self.seen, self.unseen), strict=True)
        )
        return replace(fit, seen=seen, unseen=unseen)

    def _errors(self, reader: Reader, constant: Tensor | None) -> tuple[float, float] | None:
        if self.seen is None or self.unseen is None:
            return None
        seen, unseen = (
            self.output_error(reader, batch, constant) for batch in (self.seen, self.unseen)
        )
        return seen, unseen

    def output_error(self, reader: Reader, batch: Tensor, constant: Tensor | None = None) -> float:
        """Sum of (Y' - Y)^2 over sum of (Y - mean Y)^2, the mean for each output.

        Y is what ``reader`` puts out in the uncut network, Y' in the cut one (plus ``constant``),
        both with the stream they are added to where the fit counts it too; only the outputs that
        are kept, at the positions that are sampled for the fit.

        Args:
            reader: The layer.
            batch: Normalized images.
            constant: What the fit adds behind the layer [outputs], or None.

        Returns:
            0 where nothing is wrong, 1 where the output is as wrong as the mean of each output,
            above 1 where it is worse. 0 where Y never changes.
        """
        removed = self.removed_outputs.get(reader.name, ())
        kept = np.setdiff1d(np.arange(len(reader.layer.weight)), removed)
        norm: Any = self.original.get_submodule(reader.norm) if reader.norm else None
        follows = norm is not None and norm.running_var is not None and reader.form != "channel"
        follow = {reader.name: norm} if follows and self.follow_streams else {}
        plain = replace(reader, form="window")  # so that its outputs are captured
        original = capture_calls(self.original, [plain], batch, 0, follow=follow)
        follow = follow if original.in_streams else {}
        cut = capture_calls(self.module, [plain], batch, 0, follow=follow)
        wrong = total = 0.0
        calls = zip(cut.calls[reader.name], original.calls[reader.name], strict=True)
        for call, original_call in calls:
            targets = original_call.rows[..., kept].double()
            outputs = call.rows[..., kept].double()
            if constant is not None:
                outputs = outputs + constant.to(outputs)[kept]
            wrong += float((outputs - targets).square().sum())
            total += float((targets - targets.mean((0, 1))).square().sum())
        return wrong / total if total > 0 else 0.0


def error_probe(
    cut: CutContext,
    original: nn.Module,
    images: Images,
    held_out: Images | None,
    *,
    batches: int,
    follow_streams: bool = True,
) -> ErrorProbe:
    """A probe on the first batch of the fit's images and one batch of ``held_out``.

    Args:
        cut: The cut whose readers are refitted.
        original: The uncut network.
        images: The images of the fit.
        held_out: Other images; with fewer than two, or None, nothing is measured.
        batches: On how many batches of ``images`` layers are fitted.
        follow_streams: Whether the fit counts residual streams.

    Raises:
        DataError: Images do not fit the network.
    """
    if held_out is None or len(held_out) < 2:
        return ErrorProbe(cut.module, original)
    seen, unseen = (
        next(islice(calibration_batches(cut.model, source, most), 1))
        for source, most in ((images, batches), (held_out, 1))
    )
    return ErrorProbe(cut.module, original, seen, unseen, cut.removed_outputs(), follow_streams)
