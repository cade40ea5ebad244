"""Measure the plans around a suggestion: cut each one, and count what it names right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sfp_viz.core.network import Network
from sfp_viz.core.plan.plan import Plan
from sfp_viz.nets.data.datasets import Images
from sfp_viz.nets.evaluation.measure import count_right
from sfp_viz.nets.evaluation.one_shot import CALIBRATION
from sfp_viz.nets.model import Model
from sfp_viz.nets.pruning.prune import prune
from sfp_viz.nets.pruning.training_views import as_trained


def measure_draws(
    model: Model,
    network: Network,
    plans: Sequence[Plan],
    *,
    calibration: Images,
    test: Images,
    most: int = CALIBRATION,
) -> Iterator[int]:
    """Yields, for each of ``plans``, how many images of ``test`` the cut network names right.

    One-shot: made up for as the plan's recipe says, BatchNorm estimated anew on ``most`` images
    spread over ``calibration``, no training.
    """
    few = as_trained(model, calibration, most)
    for plan in plans:
        small = prune(model, plan, calibration=few, network=network, plain=True)
        yield count_right(small, test)
