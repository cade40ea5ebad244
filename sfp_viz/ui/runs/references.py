"""Accuracies that a training is held against: unpruned, one-shot, and uniform L1 at equal MACs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from sfp_viz.runs.folder import TRAINING
from sfp_viz.runs.results.names import setting_text
from sfp_viz.runs.storage.records import Run
from sfp_viz.ui.components.live_lines import Reference

SAME = 0.01  # MACs this far apart, relative, count as equal


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
    """Uniform L1 pruning of the same network, trained to its end like ``run``: to the same MACs
    (within 1 %), on the same images, for as many epochs in all. Of several the one whose other
    settings differ least, then the newest. None where there is none, and for a run that is
    uniform L1 itself."""
    if is_plain(run):
        return None
    alike = [other for other in runs if _alike(run, other)]
    if not alike:
        return None
    mine = asdict(run.settings)

    def rank(other: Run) -> tuple[int, float]:
        its = asdict(other.settings)
        return sum(its[name] == mine[name] for name in mine), other.created

    other = max(alike, key=rank)
    last = other.epochs[-1].test_accuracy
    return Reference(f"uniform L1 after {setting_text('epochs', len(other.epochs))}", last)


def is_plain(run: Run) -> bool:
    """Whether it is uniform L1, cut once."""
    return run.kind == TRAINING and run.facts.get("kind") == "uniform"


def _alike(run: Run, other: Run) -> bool:
    one, two = run.before, other.before
    return (
        other.id != run.id
        and is_plain(other)
        and other.result is not None
        and len(other.epochs) == (run.total or run.settings.epochs)
        and other.facts.get("digest") == run.facts.get("digest")
        and other.data == run.data
        and other.settings.train_images == run.settings.train_images
        and one is not None
        and two is not None
        and one.images == two.images
        and abs(one.macs - two.macs) <= SAME * max(one.macs, two.macs)
    )
