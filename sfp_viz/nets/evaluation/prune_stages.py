"""Accuracy after each stage of a cut: unpruned, cut, compensated, BatchNorm re-estimated."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sfp_viz.core.measurement import Measured, wilson
from sfp_viz.core.network import Network
from sfp_viz.core.plan.plan import Plan
from sfp_viz.core.plan.prune_report import LayerFit, PruneReport
from sfp_viz.nets.data.datasets import Images
from sfp_viz.nets.evaluation.measure import count_right
from sfp_viz.nets.model import Model
from sfp_viz.nets.pruning.compensation import reestimate
from sfp_viz.nets.pruning.prune import prune_with_report
from sfp_viz.nets.pruning.training_views import as_trained
from sfp_viz.nets.tracing.read_network import trace_model

NAMES = ("unpruned", "cut", "compensated", "re-estimated")


@dataclass(frozen=True)
class Stage:
    """``right`` of ``images`` test images named rightly by ``model`` after the stage ``name``;
    measured. ``notes``: a sentence about each layer that could not be compensated; ``layers``: how
    layers were refitted, with their errors on images of the fit and on test images."""

    name: str
    right: int
    images: int
    model: Model
    data: str = ""
    notes: tuple[str, ...] = ()
    layers: tuple[LayerFit, ...] = ()

    def measured(self) -> Measured:
        """The accuracy with its 95 % interval, and on what."""
        share = self.right / max(1, self.images)
        return Measured(share, wilson(self.right, self.images), self.images, self.data)


def stages(
    model: Model,
    plan: Plan,
    calibration: Images,
    test: Images,
    network: Network | None = None,
    progress: Callable[[str], None] | None = None,
) -> Iterator[Stage]:
    """Measure a network after each of ``NAMES``: 'compensated' only when the recipe asks for it,
    're-estimated' only where it has BatchNorm.

    The model of the last stage is what ``prune`` returns.

    Args:
        model: The network that the plan was made for.
        plan: Which filters to remove, and how to compensate them.
        calibration: Training images.
        test: Images to measure the accuracy on.
        network: See ``prune``.
        progress: Called with a line about each step.

    Raises:
        PlanError: See ``prune``.
        SurgeryError: See ``prune``.
        DataError: See ``prune``.
    """

    say = progress or (lambda line: None)

    def stage(name: str, cut: Model, report: PruneReport | None = None) -> Stage:
        right = count_right(cut, test, lambda line: say(f"Measuring accuracy, {name}: {line}"))
        report = report or PruneReport()
        data = f"{test.name}, {test.split}"
        return Stage(name, right, len(test), cut, data, report.notes, report.layers)

    yield stage("unpruned", model)
    calibration, traced = as_trained(model, calibration), trace_model(model)
    small, _ = prune_with_report(
        model, plan, network=network, traced=traced, compensated=False, progress=progress
    )
    yield stage("cut", small)
    if plan.recipe.compensation != "none":
        small, report = prune_with_report(
            model, plan, calibration=calibration, held_out=test, network=network, traced=traced,
            plain=True, reestimate_norms=False, progress=progress,
        )  # fmt: skip
        yield stage("compensated", small, report)
    fresh = reestimate(small, calibration, progress=progress)
    if fresh is not small:  # it has BatchNorm
        yield stage("re-estimated", fresh)
