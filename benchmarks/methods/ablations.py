"""Ablations of the recipe 'functional': one choice changed, or one step left out, at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from sfp_viz.core.allocation.damage_curves import energy
from sfp_viz.core.evidence.observations import Observations
from sfp_viz.nets.pruning.least_squares import FitOptions

Curves = dict[str, np.ndarray]


@dataclass(frozen=True)
class Ablation:
    """How a cut differs from the method as it is; without arguments it does not.

    Attributes:
        recipe: Choices of the recipe to change.
        options: How layers are refitted.
        plain: Calibrate on the images as they are, not augmented as in training.
        reestimate_norms: Estimate BatchNorm statistics anew.
        damage: Damage curves for the widths in place of the method's, from observations.
    """

    recipe: Mapping[str, object] = field(default_factory=dict)
    options: FitOptions = field(default_factory=FitOptions)
    plain: bool = False
    reestimate_norms: bool = True
    damage: Callable[[Observations], Curves] | None = None


def _error_curves(observations: Observations) -> Curves:
    """Widths by the plain error, without the logarithm."""
    return {
        name: energy(observations, name) * np.array(observations.elimination(name).errors)
        for name in observations.covariance
    }


def _curves(
    loss: Callable[[np.ndarray], np.ndarray], power: float = 1.0
) -> Callable[[Observations], Curves]:
    """Curves of ``loss`` of the errors times energy ** ``power``."""

    def curves(observations: Observations) -> Curves:
        return {
            name: energy(observations, name) ** power
            * loss(np.minimum(np.array(observations.elimination(name).errors), 1 - 1e-6))
            for name in observations.covariance
        }

    return curves


def _log_loss(errors: np.ndarray) -> np.ndarray:
    return -np.log(1 - errors)


ABLATIONS: Mapping[str, Ablation] = {
    "no_compensation": Ablation({"compensation": "none"}),
    "compensation_by_channel": Ablation({"compensation": "lsq_channel"}),
    "compensation_bias": Ablation({"compensation": "bias"}),
    "uniform_widths": Ablation({"allocation": "uniform"}),
    "dispersion_widths": Ablation({"allocation": "dispersion"}),
    "l1_filters": Ablation({"criterion": "l1"}),
    "group_magnitude_filters": Ablation({"criterion": "group_magnitude"}),
    "clusters": Ablation({"selection": "clusters"}),
    "plain_images": Ablation(plain=True),
    "no_reestimation": Ablation(reestimate_norms=False),
    "no_held_scale": Ablation(options=FitOptions(rescale_norms=False)),
    "no_stream": Ablation(options=FitOptions(follow_streams=False)),
    "more_images": Ablation(options=FitOptions(batches=32)),
    "old_norms": Ablation(options=FitOptions(batch_statistics=False)),
    "odds": Ablation(damage=_curves(lambda e: e / (1 - e))),
    "equal_weights": Ablation(damage=_curves(_log_loss, 0.0)),
    "root_weights": Ablation(damage=_curves(_log_loss, 0.5)),
    "squared_logarithm": Ablation(damage=_curves(lambda e: np.log(1 - e) ** 2)),
    "no_logarithm": Ablation(damage=_error_curves),
}
