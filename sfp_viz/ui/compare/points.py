"""The points of the Compare page: finished runs, and one-shot accuracies that were measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from sfp_viz.core.comparison.tradeoff import Point, Whole
from sfp_viz.core.cost.cost import cost
from sfp_viz.core.network import Network
from sfp_viz.core.plan.validation import kept_units
from sfp_viz.runs.results.latencies import RunLatency
from sfp_viz.runs.results.points import points_of
from sfp_viz.runs.results.summary import Summary
from sfp_viz.ui.cached import loaders, measurements, planned, pruned
from sfp_viz.ui.cached.measurements import Subject
from sfp_viz.ui.check import checks
from sfp_viz.ui.recipe import request_edits
from sfp_viz.ui.session import state
from sfp_viz.ui.training import start

SEEDS = (0, 1, 2)  # of the random baseline, as one draw is not representative
_KIND = "one-shot"  # of the saved measurements


def save(subject: Subject, points: Sequence[Point]) -> None:
    """Save one-shot points that were just measured, so that they are shown after a reload.

    Args:
        subject: The network, the request and the images.
        points: The points.
    """
    measurements.save(_KIND, subject, [asdict(point) for point in points])


def saved_points(subject: Subject) -> tuple[list[Point], str]:
    """The saved one-shot points of exactly this plan and these images, and when they were measured
    in words; ([], '') for none."""
    saved = measurements.find(_KIND, subject)
    if saved is None:
        return [], ""
    try:
        return [_point(value) for value in saved.value], measurements.when(saved)
    except (KeyError, TypeError):
        return [], ""  # written by another version


def _point(value: Mapping[str, Any]) -> Point:
    interval, whole = value["interval"], value["whole"]
    return Point(**{
        **value, "interval": tuple(interval) if interval else None,
        "whole": Whole(**whole) if whole else None,
        "latency": measurements.measured_from_dict(value["latency"]),
    })  # fmt: skip


def subjects(subject: Subject) -> dict[str, tuple[str, Subject]]:
    """The plans that are measured one-shot, as (label, subject) by the key of the point: this plan,
    uniform L1, and random with three seeds, all with the same MACs."""
    target = reduction(subject)
    uniform = start.baseline(subject, "uniform", target)
    draws = {
        f"one-shot random {seed}": (
            f"random, seed {seed}, one-shot",
            start.baseline(subject, "random", target, seed=seed),
        )
        for seed in SEEDS
    }
    return {
        "one-shot plan": ("this plan, one-shot", subject),
        "one-shot uniform": ("uniform L1, one-shot", uniform),
        **draws,
    }


def measure_one_shot(subject: Subject) -> Iterator[Point]:
    """Measure the unpruned network, then each one-shot point. Slow: called on a click."""
    network = loaders.network(subject.model)
    measured = pruned.accuracy(subject.model, subject.data)
    right, interval = checks.accuracy(measured)
    whole = replace(whole_of(network), accuracy=right)
    yield Point(
        "unpruned", whole.macs, right, interval, "unpruned", "unpruned", key="unpruned",
        params=whole.params, images=measured.images, whole=whole,
    )  # fmt: skip
    for key, (label, plan_subject) in subjects(subject).items():
        plan = planned.plan(plan_subject.model, plan_subject.request)
        measured = pruned.pruned_accuracy(
            plan_subject.model, plan_subject.request, plan_subject.data
        )
        after = cost(network, plan)
        yield Point(
            label, after.macs, *checks.accuracy(measured), plan_subject.kind, "one-shot", key=key,
            params=after.params, images=measured.images, whole=whole,
        )  # fmt: skip


def trained_points(
    runs: Sequence[Summary], network: Network, timed: Mapping[str, RunLatency] | None = None
) -> list[Point]:
    """The points of finished runs and of the unpruned network, which was their teacher.

    Args:
        runs: The runs.
        network: Their unpruned network.
        timed: Latencies by run id, all measured under one condition.
    """
    return points_of(runs, whole=whole_of(network), plan=plan_hash(), timed=timed)


def combine(one_shot: Sequence[Point], trained: Sequence[Point]) -> list[Point]:
    """All points, with the unpruned network once: the one with a latency, then with the most
    images.

    Args:
        one_shot: The one-shot points.
        trained: The fine-tuned points.
    """
    points = [*one_shot, *trained]
    unpruned = [p for p in points if p.kind == "unpruned"]
    best = max(unpruned, key=lambda p: (p.latency is not None, p.images), default=None)
    return [p for p in points if p.kind != "unpruned" or p is best]


def whole_of(network: Network) -> Whole:
    """MACs and params of the unpruned network, computed."""
    before = cost(network)
    return Whole(before.macs, before.params)


def reduction(subject: Subject) -> float:
    """The share of MACs that the plan removes, 0..0.99: the target of the baselines."""
    plan = planned.plan(subject.model, subject.request)
    network = loaders.network(subject.model)
    return request_edits.reduction(network, kept_units(network, plan))


def plan_hash() -> str:
    """The hash of the current plan; '' if its target is out of reach."""
    session = state.session()
    return planned.hash_or_none(session.model, session.request)
