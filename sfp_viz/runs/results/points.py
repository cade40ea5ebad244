"""Finished runs as points of accuracy against cost, with the unpruned networks they came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sfp_viz.core.comparison.tradeoff import Kind, Point, Whole
from sfp_viz.core.measurement import wilson
from sfp_viz.core.training.sparsification import METHOD_NAMES
from sfp_viz.runs.folder import TRAINING
from sfp_viz.runs.results.latencies import WHOLE, RunLatency
from sfp_viz.runs.results.names import distinct_titles, setting_text
from sfp_viz.runs.results.summary import Summary
from sfp_viz.runs.storage.sparsify import KIND

RUN = "run:"  # before a run's id: the key of its point
_BASELINES: Mapping[str, Kind] = {"uniform": "uniform", "random": "random"}
_BY_RECIPE: Mapping[str, Kind] = {"uniform_l1": "uniform", "random": "random"}
_TITLES: Mapping[str, str] = {"uniform": "uniform L1", "random": "random", "plan": "this plan"}


def kind_of(run: Summary, plan: str = "") -> Kind:
    """The kind of a run's point: a baseline (pruned once and trained), 'plan' or 'run'.

    Args:
        run: A finished run.
        plan: The hash of the current plan; runs by it are of kind 'plan'.
    """
    baseline = _BASELINES.get(run.pruned_by) or _BY_RECIPE.get(run.recipe)
    if run.kind != TRAINING:
        baseline = None
    return baseline or ("plan" if plan and run.plan == plan else "run")


def run_title(run: Summary, kind: Kind) -> str:
    """A run in a few words: what pruned it, and how long it was trained.

    Args:
        run: A finished run.
        kind: The kind of its point.
    """
    name = _TITLES.get(kind) or _family(run) or "another plan"
    if kind in ("run", "plan") and run.plan and run.kind != KIND:
        name += f" {run.plan[:6]}"
    first, after = epochs_around_cut(run)
    if first:
        text = f"{name}, {setting_text('epochs', first)} of sparse training"
        return f"{text}, {after} of fine-tuning" if after else text
    how = "pruned in steps" if run.kind == "steps" else "fine-tuned"
    return f"{name}, {how} {setting_text('epochs', run.epochs)}"


def epochs_around_cut(run: Summary) -> tuple[int, int]:
    """Epochs of a run before and after its cut: (0, all) for what was cut first or in steps."""
    if run.kind != KIND:
        return 0, run.epochs
    tuned = run.best_epoch < run.epochs  # else none was measured but the last of all
    after = int(run.settings.get("epochs") or 0) if tuned else 0
    return run.epochs - after, after


def best_epoch_text(run: Summary) -> str:
    """Which epoch was the best, and of how many it was chosen: '2 of 3', for a run that pruned
    while training '2 of 3 after pruning'; '' where none came after it."""
    first, after = epochs_around_cut(run)
    where = " after pruning" if first else ""
    return f"{run.best_epoch} of {after}{where}" if after else ""


def _family(run: Summary) -> str:
    """The recipe or the method, in words; '' where it has no name."""
    return METHOD_NAMES.get(run.recipe) or run.recipe.replace("_", " ")


def points_of(
    runs: Sequence[Summary],
    *,
    whole: Whole | None = None,
    plan: str = "",
    timed: Mapping[str, RunLatency] | None = None,
) -> list[Point]:
    """A point for each run, and one for the unpruned network, where it was measured as teacher.
    Runs of the same title are named with the settings that tell them apart.

    Args:
        runs: Finished runs.
        whole: MACs and params of the unpruned network; by default what the runs' starters wrote.
        plan: The hash of the plan that is called 'this plan'.
        timed: Latencies by run, all under one condition.
    """
    times = timed or {}
    points = [_unpruned(runs, whole, times)]
    kinds: list[Kind] = [kind_of(run, plan) for run in runs]
    names = distinct_titles(
        runs, [run_title(run, kind) for run, kind in zip(runs, kinds, strict=True)]
    )
    for run, kind, name in zip(runs, kinds, names, strict=True):
        points.append(
            Point(
                name, run.macs, run.accuracy, run.interval, kind, "fine-tuned",
                key=RUN + run.id, params=run.params, images=run.images,
                latency=times[run.id].measured if run.id in times else None,
                whole=_whole(run, whole), family=_family(run),
            )
        )  # fmt: skip
    return [point for point in points if point]


def _whole(run: Summary, unpruned: Whole | None) -> Whole:
    macs = unpruned.macs if unpruned else _number(run, "macs_before")
    params = unpruned.params if unpruned else _number(run, "params_before")
    return Whole(macs, params, run.whole_accuracy)


def _unpruned(
    runs: Sequence[Summary], unpruned: Whole | None, times: Mapping[str, RunLatency]
) -> Point | None:
    """The unpruned network as the teacher of the run with most test images saw them."""
    teachers = [run for run in runs if run.whole_accuracy is not None]
    if not teachers or len({run.digest for run in teachers}) > 1:
        return None
    run = max(teachers, key=lambda teacher: teacher.images)
    whole, right = _whole(run, unpruned), run.whole_accuracy or 0.0
    if not whole.macs:
        return None
    latency = times.get(WHOLE + run.digest)
    return Point(
        "unpruned", whole.macs, right, wilson(round(right * run.images), run.images),
        "unpruned", "unpruned", key="unpruned", params=whole.params, images=run.images,
        latency=latency.measured if latency else None, whole=whole,
    )  # fmt: skip


def _number(run: Summary, name: str) -> int:
    try:
        return max(0, int(run.facts.get(name) or 0))
    except (TypeError, ValueError):
        return 0
