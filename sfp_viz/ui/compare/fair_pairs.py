"""Trainings of the plan and of baselines, put into pairs that may be compared."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from sfp_viz.core.comparison.tradeoff import Kind, Point
from sfp_viz.runs.results import names
from sfp_viz.runs.results.summary import Summary
from sfp_viz.runs.storage.layout import local_data

SAME = 0.02  # MACs this far apart, relative, count as equal
BASELINES: Mapping[Kind, str] = {"uniform": "uniform L1", "random": "random"}
_APART = {"seed", "epochs", "checkpoint_steps"}  # settings that are told or matched on their own


@dataclass(frozen=True)
class Side:
    """Trainings that differ in nothing but their seed: accuracies 0..1 after the last epoch, by
    seed (several where runs share one), measured on ``images`` test images; ``repair`` is what
    made up for the cut before them, as a recipe says it ('' if not known)."""

    name: str
    epochs: int
    training: Mapping[str, Any]
    right: Mapping[int, tuple[float, ...]]
    macs: int
    images: int
    repair: str

    def mean(self, *seeds: int) -> float:
        """The mean over ``seeds``, each of which counts once."""
        return fmean(fmean(self.right[seed]) for seed in seeds)

    def runs(self, seeds: Collection[int]) -> int:
        """How many runs have one of ``seeds``."""
        return sum(len(found) for seed, found in self.right.items() if seed in seeds)


@dataclass(frozen=True)
class Pair:
    """The plan and a baseline with as many seeds each: the same ones where there are any."""

    ours: Side
    other: Side
    seeds: tuple[tuple[int, ...], tuple[int, ...]]

    @property
    def means(self) -> tuple[float, float]:
        """Mean accuracies of the plan and of the baseline over these seeds."""
        mine, its = self.seeds
        return self.ours.mean(*mine), self.other.mean(*its)


def near(macs: int, other: int) -> bool:
    """Whether two counts of MACs are near enough to be compared."""
    return abs(macs - other) <= SAME * max(macs, other)


def _sides(points: Sequence[Point], runs: Mapping[str, Summary], kind: Kind) -> list[Side]:
    """The points of ``kind`` as sides, the newest first."""
    found: dict[str, list[tuple[Point, Summary]]] = {}
    for point in points:
        if point.kind == kind:
            run = runs[point.key]
            trained = run.epochs, sorted(_training(run).items()), point.images
            alike = (run.kind, run.digest, run.repair, *trained)
            found.setdefault(repr(alike), []).append((point, run))
    return [_side(both, BASELINES.get(kind, "this plan")) for both in found.values()]


def _side(both: Sequence[tuple[Point, Summary]], name: str) -> Side:
    point, run = both[0]
    right: dict[int, list[float]] = {}
    for one, its in both:
        right.setdefault(int(its.settings.get("seed") or 0), []).append(one.accuracy)
    by_seed = {seed: tuple(found) for seed, found in sorted(right.items())}
    return Side(name, run.epochs, _training(run), by_seed, point.macs, point.images, run.repair)


def _training(run: Summary) -> dict[str, Any]:
    """What must be the same besides epochs: images and settings."""
    kept = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in run.settings.items() if name not in _APART
    }  # fmt: skip
    return {"data": local_data(run.data), **kept}


def pairs_of(points: Sequence[Point], runs: Mapping[str, Summary]) -> list[Pair]:
    """Each training of the plan with each of a baseline at about the same MACs, the newest first.

    ``runs`` are the points' runs by the points' keys.
    """
    return [*_pairs(points, runs)]


def _pairs(points: Sequence[Point], runs: Mapping[str, Summary]) -> Iterator[Pair]:
    for ours in _sides(points, runs, "plan"):
        alike = [point for point in points if near(point.macs, ours.macs)]
        for kind in BASELINES:
            for other in _sides(alike, runs, kind):
                shared = tuple(seed for seed in ours.right if seed in other.right)
                most = min(len(ours.right), len(other.right))
                first = tuple(ours.right)[:most], tuple(other.right)[:most]
                yield Pair(ours, other, (shared, shared) if shared else first)


def unequal(pair: Pair) -> list[str]:
    """What is not the same in both trainings, in words; nothing where they may be compared."""
    ours, other = pair.ours, pair.other
    found = []
    if ours.epochs != other.epochs:
        found.append(f"epochs {ours.epochs} against {other.epochs}")
    if ours.images != other.images:
        found.append(f"test images {ours.images:,} against {other.images:,}")
    for name in ours.training:
        mine, its = ours.training[name], other.training.get(name)
        if mine != its:
            found.append(f"{names.setting_text(name, mine)} against {names.value_text(name, its)}")
    return found
