"""Points for accuracy against MACs: the plan, plain baselines at equal MACs, and the runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd
import streamlit as st

from sfp_viz.core.cost import cost, kept_units
from sfp_viz.core.training import Distillation
from sfp_viz.errors import SfpError
from sfp_viz.figures.numbers import count, percent
from sfp_viz.figures.tradeoff import Kind, Point, accuracy_against_macs
from sfp_viz.runs.records import Run
from sfp_viz.ui import (
    by_hand,
    charts,
    checking,
    loaders,
    measuring,
    planned,
    problems,
    starting,
    state,
)
from sfp_viz.ui.starting import Subject

SEEDS = (0, 1, 2)  # the random baseline is drawn so often: one draw says little
_BASELINES: Mapping[str, Kind] = {"uniform": "uniform", "random": "random"}
_OTHER = "another plan"
_SAME = 0.02  # MACs this far apart, relative, count as equal
_DONE = "compared"  # session_state: the subject measured last in this browser session


def is_measured(subject: Subject) -> bool:
    """Whether the one-shot points of ``subject`` were measured in this browser session."""
    return st.session_state.get(_DONE) == subject


def mark_measured(subject: Subject) -> None:
    """Remember that they were measured."""
    st.session_state[_DONE] = subject


def subjects(subject: Subject) -> dict[str, Subject]:
    """What is measured one-shot, by its label: the plan, uniform L1, random with three seeds."""
    target = _reduction(subject)
    return {
        "this plan, one-shot": subject,
        "uniform L1, one-shot": starting.baseline(subject, "uniform", target),
        **{
            f"random, draw {seed + 1}, one-shot": starting.baseline(
                subject, "random", target, seed=seed
            )
            for seed in SEEDS
        },
    }


def measured(subject: Subject) -> Iterator[Point]:
    """The unpruned network, then each one-shot point once it is measured. Slow: on a click."""
    network = loaders.network(subject.model)
    whole = checking.accuracy(measuring.accuracy(subject.model, subject.data))
    yield Point("unpruned", cost(network).macs, *whole, "unpruned", "unpruned")
    for label, one in subjects(subject).items():
        plan = planned.plan(one.model, one.recipe, one.edits)
        found = measuring.pruned_accuracy(one.model, one.recipe, one.edits, one.data)
        macs = cost(network, plan).macs
        yield Point(label, macs, *checking.accuracy(found), one.kind, "one-shot")


def trained(runs: Sequence[Run], data: str) -> list[Point]:
    """A point for each finished run with the same images; kind 'run' is one of another plan."""
    points, now = [], None
    for run in runs:
        if run.result is None or run.data != data:
            continue
        kind = _BASELINES.get(str(run.facts.get("kind")))
        if kind is None:
            now = _plan_now() if now is None else now
            kind = "plan" if now and _plan_of(run) == now else "run"
        points.append(
            Point(
                f"{starting.KINDS.get(kind, _OTHER)}, fine-tuned {run.settings.epochs} epochs",
                run.result.macs,
                run.result.accuracy,
                run.result.interval,
                kind,
                "fine-tuned",
            )
        )
    return points


def _plan_now() -> str:
    """The hash of the plan on the screen; '' when its target is out of reach."""
    now = state.session()
    try:
        return planned.plan(now.model, now.recipe, now.edits).hash
    except SfpError:
        return ""


def _plan_of(run: Run) -> str:
    return str(run.facts.get("plan") or (run.plan.hash if run.plan else ""))


def chart(points: Sequence[Point]) -> None:
    """The picture and, below it, the same as a table."""
    tuned = [p for p in points if p.stage == "fine-tuned"]
    best = max(tuned, key=_accuracy, default=None)
    finding = (
        f" Best after fine-tuning: {percent(best.accuracy)} with {count(best.macs)} MACs."
        if best
        else ""
    )
    charts.draw(
        accuracy_against_macs(points),
        key="tradeoff",
        alt=f"Accuracy against MACs of {len(points)} networks.{finding}",
    )
    whole = next((p.macs for p in points if p.kind == "unpruned"), 0)
    rows = [
        {
            "Network": p.label,
            "MACs": p.macs,
            "Of the MACs": 100 * p.macs / whole if whole else None,
            "Accuracy": 100 * p.accuracy,
            "from": 100 * p.interval[0] if p.interval else None,
            "to": 100 * p.interval[1] if p.interval else None,
        }
        for p in sorted(points, key=lambda p: -p.accuracy)
    ]
    number, share = st.column_config.NumberColumn, "%.1f %%"
    columns = {
        "MACs": number("MACs, computed", format="localized"),
        "Of the MACs": number(format=share),
        "Accuracy": number("Accuracy, measured", format=share),
        "from": number("95 % from", format=share),
        "to": number(format=share),
    }
    st.dataframe(pd.DataFrame(rows), hide_index=True, column_config=columns)


def finding(points: Sequence[Point]) -> str:
    """How the plan stands to baselines of the same MACs, in a sentence, won or lost; or ''."""
    compared = False
    for stage in ("fine-tuned", "one-shot"):
        mine = [p for p in points if p.kind == "plan" and p.stage == stage]
        plain = [p for p in points if p.kind in ("uniform", "random") and p.stage == stage]
        compared = compared or bool(mine and plain)
        pairs = [(ours, other) for ours in mine for other in plain if _same_macs(ours, other)]
        if pairs:
            ours, other = max(pairs, key=lambda pair: (pair[0].accuracy, pair[1].accuracy))
            apart = 100 * (ours.accuracy - other.accuracy)
            where = f"{stage}, at about the same MACs"
            if _overlap(ours, other):
                return (
                    f"{stage.capitalize()}, this plan and {other.label.split(',')[0]} differ by "
                    f"{abs(apart):.1f} points, which is within their intervals: no clear winner."
                )
            word = "above" if apart > 0 else "below"
            return f"This plan is {abs(apart):.1f} points {word} the best baseline ({where})."
    if compared:
        return f"No baseline is within {percent(_SAME, 0)} of this plan's MACs: no winner is named."
    return ""


def _reduction(subject: Subject) -> float:
    """What the plan really saves of the MACs, 0..0.99: the baselines' target."""
    plan = planned.plan(subject.model, subject.recipe, subject.edits)
    network = loaders.network(subject.model)
    return by_hand.reduction(network, kept_units(network, plan))


