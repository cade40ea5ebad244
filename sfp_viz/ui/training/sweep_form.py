"""A sweep as a form: targets, recipes and seeds, and what they come to."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import streamlit as st

from sfp_viz.core.network import Network
from sfp_viz.core.plan.recipe import Recipe, name_of
from sfp_viz.core.plan.sweep import FLOORS, MOST, Sweep, fair
from sfp_viz.core.training.distillation import Distillation
from sfp_viz.errors import SfpError
from sfp_viz.runs.line.slots import slots
from sfp_viz.runs.storage.state import Where
from sfp_viz.text import recipe
from sfp_viz.text.recipe import RECIPE_NAMES
from sfp_viz.ui import problems
from sfp_viz.ui.cached import loaders
from sfp_viz.ui.training import pace, start_errors, training_fields
from sfp_viz.ui.training import start as starting
from sfp_viz.ui.training import where as place_of_work
from sfp_viz.ui.training.start import Subject

OWN = "own"  # the recipe of the page Plan, where it is none of the named ones
_WAITS: dict[Where, str] = {
    "here": "waits for its turn", "ray": "starts when the cluster has room",
}  # fmt: skip
_LABELS = {**training_fields.LABELS, "epochs": "Epochs of each"}
_TARGETS = tuple(range(10, 100, 10))
# the dark theme's accent is light: Streamlit's white on it would be 2.4:1
_CSS = "<style>.stApp [data-baseweb=tag] *{color:light-dark(#fff,#0d1214)}</style>"


def form(network: Network, subject: Subject, settings: Distillation, place: str) -> None:
    """The fields, what they come to, and the button that starts the sweep."""
    st.html(_CSS)
    targets, recipes = _grid(subject, place)
    left, right = st.columns(2)
    seeds = left.number_input(
        "Seeds", value=1, key=f"seeds_{place}",
        help="How often each is repeated with other random numbers. With two or more you see what "
        "is chance.",
    )  # fmt: skip
    epochs = right.number_input(_LABELS["epochs"], value=settings.epochs, key=f"epochs_{place}")
    with st.expander("Training of each"):
        fields = training_fields.basic(settings)
        fields |= training_fields.more(settings)
    with st.expander("Advanced"):
        fields |= training_fields.advanced(settings, seed=False)
    sweep, problem = _sweep(subject, targets, recipes, int(seeds))
    whole = None
    try:
        whole = replace(settings, **{**fields, "epochs": int(epochs)})
    except SfpError as wrong:
        problem = problem or start_errors.words(wrong, _LABELS)
    if sweep is None or whole is None:
        start_errors.say(problem)
    else:
        where = place_of_work.chosen()
        st.caption(words(network, subject, settings, sweep, int(epochs), where))
    off = bool(problem) or not subject.data
    clicked = st.button("Start", type="primary", key=f"start_{place}", disabled=off)
    if clicked and sweep and whole:
        with problems.shown(), st.spinner("Starting the sweep"):
            starting.watch(start(subject, whole, sweep, place_of_work.chosen()))


def _grid(subject: Subject, place: str) -> tuple[list[int], list[str]]:
    ours = name_of(subject.recipe)
    names = {**({} if ours else {OWN: "The recipe of the page Plan"}), **RECIPE_NAMES}
    targets = st.multiselect(
        f"Targets: shares of {recipe.goal_name(subject.recipe.goal)} to save", _TARGETS,
        default=[30, 50, 70], key=f"targets_{place}", format_func=lambda share: f"{share} %",
    )  # fmt: skip
    recipes = st.multiselect(
        "Recipes", list(names), default=list(dict.fromkeys([ours or OWN, *FLOORS])),
        key=f"recipes_{place}_{ours}", format_func=names.__getitem__,
        help="Uniform L1 is the plain way, random the floor: a recipe should be above both.",
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


def _recipe(name: str, ours: Recipe) -> Recipe:
    if name in (OWN, name_of(ours)):
        return ours if name not in FLOORS else fair(name, ours)
    return fair(name, ours)


def words(
    network: Network,
    subject: Subject,
    settings: Distillation,
    sweep: Sweep,
    epochs: int,
    where: Where = "here",
) -> str:
    """What will be done, in sentences, and how long it will take."""
    parts = [
        _count(len(sweep.targets), "target"),
        _count(len(sweep.recipes), "recipe"),
        _count(len(sweep.seeds), "seed"),
    ]
    runs = len(sweep)
    text = f"{' x '.join(parts)}: {_count(runs, 'training')} of {_count(epochs, 'epoch')}. "
    text += f"Each is a run of its own that {_WAITS[where]}. "
    if subject.edits and subject.edits.protected:
        text += "Locked groups stay whole in all of them. "
    if subject.edits and replace(subject.edits, protected=()):
        text += "Other changes by hand are not taken along. "
    how = "one after the other" if _alone(where) else "less where several work at once"
    return text + pace.sentence(network.digest, subject.data, settings, runs * epochs, how)


def _alone(where: Where) -> bool:
    """Whether the trainings come one by one: on this machine, unless it bears several."""
    if where == "ray":
        return False
    with suppress(SfpError):  # a number that is none is told by the line
        return slots(loaders.home()) == 1
    return True


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def start(subject: Subject, settings: Distillation, sweep: Sweep, where: Where = "here") -> str:
    """Lay out the sweep and start its worker, here or on the cluster, which lays out the runs and
    starts them there too; returns its id."""
    from sfp_viz.nets.io.model_file import save_model
    from sfp_viz.runs.create.sweep import create_sweep
    from sfp_viz.runs.launch import process

    with tempfile.TemporaryDirectory() as aside:
        file = Path(aside) / "model.safetensors"
        save_model(loaders.model(subject.model), file)
        path = create_sweep(
            loaders.home(),
            model_file=file,
            sweep=sweep,
            settings=settings,
            data=subject.data,
            locks=subject.edits.protected if subject.edits else (),
            facts={"model": subject.model},
        )
    if where == "ray":
        place_of_work.begin(path, where)
    else:
        process.launch(path)
    return path.name
