"""What runs are called: their states, what was pruned how, and what tells several apart."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Literal

from sfp_viz.core.plan import Plan
from sfp_viz.core.sparsification import WORDS
from sfp_viz.figures.numbers import duration
from sfp_viz.runs.records import Run
from sfp_viz.runs.results.summary import Summary
from sfp_viz.ui.runs import starting

STATES = {
    "waiting": "Starting",
    "queued": "In line",
    "running": "Running",
    "pausing": "Pausing",
    "paused": "Paused",
    "cancelling": "Stopping",
    "finished": "Finished",
    "cancelled": "Cancelled",
    "failed": "Failed",
    "lost": "Worker gone",
}
Color = Literal["blue", "green", "gray", "orange", "red"]
COLORS: dict[str, Color] = {
    "waiting": "blue", "running": "blue", "finished": "green", "failed": "red", "lost": "red",
    "paused": "orange", "pausing": "orange",
}  # fmt: skip
PHASES = {
    "starting": "starting its worker",
    "loading": "loading networks and images",
    "looking at images": "looking at images for the next plan",
    "pruning": "planning and pruning",
    "measuring": "measuring the pruned network and its teacher, before the first epoch",
}
FIRST = {"steps": "After its first cut", "sparsify": "After its cut"}  # else it is one-shot
FIRST_IS = "Measured right after filters were cut, before any fine-tuning."
_NAMES = {
    "learning_rate": "learning rate", "batch_size": "batch", "temperature_start": "T from",
    "temperature_end": "T to", "train_images": "training images", "weight_decay": "decay",
    "label_smoothing": "smoothing", "teacher_views": "copies",
}  # fmt: skip


def title(run: Run | Summary) -> str:
    """What was pruned how, in a few words; a plan by the first digits of its hash."""
    kind = str(run.facts.get("kind"))
    if run.kind == "sweep":
        return "Sweep"
    if run.kind == "sparsify":
        return WORDS.get(str(run.facts.get("recipe")), "while training")
    plan = run.plan.hash if isinstance(run.plan, Plan) else run.plan
    name = str(run.facts.get("plan") or plan or "")
    text = f"plan {name[:6]}" if name else "a plan"
    if kind != "plan" and kind in starting.KINDS:
        text = starting.KINDS[kind]
    return f"{text}, in steps" if run.kind == "steps" else text


def begun(run: Run) -> str:
    """When it was started: the time of day, or the date for an earlier one."""
    at = datetime.fromtimestamp(run.created)
    today = time.strftime("%Y-%m-%d") == at.strftime("%Y-%m-%d")
    return at.strftime("%H:%M:%S" if today else "%d %b, %H:%M")


def apart(runs: Sequence[Run]) -> list[str]:
    """A name for each of several runs: what was pruned, the settings in which they differ and no
    others, and the time of the start where that is not enough."""
    asked = [{"data": run.data, **asdict(run.settings)} for run in runs]
    differing = [name for name in asked[0] if len({repr(one[name]) for one in asked}) > 1]
    found = []
    for run, one in zip(runs, asked, strict=True):
        words = [setting(name, one[name]) for name in differing[:3]]
        found.append(", ".join([title(run), *words]))
    return [
        f"{name}, {begun(run)}" if found.count(name) > 1 else name
        for name, run in zip(found, runs, strict=True)
    ]


def progress(run: Run) -> str:
    """How far a run is, and how long it will take, in words."""
    done, total = len(run.epochs), run.settings.epochs
    if run.state == "waiting":
        return "Its worker is on its way"
    if run.kind == "sweep":
        return f"Laying out its trainings: {run.done} of {run.total or 'all'}"
    text = f"Epoch {min(done + 1, total)} of {total}"
    if run.kind == "sparsify":
        part = "Fine-tuning" if run.epochs or run.before else "Becoming sparse"
        text = f"{part}: epoch {min(run.done + 1, run.total)} of {run.total} in all"
    if run.phase in PHASES:
        text = PHASES[run.phase].capitalize()
    if run.state == "cancelling":
        return f"{text}. Stopping at its next step"
    if run.state == "pausing":
        return f"{text}. Writing a checkpoint, then it pauses"
    if run.seconds_left is not None:
        text += f", about {duration(run.seconds_left)} left (estimated from the epochs so far)"
    return text


def setting(name: str, found: Any) -> str:
    """A setting of a training with its value: 'learning rate 0.02'."""
    return f"{_NAMES.get(name, name.replace('_', ' '))} {value(found)}"


def value(found: Any) -> str:
    """The value of a setting, in words."""
    if found is None:
        return "all"
    if isinstance(found, bool):
        return "on" if found else "off"
    return f"{found:g}" if isinstance(found, float) else str(found)
