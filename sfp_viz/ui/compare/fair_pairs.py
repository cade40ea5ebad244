"""Pairs of trainings, one of the plan and one of a baseline, that can be compared."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from sfp_viz.core.comparison.tradeoff import Kind, Point
from sfp_viz.runs.results import names
from sfp_viz.runs.results.summary import Summary
from sfp_viz.runs.storage.layout import local_data

SAME = 0.02  # relative difference of MACs that counts as equal
BASELINES: Mapping[Kind, str] = {"uniform": "uniform L1", "random": "random"}
_EXCLUDED = {"seed", "epochs", "checkpoint_steps"}  # settings that are compared separately


@dataclass(frozen=True)
class Side:
    """Trainings that differ only in their seed.

    Attributes:
        name: 'this plan', or the baseline.
        epochs: Their number of epochs.
        training: Images and settings, by name.
        accuracies: Accuracies 0..1 after the last epoch, by seed; several if runs share one.
        macs: MACs of the network.
        images: Number of test images.
        compensation: Compensation of the recipe, '' if not known.
    """

    name: str
    epochs: int
    training: Mapping[str, Any]
    accuracies: Mapping[int, tuple[float, ...]]
    macs: int
    images: int
    compensation: str

    def mean(self, *seeds: int) -> float:
        """The mean accuracy over ``seeds``, each of which counts once."""
        return fmean(fmean(self.accuracies[seed]) for seed in seeds)

    def runs(self, seeds: Collection[int]) -> int:
        """How many runs have one of ``seeds``."""
        return sum(len(runs) for seed, runs in self.accuracies.items() if seed in seeds)


@dataclass(frozen=True)
class Pair:
    """The plan and a baseline that are compared.

    Attributes:
        plan: Trainings of the plan.
        baseline: Trainings of the baseline.
        seeds: Equally many seeds of both; the shared ones, if there are any.
    """

    plan: Side
    baseline: Side
    seeds: tuple[tuple[int, ...], tuple[int, ...]]

    @property
    def means(self) -> tuple[float, float]:
        """Mean accuracies of the plan and of the baseline over these seeds."""
        plan_seeds, baseline_seeds = self.seeds
        return self.plan.mean(*plan_seeds), self.baseline.mean(*baseline_seeds)


def near(macs: int, other: int) -> bool:
    """Whether two counts of MACs are close enough to be compared.

    Args:
        macs: MACs of one network.
        other: MACs of the other one.
    """
    return abs(macs - other) <= SAME * max(macs, other)


def _sides(points: Sequence[Point], runs: Mapping[str, Summary], kind: Kind) -> list[Side]:
    """The points of ``kind`` as sides, the newest first."""
    sides: dict[str, list[tuple[Point, Summary]]] = {}
    for point in points:
        if point.kind == kind:
            run = runs[point.key]
            training = run.epochs, sorted(_training(run).items()), point.images
            fields = (run.kind, run.digest, run.repair, *training)
            sides.setdefault(repr(fields), []).append((point, run))
    return [_side(members, BASELINES.get(kind, "this plan")) for members in sides.values()]


def _side(members: Sequence[tuple[Point, Summary]], name: str) -> Side:
    accuracies: dict[int, list[float]] = {}
    for point, run in members:
        accuracies.setdefault(int(run.settings.get("seed") or 0), []).append(point.accuracy)
    by_seed = {seed: tuple(values) for seed, values in sorted(accuracies.items())}
    point, run = members[0]
    return Side(name, run.epochs, _training(run), by_seed, point.macs, point.images, run.repair)


def _training(run: Summary) -> dict[str, Any]:
    """What must be the same besides the epochs: images and settings."""
    settings = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in run.settings.items() if name not in _EXCLUDED
    }  # fmt: skip
    return {"data": local_data(run.data), **settings}


def pairs_of(points: Sequence[Point], runs: Mapping[str, Summary]) -> list[Pair]:
    """Each training of the plan with each of a baseline at about the same MACs, the newest first.

    Args:
        points: The fine-tuned points.
        runs: Their runs, by the key of the point.
    """
    return [*_pairs(points, runs)]


def _pairs(points: Sequence[Point], runs: Mapping[str, Summary]) -> Iterator[Pair]:
    for plan in _sides(points, runs, "plan"):
        alike = [point for point in points if near(point.macs, plan.macs)]
        for kind in BASELINES:
            for baseline in _sides(alike, runs, kind):
                plan_runs, baseline_runs = plan.accuracies, baseline.accuracies
                shared = tuple(seed for seed in plan_runs if seed in baseline_runs)
                most = min(len(plan_runs), len(baseline_runs))
                same_count = tuple(plan_runs)[:most], tuple(baseline_runs)[:most]
                yield Pair(plan, baseline, (shared, shared) if shared else same_count)


def unequal(pair: Pair) -> list[str]:
    """The differences between both trainings, in words; [] if they can be compared."""
    plan, baseline = pair.plan, pair.baseline
    differences = []
    if plan.epochs != baseline.epochs:
        differences.append(f"{plan.epochs} vs. {baseline.epochs} epochs")
    if plan.images != baseline.images:
        differences.append(f"{plan.images:,} vs. {baseline.images:,} test images")
    for name, value in plan.training.items():
        other = baseline.training.get(name)
        if value != other:
            text = names.setting_text(name, value)
            differences.append(f"{text} vs. {names.value_text(name, other)}")
    return differences
