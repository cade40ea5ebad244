"""The settings of a training as form fields, for all forms that start one."""

from __future__ import annotations

from typing import Any, get_args

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from sfp_viz.core.training.distillation import Augmentation, Distillation, Precision, Schedule

_AUGMENTATION = {
    "none": "None", "shift": "Random shifts", "crop_flip": "Random crops and horizontal flips",
}  # fmt: skip
_PRECISION = {
    "32-true": "float32",
    "bf16-mixed": "Mixed, bfloat16",
    "16-mixed": "Mixed, float16 (GPU)",
}
_SCHEDULE = {
    "fixed": "Constant (start temperature)",
    "linear": "Linear",
    "cosine": "Cosine",
    "exponential": "Exponential",
    "step": "Step: halved every quarter",
    "increasing": "Increasing: from final to start",
    "adaptive": "Adaptive: by distance to the teacher",
}
_DKD_ONLY = "Used when decoupled distillation is on."
LABELS = {
    "epochs": "Epochs", "learning_rate": "Learning rate", "batch_size": "Batch size",
    "temperature_start": "Start temperature", "temperature_end": "Final temperature",
    "train_images": "Training images (0 = all)", "processes": "Processes",
    "dkd": "Decoupled distillation (DKD)",
    "teacher_views": "Augmented copies per image (0 = new each epoch)",
    "label_smoothing": "Label smoothing", "warmup": "Warm-up (share of steps)",
    "ema": "EMA decay (0 = off)", "clip": "Gradient clipping (0 = off)",
    "seed": "Seed", "weight_decay": "Weight decay", "momentum": "Momentum",
}  # fmt: skip


def basic(settings: Distillation) -> dict[str, Any]:
    """Draw learning rate and batch size; returns their values by setting."""
    left, right = st.columns(2)
    rate = left.number_input(
        LABELS["learning_rate"], value=settings.learning_rate, step=0.005, format="%.4f"
    )
    batch = right.number_input(LABELS["batch_size"], value=settings.batch_size)
    return {"learning_rate": rate, "batch_size": int(batch)}


def more(settings: Distillation) -> dict[str, Any]:
    """Draw the fields of distillation and of the images; returns their values by setting."""
    return distillation(settings) | images(settings)


def distillation(settings: Distillation) -> dict[str, Any]:
    """Draw the fields of the distillation loss; returns their values by setting."""
    alpha = st.slider(
        "Weight of the distillation loss", 0.0, 1.0, settings.alpha, 0.05,
        help="The teacher is the unpruned network. 0 trains on the labels alone.",
    )  # fmt: skip
    left, right = st.columns(2)
    start_temperature = left.number_input(
        LABELS["temperature_start"], value=settings.temperature_start, step=0.5,
        help="The logits of both networks are divided by it before they are compared. A high "
        "temperature also shows how the teacher ranks the other classes; 1 keeps the logits as "
        "they are.",
    )  # fmt: skip
    end_temperature = right.number_input(
        LABELS["temperature_end"], value=settings.temperature_end, step=0.5
    )
    schedules = list(get_args(Schedule))
    schedule = st.selectbox(
        "Temperature schedule", schedules, index=schedules.index(settings.schedule),
        format_func=_SCHEDULE.__getitem__,
        help="Measured on ResNet-20 over five epochs: a constant temperature was as accurate as "
        "the cosine schedule with 50 % fewer MACs, and one point better with 70 % fewer.",
    )  # fmt: skip
    return {
        "alpha": alpha, "temperature_start": start_temperature,
        "temperature_end": end_temperature, "schedule": schedule,
    }  # fmt: skip


