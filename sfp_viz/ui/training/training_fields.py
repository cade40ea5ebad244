"""The settings of a training as fields, for all forms that start one."""

from __future__ import annotations

from typing import Any, get_args

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from sfp_viz.core.training.distillation import Augmentation, Distillation, Precision, Schedule

_AUGMENTATION = {"none": "None", "shift": "Shifts", "crop_flip": "Shifts and mirroring"}
_PRECISION = {
    "32-true": "32 bit",
    "bf16-mixed": "bfloat16, mixed",
    "16-mixed": "16 bit, mixed (GPU)",
}
_SCHEDULE = {
    "fixed": "Fixed at the start",
    "linear": "Linear",
    "cosine": "Cosine",
    "exponential": "Exponential",
    "step": "Halved at each quarter",
    "increasing": "Backwards: from end to start",
    "adaptive": "Adaptive: by the distance to the teacher",
}
_TICKED = "Counts when the box above is ticked."
LABELS = {
    "epochs": "Epochs", "learning_rate": "Learning rate", "batch_size": "Images a batch",
    "temperature_start": "Temperature, start", "temperature_end": "Temperature, end",
    "train_images": "Training images, 0 for all", "processes": "Processes",
    "dkd": "Split the teacher's part (DKD)",
    "teacher_views": "Copies of each image, 0 for ever new ones",
    "label_smoothing": "Label smoothing", "warmup": "Warm-up",
    "ema": "Average of the weights, 0 for none", "clip": "Largest gradient, 0 for any",
    "seed": "Seed", "weight_decay": "Weight decay", "momentum": "Momentum",
}  # fmt: skip


def basic(settings: Distillation) -> dict[str, Any]:
    """How large the steps are, and of how many images."""
    left, right = st.columns(2)
    rate = left.number_input(
        LABELS["learning_rate"], value=settings.learning_rate, step=0.005, format="%.4f"
    )
    batch = right.number_input(LABELS["batch_size"], value=settings.batch_size)
    return {"learning_rate": rate, "batch_size": int(batch)}


def more(settings: Distillation) -> dict[str, Any]:
    """What the teacher says, and which images are seen."""
    return teaching(settings) | images(settings)


def teaching(settings: Distillation) -> dict[str, Any]:
    """What the teacher says."""
    alpha = st.slider(
        "The teacher's share of the loss", 0.0, 1.0, settings.alpha, 0.05,
        help="The teacher is the unpruned network. 0 trains on the labels alone.",
    )  # fmt: skip
    left, right = st.columns(2)
    first = left.number_input(
        LABELS["temperature_start"], value=settings.temperature_start, step=0.5,
        help="Both networks' outputs are divided by it before they are compared. A high one shows "
        "how the teacher weighs the other classes too; 1 leaves the outputs as they are.",
    )  # fmt: skip
    last = right.number_input(LABELS["temperature_end"], value=settings.temperature_end, step=0.5)
    schedules = list(get_args(Schedule))
    schedule = st.selectbox(
        "Temperature in between", schedules, index=schedules.index(settings.schedule),
        format_func=_SCHEDULE.__getitem__,
        help="Measured on ResNet-20 over five epochs: a fixed one ended level with the cosine at "
        "50 % fewer MACs, and one point above it at 70 %.",
    )  # fmt: skip
    return {
        "alpha": alpha, "temperature_start": first, "temperature_end": last, "schedule": schedule,
    }  # fmt: skip


def images(settings: Distillation) -> dict[str, Any]:
    """Which images are seen, and how changed."""
    augmentations = list(get_args(Augmentation))
    augmentation = st.selectbox(
        "Changed copies of the images", augmentations, format_func=_AUGMENTATION.__getitem__,
        index=augmentations.index(settings.augmentation),
        help="Augmentation: in each epoch every image is seen a little changed.",
    )  # fmt: skip
    count = st.number_input(LABELS["train_images"], value=settings.train_images or 0, step=1000)
    return {"augmentation": augmentation, "train_images": int(count) or None}