def _accuracy(point: Point) -> float:
    return point.accuracy


def _same_macs(one: Point, other: Point) -> bool:
    return abs(one.macs - other.macs) <= _SAME * max(one.macs, other.macs)


def _overlap(one: Point, other: Point) -> bool:
    if one.interval is None or other.interval is None:
        return False
    return one.interval[0] <= other.interval[1] and other.interval[0] <= one.interval[1]


def baseline_buttons(subject: Subject, runs: Sequence[Run]) -> None:
    """Start the same training for a baseline: with the settings of the newest run of the plan."""
    like = next((run for run in runs if run.facts.get("kind") == "plan"), None)
    settings = like.settings if like else starting.preset(starting.QUICK, subject.data)
    words = "the newest run of a plan" if like else "the quick preset"
    st.caption(f"With the settings of {words}: {settings.epochs} epochs.")
    with st.container(horizontal=True):
        for kind in _BASELINES.values():
            label, key = f"Fine-tune {starting.KINDS[kind]}", f"baseline_{kind}"
            st.button(
                label, key=key, disabled=not subject.data,
                on_click=_start, args=(subject, kind, settings),
            )  # fmt: skip


def _start(subject: Subject, kind: Kind, settings: Distillation) -> None:
    try:
        one = starting.baseline(subject, kind, _reduction(subject))
        run = starting.start(one, settings, name=loaders.network(subject.model).name)
    except SfpError as problem:
        st.toast(problems.plain(str(problem)), icon=":material/error:")
        return
    state.change(run=run)
    st.toast("The run has started. Its curves are on the page Fine-tune.")