def images(settings: Distillation) -> dict[str, Any]:
    """Draw the fields of the training images; returns their values by setting."""
    augmentations = list(get_args(Augmentation))
    augmentation = st.selectbox(
        "Augmentation", augmentations, format_func=_AUGMENTATION.__getitem__,
        index=augmentations.index(settings.augmentation),
        help="Random changes of the training images, new in each epoch.",
    )  # fmt: skip
    count = st.number_input(LABELS["train_images"], value=settings.train_images or 0, step=1000)
    return {"augmentation": augmentation, "train_images": int(count) or None}


def advanced(
    settings: Distillation, *, seed: bool = True, processes: bool = True, decay: bool = True
) -> dict[str, Any]:
    """Draw the remaining fields; returns their values by setting.

    Args:
        settings: The initial values.
        seed: Whether to ask for the seed.
        processes: Whether to ask for the number of processes.
        decay: Whether to ask for weight decay and momentum.
    """
    fields = _teacher(settings) | _optimizer(settings, seed, decay)
    return fields | (_processes(settings) if processes else {})


def _processes(settings: Distillation) -> dict[str, Any]:
    count = st.number_input(
        LABELS["processes"], value=settings.processes,
        help="Each batch is split among the processes; use one per GPU. BatchNorm statistics are "
        "per process, so the result differs slightly from that of one process.",
    )  # fmt: skip
    return {"processes": int(count)}


def _teacher(settings: Distillation) -> dict[str, Any]:
    standardize = st.checkbox(
        "Standardized logits", settings.standardize,
        help="Compares only the order and spacing of the classes, not the confidence of the "
        "networks. Use it with a start temperature of 2.",
    )  # fmt: skip
    split = st.checkbox(
        LABELS["dkd"], settings.dkd is not None,
        help="Weights the teacher's output for the target class and for the other classes "
        "separately.",
    )  # fmt: skip
    left, right = st.columns(2)
    target_weight, other_weight = settings.dkd or (1.0, 8.0)
    target, other_classes = (
        place.number_input(label, value=value, step=0.5, help=_DKD_ONLY, disabled=not split)
        for place, label, value in (
            (left, "DKD: target class", target_weight), (right, "DKD: other classes", other_weight)
        )
    )  # fmt: skip
    views = st.number_input(
        LABELS["teacher_views"], value=settings.teacher_views,
        help="With a fixed number of copies the teacher processes each copy only once. Training is "
        "faster, the images vary less.",
    )  # fmt: skip
    return {
        "standardize": standardize, "dkd": (target, other_classes) if split else None,
        "teacher_views": int(views),
    }  # fmt: skip


def _optimizer(settings: Distillation, seed: bool, decay: bool) -> dict[str, Any]:
    left, right = st.columns(2)
    smoothing = left.number_input(
        LABELS["label_smoothing"], value=settings.label_smoothing, step=0.05,
        help="Share of each label that is spread evenly over all classes.",
    )  # fmt: skip
    warmup = right.number_input(
        LABELS["warmup"], value=settings.warmup, step=0.05,
        help="Share of the steps during which the learning rate rises from 0.",
    )  # fmt: skip
    fields: dict[str, Any] = _decay(settings, left, right) if decay else {}
    ema = left.number_input(
        LABELS["ema"], value=settings.ema, step=0.01, format="%.4f",
        help="Exponential moving average of the weights, such as 0.99. The averaged weights are "
        "evaluated and saved.",
    )  # fmt: skip
    clip = right.number_input(
        LABELS["clip"], value=settings.clip, step=0.5,
        help="Largest gradient norm. 1 to 5 stabilizes a start with large steps.",
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


def _decay(settings: Distillation, left: DeltaGenerator, right: DeltaGenerator) -> dict[str, Any]:
    weight_decay = left.number_input(
        LABELS["weight_decay"], value=settings.weight_decay, step=0.0001, format="%.5f",
        help="Pulls the weights towards 0, except those of normalization layers and biases.",
    )  # fmt: skip
    momentum = right.number_input(LABELS["momentum"], value=settings.momentum, step=0.05)
    return {"weight_decay": weight_decay, "momentum": momentum}
