"""A run in steps as a form: how many stages, how far each goes, and a picture of the way."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import get_args

import streamlit as st

from sfp_viz.core.cost.cost import cost
from sfp_viz.core.network import Network
from sfp_viz.core.selection.iterative import check_steps
from sfp_viz.core.selection.iterative_schedule import Growth, Steps, targets
from sfp_viz.core.training.distillation import Distillation
from sfp_viz.errors import SfpError
from sfp_viz.runs.storage.facts import training_facts
from sfp_viz.runs.storage.state import Where
from sfp_viz.text import recipe
from sfp_viz.text.numbers import percent
from sfp_viz.ui import problems
from sfp_viz.ui.cached import loaders
from sfp_viz.ui.training import pace, start_errors, training_fields
from sfp_viz.ui.training import start as starting
from sfp_viz.ui.training import where as place_of_work
from sfp_viz.ui.training.start import Subject

_GROWTH = {
    "linear": "Even: the same share of the whole each time",
    "geometric": "The same share of what is left each time",
    "cubic": "Much at first, little at the end",
}
_CSS = (
    "<style>.stages{display:flex;align-items:flex-end;gap:4px;font-size:12px;max-width:420px}"
    ".stages figure{margin:0;flex:1 1 0;min-width:0;text-align:center;line-height:1.35;"
    "white-space:nowrap}"
    ".stages b{display:block;border-radius:3px 3px 0 0;background:light-dark(#0b6e74,#4fb8bd)}"
    ".stages .whole b{background:currentColor;opacity:.25}.stages i{font-style:normal;opacity:.72}"
    "</style>"
)
_LABELS = {"stages": "Stages", "epochs": "Epochs each", "last_epochs": "Last epochs"}
_TALL = 84  # pixels of the whole network
_WORDY = 7  # columns that have room for words


def form(network: Network, subject: Subject, settings: Distillation, place: str) -> None:
    """The fields, what they come to, and the button that starts the run."""
    steps, problem = _steps(network, subject, settings, place)
    if steps:
        what = recipe.goal_name(subject.recipe.goal)
        st.caption(f"{what[0].upper()}{what[1:]} left after each stage, planned")
        st.html(picture(targets(steps, subject.recipe.target_reduction), steps.epochs_of))
    with st.expander("Training of each stage"):
        fields = training_fields.basic(settings)
        fields |= training_fields.more(settings)
    with st.expander("Advanced"):
        fields |= training_fields.advanced(settings, processes=False)
    whole = None
    try:
        whole = replace(settings, **{**fields, "epochs": steps.total if steps else 1})
    except SfpError as wrong:
        problem = problem or start_errors.words(wrong, training_fields.LABELS)
    if problem or steps is None:
        start_errors.say(problem)
    else:
        st.caption(words(network, subject, settings, steps))
    off = bool(problem) or not subject.data
    clicked = st.button("Start", type="primary", key=f"start_{place}", disabled=off)
    if clicked and steps and whole:
        with problems.shown(), st.spinner("Starting the run"):
            starting.watch(start(network, subject, whole, steps, place_of_work.chosen()))


def _steps(
    network: Network, subject: Subject, settings: Distillation, place: str
) -> tuple[Steps | None, str]:
    """The schedule of the fields, or None and why it cannot be gone."""
    left, middle, right = st.columns(3)
    stages = left.number_input(
        _LABELS["stages"], value=3, key=f"stages_{place}",
        help="How often it is pruned and trained.",
    )  # fmt: skip
    between = middle.number_input(
        _LABELS["epochs"], value=max(1, settings.epochs // 5), key=f"between_{place}",
        help="Of each stage but the last.",
    )  # fmt: skip
    last = right.number_input(
        _LABELS["last_epochs"], value=settings.epochs, key=f"last_{place}",
        help="Of the last stage, whose network is kept.",
    )  # fmt: skip
    growth = st.selectbox(
        "How far each goes", get_args(Growth), index=1, key=f"growth_{place}",
        format_func=_GROWTH.__getitem__,
        help="The last is Zhu and Gupta's cubic: filters are cheap to lose at first, dear at last.",
    )  # fmt: skip
    try:
        steps = Steps(int(stages), growth or "geometric", int(between), int(last))
        check_steps(network, subject.recipe, subject.edits, steps)
    except SfpError as problem:
        return None, start_errors.words(problem, _LABELS)
    return steps, ""


def words(network: Network, subject: Subject, settings: Distillation, steps: Steps) -> str:
    """What will be done, in sentences, and how long it will take."""
    aims = targets(steps, subject.recipe.target_reduction)
    what = recipe.goal_name(subject.recipe.goal)
    text = (
        f"Each stage plans anew on what the network has become. At the end {percent(aims[-1], 0)} "
        f"of the {what} are gone, after {steps.total} epochs. "
    )
    if subject.edits and subject.edits.ratios:
        text += "Ratios by hand hold at the end; the other groups make up for them on the way. "
    return text + pace.sentence(network.digest, subject.data, settings, steps.total)


def picture(aims: Sequence[float], epochs: Sequence[int]) -> str:
    """What is left after each stage as columns, as HTML; the first is the whole network."""
    left = [1.0, *(1 - aim for aim in aims)]
    under = ["whole", *(f"{count} ep." for count in epochs)]
    told = range(len(left)) if len(left) <= _WORDY else (0, len(left) - 1)
    bars = "".join(
        f'<figure class="{"stage" if place else "whole"}">'
        f"{percent(share, 0) if place in told else '&nbsp;'}"
        f'<b style="height:{max(2, round(_TALL * share))}px"></b>'
        f"<i>{escape(word) if place in told else '&nbsp;'}</i></figure>"
        for place, (share, word) in enumerate(zip(left, under, strict=True))
    )
    words = ", ".join(percent(share, 0) for share in left)
    label = f'role="img" aria-label="Left after each stage: {words}"'
    return f'{_CSS}<div class="stages" {label}>{bars}</div>'


def start(
    network: Network, subject: Subject, settings: Distillation, steps: Steps, where: Where = "here"
) -> str:
    """Lay out the run and put it in line, here or on the cluster; returns its id."""
    from sfp_viz.nets.io.model_file import save_model
    from sfp_viz.runs.create.steps import create_steps
    from sfp_viz.runs.storage.steps import Order

    before = cost(network)
    with tempfile.TemporaryDirectory() as aside:
        file = Path(aside) / "model.safetensors"
        save_model(loaders.model(subject.model), file)
        path = create_steps(
            loaders.home(),
            model_file=file,
            order=Order(subject.recipe, subject.edits, steps),
            settings=settings,
            data=subject.data,
            name=network.name,
            facts=training_facts(
                digest=network.digest,
                model=subject.model,
                recipe=subject.recipe,
                edits=subject.edits,
                before=(before.macs, before.params),
            ),
        )
    place_of_work.begin(path, where)
    return path.name
