"""Reference accuracies for a training: unpruned, one-shot, and uniform L1 with equal MACs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from sfp_viz.runs.folder import TRAINING
from sfp_viz.runs.results.names import setting_text
from sfp_viz.runs.storage.records import Run
from sfp_viz.ui.components.live_lines import Reference

SAME = 0.01  # relative difference of MACs that counts as equal


def references(run: Run, runs: Sequence[Run]) -> list[Reference]:
    """The measured reference lines of a run.

    Args:
        run: The run.
        runs: All runs of the network.
    """
    lines = []
    if run.before and run.before.teacher_accuracy is not None:
        lines.append(Reference("unpruned", run.before.teacher_accuracy))
    if baseline := uniform(run, runs):
        lines.append(baseline)
    if run.one_shot is not None:
        lines.append(Reference("one-shot", run.one_shot, start=True))
    return lines


def uniform(run: Run, runs: Sequence[Run]) -> Reference | None:
    """The finished uniform L1 run that can be compared with the run: of the same network, with the
    same MACs (within 1 %), images and number of epochs. Of several, the one whose other settings
    differ least, then the newest. None if there is none, and for a uniform L1 run itself.

    Args:
        run: The run.
        runs: All runs of the network.
    """
    if is_uniform(run):
        return None
    alike = [other for other in runs if _alike(run, other)]
    if not alike:
        return None
    settings = asdict(run.settings)

    def rank(other: Run) -> tuple[int, float]:
        values = asdict(other.settings)
        return sum(values[name] == settings[name] for name in settings), other.created

    best = max(alike, key=rank)
    accuracy = best.epochs[-1].test_accuracy
    return Reference(f"uniform L1 after {setting_text('epochs', len(best.epochs))}", accuracy)


def is_uniform(run: Run) -> bool:
    """Whether ``run`` is the uniform L1 baseline, pruned once."""
    return run.kind == TRAINING and run.facts.get("kind") == "uniform"


def _alike(run: Run, other: Run) -> bool:
    start, other_start = run.before, other.before
    return (
        other.id != run.id
        and is_uniform(other)
        and other.result is not None
        and len(other.epochs) == (run.total or run.settings.epochs)
        and other.facts.get("digest") == run.facts.get("digest")
        and other.data == run.data
        and other.settings.train_images == run.settings.train_images
        and start is not None
        and other_start is not None
        and start.images == other_start.images
        and abs(start.macs - other_start.macs) <= SAME * max(start.macs, other_start.macs)
    )
