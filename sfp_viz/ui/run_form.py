"""The settings of a fine-tuning, as a form."""

from __future__ import annotations

from typing import Any, get_args

import streamlit as st

from sfp_viz.core.network import Network
from sfp_viz.core.training import Augmentation, Distillation, Precision, Schedule
from sfp_viz.ui import problems, starting, state
from sfp_viz.ui.starting import Subject

_AUGMENTATION = {"none": "None", "shift": "Shifts", "crop_flip": "Shifts and mirroring"}
_PRECISION = {
    "32-true": "32 bit",
    "bf16-mixed": "bfloat16, mixed",
    "16-mixed": "16 bit, mixed (GPU)",
}


def start_form(network: Network, subject: Subject) -> None:
    """Presets, the fields, and the button that starts the run in the background."""
    name = st.segmented_control(
        "Preset", [starting.QUICK, starting.STANDARD], default=starting.QUICK, required=True,
        key="finetune_preset",
    )  # fmt: skip
    settings = starting.preset(str(name), subject.data)
    with st.form(f"finetune_{name}_{subject.data}", border=False):
        epochs = st.number_input("Epochs", 1, 1000, settings.epochs)
        left, right = st.columns(2)
        rate = left.number_input(
            "Learning rate", 0.0001, 1.0, settings.learning_rate, 0.005, format="%.4f"
        )
        batch = right.number_input("Images a batch", 1, 4096, settings.batch_size)
        fields = {"epochs": epochs, "learning_rate": rate, "batch_size": batch}
        with st.expander("Distillation and more"):
            fields |= _more(settings)
        if st.form_submit_button("Start", type="primary", disabled=not subject.data):
            with problems.shown(), st.spinner("Pruning and starting the run"):
                wanted = Distillation(**{**_as_dict(settings), **fields})
                run = starting.start(subject, wanted, name=network.name)
                state.change(run=run)
                st.rerun()
    if not subject.data:
        st.caption("Training needs images.")


def _more(settings: Distillation) -> dict[str, Any]:
    alpha = st.slider(
        "The teacher's share of the loss", 0.0, 1.0, settings.alpha, 0.05,
        help="The teacher is the unpruned network. 0 trains on the labels alone.",
    )  # fmt: skip
    left, right = st.columns(2)
    first = left.number_input("Temperature, start", 0.1, 50.0, settings.temperature_start, 0.5)
    last = right.number_input("Temperature, end", 0.1, 50.0, settings.temperature_end, 0.5)
    schedules = list(get_args(Schedule))
    schedule = st.selectbox("Its way down", schedules, index=schedules.index(settings.schedule))
    augmentations = list(get_args(Augmentation))
    augmentation = st.selectbox(
        "Changed copies of the images", augmentations, format_func=_AUGMENTATION.__getitem__,
        index=augmentations.index(settings.augmentation),
    )  # fmt: skip
    precisions = list(get_args(Precision))
    precision = st.selectbox(
        "Numbers", precisions, index=precisions.index(settings.precision),
        format_func=_PRECISION.__getitem__,
    )  # fmt: skip
    images = st.number_input(
        "Training images, 0 for all", 0, 10_000_000, settings.train_images or 0, 1000
    )
    seed = st.number_input("Seed", 0, 2**31 - 1, settings.seed)
    return {
        "alpha": alpha, "temperature_start": first, "temperature_end": last,
        "schedule": schedule, "augmentation": augmentation, "precision": precision,
        "train_images": int(images) or None, "seed": int(seed),
    }  # fmt: skip


def _as_dict(settings: Distillation) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(settings)
