"""What runs are called: their states, what was pruned how, and how far they are."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Literal

from sfp_viz.core.plan.plan import Plan
from sfp_viz.core.plan.recipe import Recipe, name_of
from sfp_viz.core.training.sparsification import WORDS
from sfp_viz.runs.results.summary import Summary
from sfp_viz.runs.storage.records import Run
from sfp_viz.text.numbers import duration, percent
from sfp_viz.ui.training import start

RECIPES = {  # the named recipes in a few words
    "similarity": "similarity", "paper_sfp": "SFP", "functional": "redundancy by function",
    "uniform_l1": "uniform L1", "global_l1": "L1, one threshold", "random": "random",
    "group_magnitude": "group magnitude", "fpgm": "FPGM", "bn_scale": "BatchNorm scale",
    "taylor": "Taylor", "hrank": "HRank", "chip": "CHIP",
}  # fmt: skip
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


def title(run: Run | Summary) -> str:
    """What was pruned how, in a few words."""
    kind = str(run.facts.get("kind"))
    if run.kind == "sweep":
        return "Sweep"
    if run.kind == "sparsify":
        return WORDS.get(str(run.facts.get("recipe")), "while training")
    text = _plan_of(run)
    if kind != "plan" and kind in start.KINDS:
        text = start.KINDS[kind]
    return f"{text}, in steps" if run.kind == "steps" else text


def plan_name(recipe: str, share: float | None, digits: str = "") -> str:
    """A plan as people read it, such as 'similarity −50 % (c82c03)': the recipe by its name among
    the named ones ('' for one without), the share of MACs that goes, 0..1, where it is known, and
    the first of the ``digits`` of its hash, which tell it from others of the same recipe."""
    if not recipe and share is None:
        return f"plan {digits[:6]}" if digits else "a plan"
    text = _called(recipe) or ("own recipe" if digits else "a plan")
    if share is not None:
        text += f" {'+' if share < 0 else '−'}{percent(abs(share), 0)}"
    return f"{text} ({digits[:6]})" if digits else text


def recipe_words(recipe: Recipe) -> str:
    """A recipe in a few words."""
    return _called(name_of(recipe)) or "own recipe"


def _called(name: str) -> str:
    return RECIPES.get(name, name.replace("_", " "))


def _plan_of(run: Run | Summary) -> str:
    """The plan of a run by its name; the share that went is counted, else what was asked."""
    made = run.plan if isinstance(run.plan, Plan) else None
    digits = made.hash if made else run.plan if isinstance(run.plan, str) else ""
    recipe, macs = str(run.facts.get("recipe") or (name_of(made.recipe) if made else "")), None
    if isinstance(run, Summary):
        recipe, macs = recipe or run.recipe, run.macs
    elif run.before:
        macs = run.before.macs
    macs, whole = macs or run.facts.get("macs"), run.facts.get("macs_before")
    share = run.facts.get("target_reduction")
    if isinstance(macs, int) and isinstance(whole, int) and whole > 0 and run.kind != "steps":
        share = 1 - macs / whole
    known = isinstance(share, int | float)
    return plan_name(recipe, share if known else None, str(run.facts.get("plan") or digits or ""))


def begun(run: Run) -> str:
    """When it was started: the time of day, or the date for an earlier one."""
    at = datetime.fromtimestamp(run.created)
    today = time.strftime("%Y-%m-%d") == at.strftime("%Y-%m-%d")
    return at.strftime("%H:%M:%S" if today else "%d %b, %H:%M")


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
