"""A new run: the way (once, in steps, while training, a sweep), its settings, and its start."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from sfp_viz.core.network import Network
from sfp_viz.core.training.distillation import Distillation
from sfp_viz.errors import RecipeError
from sfp_viz.text import run_labels
from sfp_viz.text.numbers import percent
from sfp_viz.ui import problems
from sfp_viz.ui.cached import planned
from sfp_viz.ui.training import (
    pace,
    sparsify_form,
    start,
    start_errors,
    steps_form,
    sweep_form,
    training_fields,
    where,
)
from sfp_viz.ui.training.start import Subject

_WAYS = {
    "once": "Once", "steps": "In steps", "training": "While training", "sweep": "Sweep",
}  # fmt: skip
_WHAT = {
    "once": "Prune by the plan, then fine-tune.",
    "steps": "Prune a little, fine-tune, prune further, until the target is reached.",
    "training": "Let the network become sparse as it trains, then cut what went to 0.",
    "sweep": "Try several recipes at several targets, and see what each comes to.",
}


def plan_line(subject: Subject) -> None:
    """Which plan a new run prunes by, in words; nothing where it is out of reach."""
    budget = planned.budget(subject.model, subject.recipe, subject.edits)
    if budget.after is None:
        return
    gone = 1 - budget.after.macs / max(1, budget.before.macs)
    digits = planned.hash_or_none(subject.model, subject.recipe, subject.edits)[:6]
    hand = ", with changes by hand" if subject.edits else ""
    st.markdown(
        f"The plan on the screen: {run_labels.recipe_label(subject.recipe)}, {percent(gone, 0)} of "
        f"the MACs go{hand}" + (f" (plan {digits})" if digits else "")
    )


def start_form(network: Network, subject: Subject) -> None:
    """The choice of what is done, a preset, the fields, and the button that starts it."""
    way = str(st.segmented_control(
        "Prune and fine-tune", list(_WAYS), default="once", required=True, key="finetune_way",
        format_func=lambda name: _WAYS[name],
    ))  # fmt: skip
    st.caption(_WHAT[way])
    where.field()
    name = str(st.segmented_control(
        "Preset", [start.QUICK, start.STANDARD], default=start.QUICK, required=True,
        key="finetune_preset",
    ))  # fmt: skip
    settings = start.preset(name, subject.data)
    place = f"{way}_{name}_{network.digest}_{subject.data}"  # another default is another field
    if way == "steps":
        steps_form.form(network, subject, settings, place)
    elif way == "training":
        sparsify_form.form(network, subject, settings, place)
    elif way == "sweep":
        sweep_form.form(network, subject, settings, place)
    else:
        _once(network, subject, settings, place)
    if not subject.data:
        st.caption("Training needs images.")


def _once(network: Network, subject: Subject, settings: Distillation, place: str) -> None:
    epochs = st.number_input("Epochs", value=settings.epochs, key=f"epochs_{place}")
    fields = {"epochs": int(epochs), **training_fields.basic(settings)}
    with st.expander("Distillation and more"):
        fields |= training_fields.more(settings)
    with st.expander("Advanced"):
        fields |= training_fields.advanced(settings)
    wanted = None
    try:
        wanted = replace(settings, **fields)
    except RecipeError as problem:
        start_errors.say(start_errors.words(problem, training_fields.LABELS))
    else:
        st.caption(pace.sentence(network.digest, subject.data, wanted, wanted.epochs))
    off = wanted is None or not subject.data
    if st.button("Start", type="primary", key=f"start_{place}", disabled=off) and wanted:
        with problems.shown(), st.spinner("Pruning and starting the run"):
            run = start.start(subject, wanted, name=network.name, where=where.chosen())
            start.watch(run)
