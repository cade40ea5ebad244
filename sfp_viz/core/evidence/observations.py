"""Observations: what was seen of a network's activations, enough for redundancy by function."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from sfp_viz.core.memo import Memo
from sfp_viz.errors import RecipeError

if TYPE_CHECKING:
    from sfp_viz.core.evidence.elimination import Elimination

SCORES = ("taylor", "hrank", "chip")  # criteria that are observed for themselves, when asked for

_ELIMINATIONS: Memo[Elimination] = Memo()  # of observations, by group


@dataclass(frozen=True, eq=False)
class Observations:
    """Means and covariances of what each group feeds forward, over images and positions.

    ``mean`` [units] and ``covariance`` [units, units] (float64, by group name) are of the values
    that the next layers read, after norm and activation. ``readers_gram`` [units, units], by group,
    is the Gram matrix of the next layers' weights over their outputs and window positions: sum over
    o, h, w of W[o, i, h, w] W[o, j, h, w], each output first scaled by the BatchNorm that
    follows it. ``power``, by group, is the variance of what the first layer takes in that reads the
    first reader's outputs (past a residual sum: the sum; of the outputs themselves where nothing
    reads them), summed over its channels: the size of the stream that an error disturbs.
    ``images`` says how many were seen, of which ``data``. ``scores``, by name (of SCORES) and
    group, are float64 [units], 0 or above, of what was asked for. A group or a score that was not
    observed raises RecipeError. Two observations are equal only when they are the same object.
    """

    digest: str
    data: str
    images: int
    mean: Mapping[str, np.ndarray]
    covariance: Mapping[str, np.ndarray]
    readers_gram: Mapping[str, np.ndarray]
    power: Mapping[str, float]
    scores: Mapping[str, Mapping[str, np.ndarray]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for arrays in (self.mean, self.covariance, self.readers_gram, *self.scores.values()):
            for array in arrays.values():
                array.setflags(write=False)

    def of(self, group: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(mean, covariance, readers_gram) of a group."""
        if group not in self.covariance:
            raise RecipeError(
                f"The activations of '{group}' were not observed: no convolution or linear layer "
                "reads its channels, or the network has changed since. Leave that group whole, "
                "choose what needs no images, or call observe(model, images) on the network as it "
                "is now, and pass the result."
            )
        return self.mean[group], self.covariance[group], self.readers_gram[group]

    def elimination(self, group: str) -> Elimination:
        """The order in which the units of a group can be made up for; worked out once."""
        from sfp_viz.core.evidence.elimination import eliminate

        known = _ELIMINATIONS.of(self)
        if group not in known:
            _, covariance, readers_gram = self.of(group)
            known[group] = eliminate(covariance, readers_gram)
        return known[group]

    @property
    def eliminations(self) -> Mapping[str, Elimination]:
        """Those worked out already, by group. They are of these arrays alone: a copy with others
        (dataclasses.replace) has none."""
        return MappingProxyType(_ELIMINATIONS.of(self))

    def remember(self, eliminations: Mapping[str, Elimination]) -> None:
        """Take over what was worked out of these arrays before, by group, and kept."""
        _ELIMINATIONS.of(self).update(eliminations)

    def score(self, name: str, group: str) -> np.ndarray:
        """Scores of a group's units under 'taylor', 'hrank' or 'chip', float64 [units].

        Args:
            name: The score.
            group: Name of the group.

        Raises:
            RecipeError: That score of the group was not observed.
        """
        values = self.scores.get(name, {}).get(group)
        if values is None:
            raise RecipeError(
                f"The score '{name}' of '{group}' was not observed. Call observe(model, images, "
                f"scores=('{name}',)), or 'sfp-viz observe NET --scores {name}', and pass the "
                "result."
            )
        return values


def require_observations(observations: Observations | None, what: str) -> Observations:
    """``observations``, which ``what`` cannot do without.

    Args:
        observations: What was observed, or None.
        what: What needs them, the subject of the message's sentence.

    Raises:
        RecipeError: There are none.
    """
    if observations is None:
        raise RecipeError(
            f"{what} needs observations of images. Call observe(model, images), or "
            "'sfp-viz observe NET', and pass the result, or choose what needs only weights."
        )
    return observations
