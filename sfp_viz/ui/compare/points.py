"""What stands on the Compare page's chart: finished runs, and what was measured one-shot."""

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
from sfp_viz.ui.recipe import edits
from sfp_viz.ui.session import state
from sfp_viz.ui.training import start

SEEDS = (0, 1, 2)  # the random baseline is drawn so often: one draw says little
_WHAT = "one-shot"  # how the points are kept


def keep(subject: Subject, points: Sequence[Point]) -> None:
    """Keep the one-shot points that were measured just now, so that a reload shows them again."""
    measurements.keep(_WHAT, subject, [asdict(point) for point in points])


def known(subject: Subject) -> tuple[list[Point], str]:
    """The one-shot points that were measured of exactly this plan and these images, and when, in
    words; ([], '') where there are none."""
    found = measurements.find(_WHAT, subject)
    if found is None:
        return [], ""
    try:
        return [_point(value) for value in found.value], measurements.when(found)
    except (KeyError, TypeError):
        return [], ""  # another version wrote them


def _point(value: Mapping[str, Any]) -> Point:
    interval, whole = value["interval"], value["whole"]
    return Point(**{
        **value, "interval": tuple(interval) if interval else None,
        "whole": Whole(**whole) if whole else None,
        "latency": measurements.measured_of(value["latency"]),
    })  # fmt: skip


def subjects(subject: Subject) -> dict[str, tuple[str, Subject]]:
    """What is measured one-shot, as (label, subject) by the key of its point: the plan, uniform
    L1, random with three seeds, all to the same MACs."""
    target = reduction(subject)
    uniform = start.baseline(subject, "uniform", target)
    draws = {
        f"one-shot random {seed}": (
            f"random, draw {seed + 1}, one-shot",
            start.baseline(subject, "random", target, seed=seed),
        )
        for seed in SEEDS
    }
    return {
        "one-shot plan": ("this plan, one-shot", subject),
        "one-shot uniform": ("uniform L1, one-shot", uniform),
        **draws,
    }


def measured(subject: Subject) -> Iterator[Point]:
    """The unpruned network, then each one-shot point once it is measured. Slow: on a click."""
    network = loaders.network(subject.model)
    found = pruned.accuracy(subject.model, subject.data)
    right, interval = checks.accuracy(found)
    whole = replace(whole_of(network), accuracy=right)
    yield Point(
        "unpruned", whole.macs, right, interval, "unpruned", "unpruned", key="unpruned",
        params=whole.params, images=found.images, whole=whole,
    )  # fmt: skip
    for key, (label, one) in subjects(subject).items():
        plan = planned.plan(one.model, one.request)
        found = pruned.pruned_accuracy(one.model, one.request, one.data)
        after = cost(network, plan)
        yield Point(
            label, after.macs, *checks.accuracy(found), one.kind, "one-shot", key=key,
            params=after.params, images=found.images, whole=whole,
        )  # fmt: skip


def trained(
    runs: Sequence[Summary], network: Network, timed: Mapping[str, RunLatency] | None = None
) -> list[Point]:
    """The points of finished runs, and the unpruned network as their teacher."""
    return points_of(runs, whole=whole_of(network), plan=plan_now(), timed=timed)


def together(one_shot: Sequence[Point], trained: Sequence[Point]) -> list[Point]:
    """All points; the unpruned network once, as it was measured on most images."""
    both = [*one_shot, *trained]
    wholes = [p for p in both if p.kind == "unpruned"]
    best = max(wholes, key=lambda p: (p.latency is not None, p.images), default=None)
    return [p for p in both if p.kind != "unpruned" or p is best]


def whole_of(network: Network) -> Whole:
    """The unpruned network's costs, computed."""
    before = cost(network)
    return Whole(before.macs, before.params)


def reduction(subject: Subject) -> float:
    """What the plan really saves of the MACs, 0..0.99: the baselines' target."""
    plan = planned.plan(subject.model, subject.request)
    network = loaders.network(subject.model)
    return edits.reduction(network, kept_units(network, plan))


def plan_now() -> str:
    """The hash of the plan on the screen; '' when its target is out of reach."""
    now = state.session()
    return planned.hash_or_none(now.model, now.request)
