"""How the command line follows and shows a study: its progress, a card, its result."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from sfp_viz.cli.output.text import fact_list, run_head_to_dict, table, time_text
from sfp_viz.core.evidence.study import study_to_dict
from sfp_viz.runs.folder import read_run
from sfp_viz.runs.launch import process
from sfp_viz.runs.storage.records import Run
from sfp_viz.text.numbers import count, device_name, duration, milliseconds, percent, span

_TENTHS = 10  # a log gets a line each tenth; a terminal one that changes


def follow_study(path: Path) -> Run:
    """Show how far a study is on stderr, until it is over; Ctrl-C cancels it."""
    run, shown = read_run(path), -1
    live = sys.stderr.isatty()
    try:
        for run in process.watch(path, every=0.2):
            tenth = int(run.progress * _TENTHS)
            if live:
                click.echo(f"\r\x1b[K{_line(run)}", err=True, nl=run.over)
            elif tenth != shown or run.over:
                click.echo(_line(run), err=True)
                shown = tenth
    except KeyboardInterrupt:
        click.echo("\nCancelling ...", err=True)
        run = process.cancel(path)
    return run


def study_run_to_dict(run: Run) -> dict[str, Any]:
    """A study as JSON: its settings, how far it is, and what was found."""
    study = run.study
    return {
        **run_head_to_dict(run),
        "settings": study_to_dict(study) if study else {},
        "points": run.done,
        "of": run.total,
        "progress": round(run.progress, 4),
        "seconds_left": run.seconds_left,
        "result": asdict(run.finding) if run.finding else None,
        "found": _found(run),
    }


def study_card(run: Run) -> str:
    """A study in words, with what was found when it is finished."""
    finding = run.finding
    lines: list[tuple[str, Any]] = [
        ("run", f"{run.id} ({run.kind})"),
        ("state", f"{run.state}{f', {run.phase}' if run.phase else ''}"),
        ("", run.message),
        ("started", time_text(run.created)),
        ("network", f"{run.name} ({run.facts.get('digest', '')})"),
        (_counted(run), f"{run.done} of {run.total}" if run.total else None),
    ]
    if finding:
        on = f"{finding.images:,} images of {finding.data}" if finding.images else "this machine"
        lines += [("measured on", on), ("took", duration(finding.seconds))]
    text = fact_list(lines)
    return f"{text}\n\n{_TEXT[run.kind](run.path / finding.file)}" if finding else text


def _counted(run: Run) -> str:
    """What the progress of a study counts."""
    return "images" if run.kind == "observe" else "points"


def _line(run: Run) -> str:
    words = f"{run.kind} of {run.name}: {run.phase or run.state}"
    if run.total:
        words += f", {run.done} of {run.total} {_counted(run)}"
    if run.seconds_left is not None and run.done < run.total:
        words += f", about {duration(run.seconds_left)} left"
    return words


def _found(run: Run) -> Any:
    """The result's file as JSON; of observations, which are arrays, what they are of."""
    if run.finding is None:
        return None
    file = run.path / run.finding.file
    if run.kind == "trust":
        return json.loads(file.read_text()) | _standing(file)
    if run.kind != "observe":
        return json.loads(file.read_text())
    from sfp_viz.nets.io.observation_file import load_observations

    observations = load_observations(file)
    groups = {name: len(mean) for name, mean in observations.mean.items()}
    return {"groups": groups, "scores": sorted(observations.scores), "images": observations.images}


def _standing(file: Path) -> dict[str, Any]:
    """The verdict of a trust record, and its allocations, the one that measured best first."""
    from sfp_viz.core.comparison.trust import trust_from_json
    from sfp_viz.core.comparison.verdict import leaders, rankings
    from sfp_viz.text.verdict import verdict

    trust = trust_from_json(file.read_text())
    first = leaders(trust)
    ranked = [
        {
            "allocation": s.allocation,
            "accuracy": s.accuracy,
            "interval": s.interval,
            "left": s.cost,
            "told_apart_from_best": s not in first,
        }
        for s in rankings(trust)
    ]
    return {"verdict": verdict(trust), "allocations": ranked}


def _sensitivity(file: Path) -> str:
    from sfp_viz.core.evidence.sensitivity import measured_points, sensitivity_from_json
    from sfp_viz.core.measurement import wilson

    record = sensitivity_from_json(file.read_text())
    wholes = (("the unpruned network", record.base), ("with BatchNorm re-estimated", record.fresh))
    rows: list[tuple[Any, ...]] = [
        (name, "", percent(right / max(1, record.images)), span(wilson(right, record.images)), "")
        for name, right in wholes
    ]
    for group in record.right:
        rows += [
            (group, f"{p.kept} of {record.sizes[group]}", percent(p.accuracy), span(p.interval),
             f"{p.lost:.1f}")
            for p in measured_points(record, group)
        ]  # fmt: skip
    heads = ("group pruned alone", "kept", "one-shot accuracy", "95 % interval", "points lost")
    return table(heads, rows)


def _latency(file: Path) -> str:
    from sfp_viz.core.cost.latency_table import latency_from_json

    latency = latency_from_json(file.read_text())
    rows = []
    for name, points in latency.points.items():
        outs, ins, ms = max(points)
        rows.append((name, outs, ins, milliseconds(ms), percent(ms / max(latency.whole_ms, 1e-9))))
    heads = ("layer", "outputs", "inputs", "measured", "share")
    how = f"batch {latency.batch}, {latency.threads} threads, {device_name(latency.device)}"
    return (
        f"{table(heads, rows)}\n\nwhole network {milliseconds(latency.whole_ms)}, "
        f"including {milliseconds(latency.rest_ms)} outside these layers ({how})"
    )


def _trust(file: Path) -> str:
    from sfp_viz.core.comparison.trust import trust_from_json
    from sfp_viz.core.measurement import wilson
    from sfp_viz.text.verdict import verdict

    trust = trust_from_json(file.read_text())
    rows = []
    for draw in trust.draws:
        right = draw.right or 0
        predicted = ", ".join(f"{name} {value:.3g}" for name, value in draw.predicted)
        plan = (
            f"{draw.kind} ({trust.recipe.allocation})" if draw.kind == "suggestion" else draw.kind
        )
        share, interval = percent(right / max(1, trust.images)), span(wilson(right, trust.images))
        rows.append((plan, count(draw.cost), share, interval, predicted))
    goal = f"{trust.recipe.goal} left"
    heads = ("plan", goal, "one-shot accuracy", "95 % interval", "damage predicted by")
    return f"{table(heads, rows)}\n\n{verdict(trust)}"


def _observe(file: Path) -> str:
    from sfp_viz.nets.io.observation_file import load_observations

    observations = load_observations(file)
    names = ", ".join(sorted(observations.scores))
    scores = f", with the scores {names}" if names else ""
    return (
        f"Means and covariances of {len(observations.mean)} groups{scores}. Plans of this network "
        "use them."
    )


_TEXT = {"sensitivity": _sensitivity, "latency": _latency, "trust": _trust, "observe": _observe}
