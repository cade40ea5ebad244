"""Sensitivity: one-shot accuracy of the network with one group thinned at a time, as measured.

What lies between the measured widths is estimated from them: monotone, 0 for the whole group.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from sfp_viz.core.isotonic import rising_curve
from sfp_viz.core.json_format import format_json, read_json, reading
from sfp_viz.core.measurement import wilson
from sfp_viz.core.network import Network
from sfp_viz.core.plan.plan import recipe_from_json, recipe_to_json
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.errors import PlanError, RecipeError

FORMAT = 1
WHOLE = ("", 0)  # the (group, kept) under which the whole network is measured as it is,
FRESH = ("", 1)  # and with its BatchNorm estimated anew, as at every point
SELECTING = (
    "similarity", "clustering", "cluster_rule", "kappa", "criterion", "selection", "balance",
    "compensation", "coupled", "seed",
)  # fmt: skip

Change = tuple[str, object, object]  # a field, what it was when measured, and what it is now


@dataclass(frozen=True)
class Sensitivity:
    """Measured on ``images`` test images of ``data``, of the weights with ``digest``.

    ``base``: images that the whole network names right. ``right``, by group: (units kept, images
    named right), by falling units, never the whole group. ``recipe`` says how filters were chosen
    and made up for; its target plays no part. ``seconds`` it took. ``sizes``: units of each group
    measured, when whole. ``fresh``: images that the whole network names right after its BatchNorm
    was estimated anew, as at every point (else ``base``): what a group costs is told against that.
    """

    digest: str
    data: str
    images: int
    base: int
    recipe: Recipe
    right: Mapping[str, tuple[tuple[int, int], ...]]
    seconds: float = 0.0
    sizes: Mapping[str, int] = field(default_factory=dict)
    fresh: int = -1

    def __post_init__(self) -> None:
        if self.fresh < 0:
            object.__setattr__(self, "fresh", self.base)


@dataclass(frozen=True)
class Point:
    """One measured width: ``accuracy`` 0..1 with its 95 % ``interval`` (Wilson), and the ``lost``
    percentage points against the whole network with its BatchNorm estimated anew in the same way;
    below 0 where it named more images right."""

    kept: int
    right: int
    accuracy: float
    interval: tuple[float, float]
    lost: float


def collect_sensitivity(
    network: Network,
    recipe: Recipe,
    points: Iterable[tuple[str, int, int]],
    *,
    data: str,
    images: int,
    seconds: float = 0.0,
) -> Sensitivity:
    """The record of measured ``points`` (group, kept, right), the whole network's among them.

    Args:
        network: The network that was measured.
        recipe: How filters were chosen and compensated.
        points: (group, units kept, images named right), in any order, also twice.
        data: Name of the test images.
        images: How many these are.
        seconds: How long it took.

    Raises:
        RecipeError: The whole network was not measured.
        PlanError: The network has no such group.
    """
    base, fresh = None, -1
    counts_of: dict[str, dict[int, int]] = {}
    for group, kept, right in points:
        if (group, kept) == WHOLE:
            base = right
        elif (group, kept) == FRESH:
            fresh = right
        else:
            counts_of.setdefault(group, {})[kept] = right
    if base is None:
        raise RecipeError(
            "The unpruned network was not measured, so no loss is known. Continue measuring."
        )
    falling = {
        name: tuple(sorted(counts.items(), reverse=True)) for name, counts in counts_of.items()
    }
    sizes = {name: network.group(name).size for name in counts_of}
    return Sensitivity(network.digest, data, images, base, recipe, falling, seconds, sizes, fresh)


def measured_points(sensitivity: Sensitivity, group: str) -> tuple[Point, ...]:
    """The measured widths of ``group``, by falling units.

    Args:
        sensitivity: The measurements.
        group: Name of the group.

    Raises:
        PlanError: The group was not measured.
    """
    whole = sensitivity.fresh / max(1, sensitivity.images)
    return tuple(
        Point(
            kept=kept,
            right=right,
            accuracy=(share := right / max(1, sensitivity.images)),
            interval=wilson(right, sensitivity.images),
            lost=100 * (whole - share),
        )
        for kept, right in _of(sensitivity, group)
    )


def loss(sensitivity: Sensitivity, group: str, kept: int) -> float:
    """Percentage points of one-shot accuracy lost when only ``group`` keeps ``kept`` units.

    Estimated, 0 at the whole group. See ``losses``.

    Args:
        sensitivity: The measurements.
        group: Name of the group.
        kept: Units that it keeps, 1 to all.

    Raises:
        PlanError: The group was not measured, or cannot keep so many units.
    """
    curve = losses(sensitivity, group)
    if not 1 <= kept <= len(curve):
        raise PlanError(f"'{group}' can keep 1 to {len(curve)} units, not {kept}.")
    return float(curve[len(curve) - kept])


def losses(sensitivity: Sensitivity, group: str) -> np.ndarray:
    """Percentage points lost when 0, 1 ... size - 1 units of ``group`` are gone, float64 [size].

    Measured losses are made monotone and joined (see ``isotonic.rising_curve``), up to all of the
    whole network's accuracy. Estimated.

    Args:
        sensitivity: The measurements.
        group: Name of the group.

    Raises:
        PlanError: The group was not measured.
    """
    return _curve(sensitivity, group, 100 * sensitivity.fresh / max(1, sensitivity.images), False)


def odds_lost(sensitivity: Sensitivity, group: str) -> np.ndarray:
    """As ``losses``, in log-odds of the accuracy, which add up better than points (estimated).

    Args:
        sensitivity: The measurements.
        group: Name of the group.

    Raises:
        PlanError: The group was not measured.
    """
    return _curve(sensitivity, group, float("inf"), True)


def predicted_loss(sensitivity: Sensitivity, kept: Mapping[str, int]) -> float:
    """Percentage points lost when all groups are thinned at once to ``kept``: estimated.

    The log-odds that each group loses alone are added: ln(p / (1 - p)) of what is left is that of
    the whole network, its BatchNorm estimated anew, less their sum (our reading: errors of
    different groups are independent). 0 when nothing is thinned. Groups that were not measured
    play no part.

    Args:
        sensitivity: The measurements.
        kept: Units that each group keeps, by name.

    Raises:
        PlanError: A measured group cannot keep so many units.
    """
    if all(units == sensitivity.sizes.get(name, units) for name, units in kept.items()):
        return 0.0
    total = log_odds(sensitivity.fresh, sensitivity.images) - lost_odds(sensitivity, kept)
    whole = sensitivity.base / max(1, sensitivity.images)
    return max(0.0, 100 * (whole - 1 / (1 + np.exp(-total))))


def lost_odds(sensitivity: Sensitivity, kept: Mapping[str, int]) -> float:
    """The sum over groups of the log-odds lost at ``kept`` units; it orders plans. Estimated.

    Args:
        sensitivity: The measurements.
        kept: Units that each group keeps, by name; groups that were not measured do not count.

    Raises:
        PlanError: A measured group cannot keep so many units.
    """
    total = 0.0
    for name, units in kept.items():
        if name in sensitivity.right:
            curve = odds_lost(sensitivity, name)
            if not 1 <= units <= len(curve):
                raise PlanError(f"'{name}' can keep 1 to {len(curve)} units, not {units}.")
            total += float(curve[len(curve) - units])
    return total


def log_odds(right: int, images: int) -> float:
    """ln(p / (1 - p)) of a share of images, half an image added on both sides (Haldane 1956).

    Args:
        right: Images named right.
        images: All images.
    """
    return float(np.log((right + 0.5) / (images - right + 0.5)))


def changes_since(sensitivity: Sensitivity, recipe: Recipe, digest: str) -> tuple[Change, ...]:
    """What differs from when it was measured, so that it no longer holds for ``recipe`` and the
    weights with ``digest``: the 'digest' alone, or fields of the recipe; () while it holds.

    Only what chooses filters and makes up for them counts, not what says how many are pruned.

    Args:
        sensitivity: The measurements.
        recipe: The recipe that is to use them.
        digest: Of the weights that are to be pruned.
    """
    if sensitivity.digest != digest:
        return (("digest", sensitivity.digest, digest),)
    pairs = [(name, getattr(sensitivity.recipe, name), getattr(recipe, name)) for name in SELECTING]
    return tuple((name, before, current) for name, before, current in pairs if before != current)


def sensitivity_to_json(sensitivity: Sensitivity) -> str:
    """The record as JSON with a format number, keys sorted."""
    value = {
        "digest": sensitivity.digest,
        "data": sensitivity.data,
        "images": sensitivity.images,
        "base": sensitivity.base,
        "fresh": sensitivity.fresh,
        "recipe": json.loads(recipe_to_json(sensitivity.recipe)),
        "right": {name: [list(p) for p in points] for name, points in sensitivity.right.items()},
        "seconds": round(sensitivity.seconds, 3),
        "sizes": dict(sensitivity.sizes),
    }
    return format_json(value, FORMAT)


def sensitivity_from_json(text: str) -> Sensitivity:
    """Read a record; PlanError or RecipeError on anything that is not one."""
    value = read_json(text, "sensitivity", FORMAT)
    with reading("sensitivity"):
        images, base, fresh = (int(value[name]) for name in ("images", "base", "fresh"))
        sizes = {str(name): int(size) for name, size in value["sizes"].items()}
        right = {
            str(name): tuple(sorted(((int(k), int(r)) for k, r in points), reverse=True))
            for name, points in value["right"].items()
        }
        if not (0 <= base <= images and 0 <= fresh <= images) or set(right) != set(sizes):
            raise PlanError("This is no sensitivity of ours: its counts do not fit each other.")
        for name, points in right.items():
            kept = [k for k, _ in points]
            fits = all(0 < k < sizes[name] and 0 <= r <= images for k, r in points)
            if not points or not fits or len(set(kept)) < len(kept):
                raise PlanError(f"This is no sensitivity of ours: '{name}' has odd points.")
        recipe = recipe_from_json(json.dumps(value["recipe"]))
        seconds = float(value["seconds"])
        source = str(value["digest"]), str(value["data"])
        return Sensitivity(*source, images, base, recipe, right, seconds, sizes, fresh)


def _of(sensitivity: Sensitivity, group: str) -> tuple[tuple[int, int], ...]:
    if group not in sensitivity.right or group not in sensitivity.sizes:
        raise PlanError(
            f"'{group}' was not measured, so nothing is known of its sensitivity. Measure again."
        )
    return sensitivity.right[group]


def _curve(sensitivity: Sensitivity, group: str, most: float, odds: bool) -> np.ndarray:
    points, size, images = _of(sensitivity, group), sensitivity.sizes[group], sensitivity.images
    if odds:
        start = log_odds(sensitivity.fresh, images)
        lost = [start - log_odds(right, images) for _, right in points]
    else:
        lost = [100 * (sensitivity.fresh - right) / max(1, images) for _, right in points]
    return rising_curve([size - kept for kept, _ in points], lost, size, most)