def advanced(
    settings: Distillation, *, seed: bool = True, processes: bool = True, pace: bool = True
) -> dict[str, Any]:
    """Everything else; without ``seed`` where something else draws it, without ``processes`` where
    there can be but one, and without the ``pace`` (momentum, decay) that another part sets."""
    fields = _of_the_teacher(settings) | _of_the_optimizer(settings, seed, pace)
    return fields | (_spread(settings) if processes else {})


def _spread(settings: Distillation) -> dict[str, Any]:
    count = st.number_input(
        LABELS["processes"], value=settings.processes,
        help="Several share each batch: one a GPU is right. BatchNorm's statistics are then per "
        "process, so the result differs a little from that of one.",
    )  # fmt: skip
    return {"processes": int(count)}


def _of_the_teacher(settings: Distillation) -> dict[str, Any]:
    standardize = st.checkbox(
        "Standardized logits", settings.standardize,
        help="Compares only the order and spacing of the classes, not how sure each network is. "
        "A temperature that starts at 2 suits it.",
    )  # fmt: skip
    split = st.checkbox(
        LABELS["dkd"], settings.dkd is not None,
        help="Weighs what the teacher says about the right class, and about the others, "
        "each on its own.",
    )  # fmt: skip
    left, right = st.columns(2)
    own, rest = settings.dkd or (1.0, 8.0)
    target, others = (
        place.number_input(label, value=value, step=0.5, help=_TICKED, disabled=not split)
        for place, label, value in (
            (left, "DKD: right class", own), (right, "DKD: other classes", rest)
        )
    )  # fmt: skip
    views = st.number_input(
        LABELS["teacher_views"], value=settings.teacher_views,
        help="With a few changed copies that come again, the teacher looks at each only once: "
        "training is quicker, the images less varied.",
    )  # fmt: skip
    return {
        "standardize": standardize, "dkd": (target, others) if split else None,
        "teacher_views": int(views),
    }  # fmt: skip


def _of_the_optimizer(settings: Distillation, seed: bool, pace: bool) -> dict[str, Any]:
    left, right = st.columns(2)
    smoothing = left.number_input(
        LABELS["label_smoothing"], value=settings.label_smoothing, step=0.05,
        help="This share of each label goes to all classes alike.",
    )  # fmt: skip
    warmup = right.number_input(
        LABELS["warmup"], value=settings.warmup, step=0.05,
        help="Share of all steps in which the learning rate rises from 0.",
    )  # fmt: skip
    fields: dict[str, Any] = _pace(settings, left, right) if pace else {}
    ema = left.number_input(
        LABELS["ema"], value=settings.ema, step=0.01, format="%.4f",
        help="Decay of a running average, such as 0.99. The average is what is measured and kept.",
    )  # fmt: skip
    clip = right.number_input(
        LABELS["clip"], value=settings.clip, step=0.5,
        help="Longer gradients are shortened to this norm. 1 to 5 tames a start that jumps.",
    )  # fmt: skip
    precisions = list(get_args(Precision))
    precision = left.selectbox(
        "Precision", precisions, index=precisions.index(settings.precision),
        format_func=_PRECISION.__getitem__,
    )  # fmt: skip
    if seed:
        fields["seed"] = int(right.number_input(LABELS["seed"], value=settings.seed))
    return fields | {
        "label_smoothing": smoothing, "warmup": warmup, "ema": ema, "clip": clip,
        "precision": precision,
    }  # fmt: skip


def _pace(settings: Distillation, left: DeltaGenerator, right: DeltaGenerator) -> dict[str, Any]:
    decay = left.number_input(
        LABELS["weight_decay"], value=settings.weight_decay, step=0.0001, format="%.5f",
        help="Pulls the weights towards 0; norms and biases are left out.",
    )  # fmt: skip
    momentum = right.number_input(LABELS["momentum"], value=settings.momentum, step=0.05)
    return {"weight_decay": decay, "momentum": momentum}
