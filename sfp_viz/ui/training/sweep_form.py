"""A sweep as a form: targets, recipes and seeds, and what it will do."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import streamlit as st

from sfp_viz.core.network import Network
from sfp_viz.core.plan.recipe import Recipe, name_of
from sfp_viz.core.plan.sweep import FLOORS, MOST, Sweep, comparable_recipe
from sfp_viz.core.training.distillation import Distillation
from sfp_viz.errors import SfpError
from sfp_viz.runs.scheduling.slots import slot_count
from sfp_viz.runs.storage.launch_record import Where
from sfp_viz.text import recipe
from sfp_viz.text.recipe import RECIPE_NAMES
from sfp_viz.ui import problems
from sfp_viz.ui.cached import loaders
from sfp_viz.ui.cached.measurements import Subject
from sfp_viz.ui.training import pace, run_location, start, start_errors, training_fields

OWN = "own"  # the recipe of the page Plan, if it is not a named one
_WAITS: dict[Where, str] = {
    "here": "is queued", "ray": "starts when the cluster has capacity",
}  # fmt: skip
_LABELS = {**training_fields.LABELS, "epochs": "Epochs per training"}
_TARGETS = tuple(range(10, 100, 10))
# the dark theme's accent is light: Streamlit's white on it would be 2.4:1
_CSS = "<style>.stApp [data-baseweb=tag] *{color:light-dark(#fff,#0d1214)}</style>"


def form(network: Network, subject: Subject, settings: Distillation, key: str) -> None:
    """Draw the fields, a description of the sweep, and the button that starts it.

    Args:
        network: The network to prune.
        subject: Where it comes from, its recipe, edits and images.
        settings: The preset of a training on these images.
        key: Suffix of the fields' keys.
    """
    st.html(_CSS)
    targets, recipes = _grid(subject, key)
    left, right = st.columns(2)
    seeds = left.number_input(
        "Seeds", value=1, key=f"seeds_{key}",
        help="How many times each training is repeated with another seed. Two or more show the "
        "variance.",
    )  # fmt: skip
    epochs = right.number_input(_LABELS["epochs"], value=settings.epochs, key=f"epochs_{key}")
    with st.expander("Training settings"):
        fields = training_fields.basic(settings)
        fields |= training_fields.more(settings)
    with st.expander("Advanced"):
        fields |= training_fields.advanced(settings, seed=False)
    sweep, problem = _sweep(subject, targets, recipes, int(seeds))
    complete = None
    try:
        complete = replace(settings, **{**fields, "epochs": int(epochs)})
    except SfpError as error:
        problem = problem or start_errors.message(error, _LABELS)
    if sweep is None or complete is None:
        start_errors.show(problem)
    else:
        where = run_location.location()
        st.caption(description(network, subject, settings, sweep, int(epochs), where))
    off = bool(problem) or not subject.data
    clicked = st.button("Start", type="primary", key=f"start_{key}", disabled=off)
    if clicked and sweep and complete:
        with problems.catch(), st.spinner("Starting the sweep"):
            start.watch(start_sweep(subject, complete, sweep, run_location.location()))


def _grid(subject: Subject, key: str) -> tuple[list[int], list[str]]:
    current = name_of(subject.recipe)
    names = {**({} if current else {OWN: "Current recipe"}), **RECIPE_NAMES}
    targets = st.multiselect(
        f"Targets: reduction of {recipe.goal_name(subject.recipe.goal)}", _TARGETS,
        default=[30, 50, 70], key=f"targets_{key}", format_func=lambda share: f"{share} %",
    )  # fmt: skip
    recipes = st.multiselect(
        "Recipes", list(names), default=list(dict.fromkeys([current or OWN, *FLOORS])),
        key=f"recipes_{key}_{current}", format_func=names.__getitem__,
        help="Uniform L1 and random are the baselines: a recipe should beat both.",
    )  # fmt: skip
    return targets, recipes


def _sweep(
    subject: Subject, targets: list[int], names: list[str], seeds: int
) -> tuple[Sweep | None, str]:
    """The sweep, or None and what is missing."""
    if not targets or not names:
        return None, "Choose at least one target and one recipe."
    if not 1 <= seeds <= MOST:
        return None, f"'Seeds' has to be a whole number from 1 to {MOST}, not {seeds:,}."
    try:
        recipes = tuple((name, _recipe(name, subject.recipe)) for name in names)
        return Sweep(tuple(share / 100 for share in targets), recipes, tuple(range(seeds))), ""
    except SfpError as problem:
        return None, str(problem)


def _recipe(name: str, current: Recipe) -> Recipe:
    if name in (OWN, name_of(current)) and name not in FLOORS:
        return current
    return comparable_recipe(name, current)


def description(
    network: Network,
    subject: Subject,
    settings: Distillation,
    sweep: Sweep,
    epochs: int,
    where: Where = "here",
) -> str:
    """What the sweep will do and how long it will take, in sentences.

    Args:
        network: The network.
        subject: The network, the request and the images.
        settings: Settings of each training.
        sweep: The targets, recipes and seeds.
        epochs: Epochs of each training.
        where: 'here' or 'ray'.
    """
    counts = [
        _count(len(sweep.targets), "target"),
        _count(len(sweep.recipes), "recipe"),
        _count(len(sweep.seeds), "seed"),
    ]
    runs = len(sweep)
    text = f"{' × '.join(counts)}: {_count(runs, 'training')} of {_count(epochs, 'epoch')}. "
    text += f"Each is a separate run that {_WAITS[where]}. "
    if subject.edits.protected:
        text += "Locked groups are not pruned in any of them. "
    if replace(subject.edits, protected=()):
        text += "Other manual edits are ignored. "
    how = "one after the other" if _one_by_one(where) else "less if several run at a time"
    return text + pace.training_sentence(network.digest, subject.data, settings, runs * epochs, how)


def _one_by_one(where: Where) -> bool:
    """Whether the trainings run one after the other: on this machine with one slot."""
    if where == "ray":
        return False
    with suppress(SfpError):  # the queue reports an invalid number
        return slot_count(loaders.home()) == 1
    return True


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def start_sweep(
    subject: Subject, settings: Distillation, sweep: Sweep, where: Where = "here"
) -> str:
    """Create the sweep and start its worker, which creates and queues the trainings; returns the id
    of the sweep.

    Args:
        subject: The network, the request and the images.
        settings: Settings of each training.
        sweep: The targets, recipes and seeds.
        where: 'here' or 'ray'.
    """
    from sfp_viz.runs.create.sweep import create_sweep
    from sfp_viz.runs.launch import process

    with loaders.model_file(subject.model) as file:
        path = create_sweep(
            loaders.home(),
            model_file=file,
            sweep=sweep,
            settings=settings,
            data=subject.data,
            locks=subject.edits.protected,
            facts={"model": subject.model},
        )
    if where == "ray":
        run_location.enqueue(path, where)
    else:
        process.launch(path)
    return path.name
