"""Accuracies that a training is held against: unpruned, one-shot, and uniform L1 at equal MACs."""

from __future__ import annotations

from collections.abc import Sequence

from sfp_viz.runs.folder import TRAINING
from sfp_viz.runs.records import Run
from sfp_viz.ui.components.live_lines import Reference

SAME = 0.02  # MACs this far apart, relative, count as equal


def references(run: Run, runs: Sequence[Run]) -> list[Reference]:
    """The horizontal lines for ``run``: all measured on the same test images, those that were."""
    found = []
    if run.before and run.before.teacher_accuracy is not None:
        found.append(Reference("unpruned", run.before.teacher_accuracy))
    if plain := uniform(run, runs):
        found.append(plain)
    if run.one_shot is not None:
        found.append(Reference("one-shot", run.one_shot, start=True))
    return found


def uniform(run: Run, runs: Sequence[Run]) -> Reference | None:
    """Uniform L1 pruning of the same network to the MACs of ``run`` (within 2 %), on the same
    images: fine-tuned where that was done, else one-shot. None where it was not measured, and for
    a run that is uniform L1 itself."""
    if run.before is None or _is_plain(run):
        return None
    alike = [other for other in runs if _alike(run, other)]
    trained = [other for other in alike if other.epochs]
    if trained:
        other = max(trained, key=lambda one: (one.result is not None, one.created))
        done, last = len(other.epochs), other.epochs[-1]
        count = f"{done}" if other.result else f"{done} of {other.settings.epochs}"
        return Reference(f"uniform L1 after {count} epochs", last.test_accuracy)
    first = next((one.one_shot for one in alike if one.one_shot is not None), None)
    return Reference("uniform L1, one-shot", first) if first is not None else None


def _is_plain(run: Run) -> bool:
    """Whether it is uniform L1, cut once."""
    return run.kind == TRAINING and run.facts.get("kind") == "uniform"


def _alike(run: Run, other: Run) -> bool:
    one, two = run.before, other.before
    return (
        other.id != run.id
        and _is_plain(other)
        and other.facts.get("digest") == run.facts.get("digest")
        and other.data == run.data
        and one is not None
        and two is not None
        and one.images == two.images
        and abs(one.macs - two.macs) <= SAME * max(one.macs, two.macs)
    )
