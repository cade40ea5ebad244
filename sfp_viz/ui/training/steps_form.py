"""Pruning in steps as a form: how many stages, how much each prunes, and a preview."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from html import escape
from typing import get_args

import streamlit as st

from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.cost.cost import cost
from sfp_viz.core.network import Network
from sfp_viz.core.selection.iterative import check_steps
from sfp_viz.core.selection.iterative_schedule import Growth, Steps, targets
from sfp_viz.core.training.distillation import Distillation
from sfp_viz.errors import SfpError
from sfp_viz.runs.storage.facts import training_facts
from sfp_viz.runs.storage.launch_record import Where
from sfp_viz.text import recipe
from sfp_viz.text.numbers import percent
from sfp_viz.ui import problems
from sfp_viz.ui.cached import loaders
from sfp_viz.ui.cached.measurements import Subject
from sfp_viz.ui.training import pace, run_location, start, start_errors, training_fields

_GROWTH = {
    "linear": "Linear: the same amount in each stage",
    "geometric": "Geometric: the same share of what remains",
    "cubic": "Cubic: most in the first stages",
}
_CSS = (
    "<style>.stages{display:flex;align-items:flex-end;gap:4px;font-size:12px;max-width:420px}"
    ".stages figure{margin:0;flex:1 1 0;min-width:0;text-align:center;line-height:1.35;"
    "white-space:nowrap}"
    ".stages b{display:block;border-radius:3px 3px 0 0;background:light-dark(#0b6e74,#4fb8bd)}"
    ".stages .whole b{background:currentColor;opacity:.25}.stages i{font-style:normal;opacity:.72}"
    "</style>"
)
_LABELS = {"stages": "Stages", "epochs": "Epochs per stage", "last_epochs": "Final epochs"}
_HEIGHT = 84  # pixels of the unpruned network
_MOST_LABELED = 7  # columns; of more, only the first and the last have labels


def form(network: Network, subject: Subject, settings: Distillation, place: str) -> None:
    """Draw the fields, a preview, a description of the run, and the button that starts it.

    Args:
        network: The network to prune.
        subject: Where it comes from, its recipe, edits and images.
        settings: The preset of a training on these images.
        key: Suffix of the fields' keys.
    """
    steps, problem = _steps(network, subject, settings, place)
    if steps:
        goal = recipe.goal_name(subject.recipe.goal)
        st.caption(f"{goal[0].upper()}{goal[1:]} remaining after each stage (planned)")
        st.html(preview(targets(steps, subject.recipe.target_reduction), steps.epochs_of))
    with st.expander("Training of each stage"):
        fields = training_fields.basic(settings)
        fields |= training_fields.more(settings)
    with st.expander("Advanced"):
        fields |= training_fields.advanced(settings, processes=False)
    complete = None
    try:
        complete = replace(settings, **{**fields, "epochs": steps.total if steps else 1})
    except SfpError as error:
        problem = problem or start_errors.message(error, training_fields.LABELS)
    if problem or steps is None:
        start_errors.show(problem)
    else:
        st.caption(description(network, subject, settings, steps))
    off = bool(problem) or not subject.data
    clicked = st.button("Start", type="primary", key=f"start_{place}", disabled=off)
    if clicked and steps and complete:
        with problems.catch(), st.spinner("Starting the run"):
            start.watch(start_steps(network, subject, complete, steps, run_location.location()))


def _steps(
    network: Network, subject: Subject, settings: Distillation, place: str
) -> tuple[Steps | None, str]:
    """The schedule of the fields, or None and why it is invalid."""
    left, middle, right = st.columns(3)
    stages = left.number_input(
        _LABELS["stages"], value=3, key=f"stages_{place}",
        help="How many times the network is pruned and trained.",
    )  # fmt: skip
    between = middle.number_input(
        _LABELS["epochs"], value=max(1, settings.epochs // 5), key=f"between_{place}",
        help="Epochs of every stage except the last.",
    )  # fmt: skip
    final = right.number_input(
        _LABELS["last_epochs"], value=settings.epochs, key=f"last_{place}",
        help="Epochs of the last stage, whose network is the result.",
    )  # fmt: skip
    growth = st.selectbox(
        "Pruning schedule", get_args(Growth), index=1, key=f"growth_{place}",
        format_func=_GROWTH.__getitem__,
        help="The cubic schedule is that of Zhu and Gupta 2017: redundant filters are removed "
        "fast at first, then ever fewer.",
    )  # fmt: skip
    try:
        steps = Steps(int(stages), growth or "geometric", int(between), int(final))
        check_steps(Problem(network, subject.request), steps)
    except SfpError as problem:
        return None, start_errors.message(problem, _LABELS)
    return steps, ""


def description(network: Network, subject: Subject, settings: Distillation, steps: Steps) -> str:
    """What the run will do and how long it will take, in sentences.

    Args:
        network: The network.
        subject: The network, the request and the images.
        settings: Settings of each training.
        steps: The pruning schedule.
    """
    aims = targets(steps, subject.recipe.target_reduction)
    goal = recipe.goal_name(subject.recipe.goal)
    text = (
        "Each stage makes a new plan for the trained network. The final reduction is "
        f"{percent(aims[-1], 0)} of the {goal}, after {steps.total} epochs. "
    )
    if subject.edits.ratios:
        text += (
            "Manual ratios apply to the last stage; until then the other groups compensate for "
            "them. "
        )
    return text + pace.training_sentence(network.digest, subject.data, settings, steps.total)


def preview(reductions: Sequence[float], epochs: Sequence[int]) -> str:
    """Columns of what remains after each stage, as HTML; the first is the unpruned network.

    Args:
        reductions: Share of the goal that is removed after each stage, 0..1.
        epochs: Epochs of each stage.
    """
    left = [1.0, *(1 - reduction for reduction in reductions)]
    captions = ["unpruned", *(f"{count} ep." for count in epochs)]
    labeled = range(len(left)) if len(left) <= _MOST_LABELED else (0, len(left) - 1)
    bars = "".join(
        f'<figure class="{"stage" if place else "whole"}">'
        f"{percent(share, 0) if place in labeled else '&nbsp;'}"
        f'<b style="height:{max(2, round(_HEIGHT * share))}px"></b>'
        f"<i>{escape(word) if place in labeled else '&nbsp;'}</i></figure>"
        for place, (share, word) in enumerate(zip(left, captions, strict=True))
    )
    words = ", ".join(percent(share, 0) for share in left)
    label = f'role="img" aria-label="Remaining after each stage: {words}"'
    return f'{_CSS}<div class="stages" {label}>{bars}</div>'


def start_steps(
    network: Network, subject: Subject, settings: Distillation, steps: Steps, where: Where = "here"
) -> str:
    """Create and queue the run; returns its id.

    Args:
        network: The network.
        subject: The network, the request and the images.
        settings: Settings of each training.
        steps: The pruning schedule.
        where: 'here' or 'ray'.
    """
    from sfp_viz.runs.create.steps import create_steps
    from sfp_viz.runs.storage.steps import StepsRequest

    before = cost(network)
    with loaders.model_file(subject.model) as file:
        path = create_steps(
            loaders.home(),
            model_file=file,
            order=StepsRequest(subject.recipe, subject.edits or None, steps),
            settings=settings,
            data=subject.data,
            name=network.name,
            facts=training_facts(
                digest=network.digest,
                model=subject.model,
                recipe=subject.recipe,
                edits=subject.edits or None,
                before=(before.macs, before.params),
            ),
        )
    run_location.enqueue(path, where)
    return path.name
