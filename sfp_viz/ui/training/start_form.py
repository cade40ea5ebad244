"""The form of a new run: its kind (once, in steps, while training, a sweep), settings and start."""

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
from sfp_viz.ui.cached.measurements import Subject
from sfp_viz.ui.training import (
    pace,
    run_location,
    sparsify_form,
    start,
    start_errors,
    steps_form,
    sweep_form,
    training_fields,
)

_KINDS = {
    "once": "Once", "steps": "In steps", "training": "While training", "sweep": "Sweep",
}  # fmt: skip
_DESCRIPTIONS = {
    "once": "Prune once by the plan, then fine-tune.",
    "steps": "Alternate pruning and fine-tuning until the target is reached.",
    "training": "Train with a sparsity penalty, then remove the filters that reached 0.",
    "sweep": "Train several recipes at several targets and compare them.",
}


def plan_caption(subject: Subject) -> None:
    """Say which plan a new run prunes by; nothing while its target is out of reach."""
    budget = planned.cost(subject.model, subject.request)
    if budget.after is None:
        return
    removed = 1 - budget.after.macs / max(1, budget.before.macs)
    plan_hash = planned.hash_or_none(subject.model, subject.request)[:6]
    edits = ", with manual edits" if subject.edits else ""
    st.markdown(
        f"Current plan: {run_labels.recipe_label(subject.recipe)}, {percent(removed, 0)} fewer "
        f"MACs{edits}" + (f" ({plan_hash})" if plan_hash else "")
    )


def start_form(network: Network, subject: Subject) -> None:
    """Draw the kind of run, the preset, the fields, and the button that starts the run.

    Args:
        network: The network.
        subject: The network, the request and the images.
    """
    kind = str(st.segmented_control(
        "Prune and fine-tune", list(_KINDS), default="once", required=True, key="finetune_way",
        format_func=lambda name: _KINDS[name],
    ))  # fmt: skip
    st.caption(_DESCRIPTIONS[kind])
    run_location.field()
    name = str(st.segmented_control(
        "Preset", [start.QUICK, start.STANDARD], default=start.QUICK, required=True,
        key="finetune_preset",
    ))  # fmt: skip
    settings = start.preset(name, subject.data)
    key = f"{kind}_{name}_{network.digest}_{subject.data}"  # a field for each default
    if kind == "steps":
        steps_form.form(network, subject, settings, key)
    elif kind == "training":
        sparsify_form.form(network, subject, settings, key)
    elif kind == "sweep":
        sweep_form.form(network, subject, settings, key)
    else:
        _once(network, subject, settings, key)
    if not subject.data:
        st.caption("Choose images to start a training.")


def _once(network: Network, subject: Subject, settings: Distillation, key: str) -> None:
    epochs = st.number_input("Epochs", value=settings.epochs, key=f"epochs_{key}")
    fields = {"epochs": int(epochs), **training_fields.basic(settings)}
    with st.expander("Distillation and images"):
        fields |= training_fields.more(settings)
    with st.expander("Advanced"):
        fields |= training_fields.advanced(settings)
    chosen_settings = None
    try:
        chosen_settings = replace(settings, **fields)
    except RecipeError as problem:
        start_errors.show(start_errors.message(problem, training_fields.LABELS))
    else:
        st.caption(
            pace.training_sentence(
                network.digest, subject.data, chosen_settings, chosen_settings.epochs
            )
        )
    cannot_start = chosen_settings is None or not subject.data
    if (
        st.button("Start", type="primary", key=f"start_{key}", disabled=cannot_start)
        and chosen_settings
    ):
        with problems.catch(), st.spinner("Pruning and starting the run"):
            run = start.start_training(
                subject, chosen_settings, name=network.name, where=run_location.location()
            )
            start.watch(run)
