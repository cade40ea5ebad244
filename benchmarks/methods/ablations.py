"""'functional' with one part exchanged, or taken away, at a time.

Choices of a recipe are exchanged in the recipe. What is no choice, because it always helped, is
taken out of the code for as long as the network is cut.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any
from unittest.mock import patch

import numpy as np

from sfp_viz.core.allocation.damage_curves import energy
from sfp_viz.nets.pruning import layer_fits, least_squares

EXCHANGED: Mapping[str, Mapping[str, object]] = {
    "no_compensation": {"compensation": "none"},
    "compensation_by_channel": {"compensation": "lsq_channel"},
    "compensation_bias": {"compensation": "bias"},
    "uniform_widths": {"allocation": "uniform"},
    "dispersion_widths": {"allocation": "dispersion"},
    "l1_filters": {"criterion": "l1"},
    "group_magnitude_filters": {"criterion": "group_magnitude"},
    "clusters": {"selection": "clusters"},
}


def _as_they_are(_: Any, images: Any, *__: Any) -> Any:
    return images


def _kept(model: Any, _: Any, *__: Any) -> Any:
    return model


def _nothing(*_: Any) -> None:
    return None


def _none(_: Any) -> list[Any]:
    return []


def _plain_curves(observations: Any) -> dict[str, Any]:
    """Widths by the plain error, without the logarithm."""
    return {
        name: energy(observations, name) * np.array(observations.elimination(name).errors)
        for name in observations.covariance
    }


def _curves(worth: Callable[[Any], Any], power: float = 1.0) -> Callable[[Any], dict[str, Any]]:
    """Widths by another measure of the loss: ``worth`` of the errors times energy ** ``power``."""

    def curves(observations: Any) -> dict[str, Any]:
        return {
            name: energy(observations, name) ** power
            * worth(np.minimum(np.array(observations.elimination(name).errors), 1 - 1e-6))
            for name in observations.covariance
        }

    return curves


def _logarithm(errors: Any) -> Any:
    return -np.log(1 - errors)


def _own_output(*arguments: Any, follow: Any = None, **words: Any) -> Any:
    """A fit to what the layer itself put out, not to what the residual stream has lost."""
    return layer_fits.look(*arguments, follow={}, **words)


TAKEN_OUT: Mapping[str, tuple[str, Callable[..., Any]]] = {
    "plain_images": ("sfp_viz.nets.pruning.prune.as_trained", _as_they_are),
    "no_reestimation": ("sfp_viz.nets.pruning.prune.reestimate", _kept),
    "no_held_scale": ("sfp_viz.nets.pruning.least_squares.hold_scale", _nothing),
    "no_stream": ("sfp_viz.nets.pruning.least_squares.look", _own_output),
    "more_images": (
        "sfp_viz.nets.pruning.compensation.refit",
        partial(least_squares.refit, most=32),
    ),
    "old_norms": ("sfp_viz.nets.pruning.least_squares._set_live", _none),
    "odds": (
        "sfp_viz.core.allocation.suggestion.functional_curves",
        _curves(lambda e: e / (1 - e)),
    ),
    "equal_weights": (
        "sfp_viz.core.allocation.suggestion.functional_curves",
        _curves(_logarithm, 0.0),
    ),
    "root_weights": (
        "sfp_viz.core.allocation.suggestion.functional_curves",
        _curves(_logarithm, 0.5),
    ),
    "squared_logarithm": (
        "sfp_viz.core.allocation.suggestion.functional_curves",
        _curves(lambda e: np.log(1 - e) ** 2),
    ),
    "no_logarithm": ("sfp_viz.core.allocation.suggestion.functional_curves", _plain_curves),
}

NAMES = (*EXCHANGED, *TAKEN_OUT)


@contextmanager
def without(part: str):
    """While it is open, the code works without ``part``, one of TAKEN_OUT; else as it is."""
    with ExitStack() as open_:
        if part in TAKEN_OUT:
            open_.enter_context(patch(*TAKEN_OUT[part]))
        yield
