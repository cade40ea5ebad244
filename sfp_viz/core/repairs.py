"""What the repair of a cut network needs, and what is left out of it where that is missing."""

from __future__ import annotations

from sfp_viz.core.plan.recipe import Compensation

WITHOUT_IMAGES: tuple[Compensation, ...] = ("none", "merge")  # these need the weights alone
REFITS: tuple[Compensation, ...] = ("lsq_channel", "lsq_window")  # fitted, so they may err

NORMS_STAY = "BatchNorm keeps its old statistics."  # without images, whatever the recipe


def left_out(compensation: Compensation, called: str = "") -> str:
    """What a cut without calibration images leaves undone of ``compensation``, ``called`` so, in a
    sentence; '' where it needs none (docs/method.md)."""
    if compensation in WITHOUT_IMAGES:
        return ""
    return (
        "Nothing makes up for the filters that went: the recipe's "
        f"'{called or compensation}' needs images, and none were given."
    )
