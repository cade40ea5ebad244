"""Labels of runs for people: their kind, their state, what was pruned how, and their progress."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime

from sfp_viz.core.plan.plan import Plan
from sfp_viz.core.plan.recipe import Recipe, name_of
from sfp_viz.core.training.sparsification import METHOD_NAMES
from sfp_viz.runs.results.summary import Summary
from sfp_viz.runs.storage.records import Run
from sfp_viz.text.numbers import duration, percent
from sfp_viz.text.recipe import SHORT_NAMES

PRUNED_BY: Mapping[str, str] = {  # what chose the filters of a fine-tuning, by `kind` in its facts
    "plan": "this plan", "uniform": "uniform L1", "random": "random",
}  # fmt: skip
KINDS: Mapping[str, str] = {  # by `kind` of a run
    "finetune": "Fine-tuning",
    "steps": "Pruning in steps",
    "sparsify": "Sparse training",
    "sweep": "Sweep",
    "observe": "Image analysis",
    "sensitivity": "Sensitivity analysis",
    "latency": "Layer timing",
    "trust": "Test of the suggestion",
}
STATES: Mapping[str, str] = {
    "waiting": "Starting",
    "queued": "Queued",
    "running": "Running",
    "pausing": "Pausing",
    "paused": "Paused",
    "cancelling": "Cancelling",
    "finished": "Finished",
    "cancelled": "Cancelled",
    "failed": "Failed",
    "lost": "Worker lost",
}
_PHASES: Mapping[str, str] = {
    "starting": "Starting its worker",
    "loading": "Loading networks and images",
    "calibrating": "Calibrating on images for the next plan",
    "looking at images": "Calibrating on images for the next plan",  # of earlier versions
    "pruning": "Planning and pruning",
    "measuring": "Measuring the pruned network and its teacher before the first epoch",
}


def title(run: Run | Summary) -> str:
    """What was pruned and how, in a few words: 'similarity −50 % (c82c03), in steps'."""
    kind = str(run.facts.get("kind"))
    if run.kind == "sweep":
        return KINDS["sweep"]
    if run.kind == "sparsify":
        return METHOD_NAMES.get(str(run.facts.get("recipe")), KINDS["sparsify"])
    text = _plan_of(run)
    if kind != "plan" and kind in PRUNED_BY:
        text = PRUNED_BY[kind]
    return f"{text}, in steps" if run.kind == "steps" else text


def plan_label(recipe: str, reduction: float | None, plan_hash: str = "") -> str:
    """A plan in a few words: 'similarity −50 % (c82c03)'.

    Args:
        recipe: Name of its recipe, '' for one without a name.
        reduction: Share of MACs that it removes, up to 1; None if not known.
        plan_hash: Its hash, whose first six digits tell it from other plans of the recipe.
    """
    if not recipe and reduction is None:
        return f"plan {plan_hash[:6]}" if plan_hash else "a plan"
    text = _short_name(recipe) or ("custom recipe" if plan_hash else "a plan")
    if reduction is not None:
        text += f" {'+' if reduction < 0 else '−'}{percent(abs(reduction), 0)}"
    return f"{text} ({plan_hash[:6]})" if plan_hash else text


def recipe_label(recipe: Recipe) -> str:
    """The short name of a recipe; 'custom recipe' for one that is not a named one."""
    return _short_name(name_of(recipe)) or "custom recipe"


def _short_name(recipe: str) -> str:
    return SHORT_NAMES.get(recipe, recipe.replace("_", " "))


def _plan_of(run: Run | Summary) -> str:
    """The label of a run's plan, with the counted reduction, else the requested one."""
    plan = run.plan if isinstance(run.plan, Plan) else None
    plan_hash = plan.hash if plan else run.plan if isinstance(run.plan, str) else ""
    recipe, macs = str(run.facts.get("recipe") or (name_of(plan.recipe) if plan else "")), None
    if isinstance(run, Summary):
        recipe, macs = recipe or run.recipe, run.macs
    elif run.before:
        macs = run.before.macs
    macs, whole = macs or run.facts.get("macs"), run.facts.get("macs_before")
    reduction = run.facts.get("target_reduction")
    if isinstance(macs, int) and isinstance(whole, int) and whole > 0 and run.kind != "steps":
        reduction = 1 - macs / whole
    return plan_label(
        recipe,
        reduction if isinstance(reduction, int | float) else None,
        str(plan_hash or run.facts.get("plan") or ""),
    )


def start_time(run: Run) -> str:
    """When the run was started: the time of day, with the date if it was not today."""
    at = datetime.fromtimestamp(run.created)
    today = time.strftime("%Y-%m-%d") == at.strftime("%Y-%m-%d")
    return at.strftime("%H:%M:%S" if today else "%d %b, %H:%M")


def progress(run: Run) -> str:
    """How far a run is and how long it will take, in a sentence without its full stop."""
    done, total = len(run.epochs), run.settings.epochs
    if run.state == "waiting":
        return "Starting its worker"
    if run.kind == "sweep":
        return f"Preparing runs: {run.done} of {run.total or 'all'}"
    text = f"Epoch {min(done + 1, total)} of {total}"
    if run.kind == "sparsify":
        stage = "Fine-tuning" if run.epochs or run.before else "Sparse training"
        text = f"{stage}: epoch {min(run.done + 1, run.total)} of {run.total} in all"
    text = _PHASES.get(run.phase, text)
    if run.state == "cancelling":
        return f"{text}. Stopping at its next step"
    if run.state == "pausing":
        return f"{text}. Pausing once a checkpoint is written"
    if run.seconds_left is not None:
        text += f", about {duration(run.seconds_left)} left (estimated from the epochs so far)"
    return text
