"""Sparse training as a form: the method, its settings, what will happen and for how long."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import streamlit as st

from sfp_viz.core.cost.cost import cost, cost_of_widths
from sfp_viz.core.network import Network
from sfp_viz.core.training.distillation import Distillation
from sfp_viz.core.training.sparsification import (
    TUNING_RATE,
    Method,
    SparseSettings,
    check_used,
    sparse_settings,
)
from sfp_viz.errors import SfpError
from sfp_viz.runs.storage.launch_record import Where
from sfp_viz.text.numbers import percent
from sfp_viz.text.sparse_training import (
    ABOUT,
    DESCRIPTIONS,
    METHODS,
    SOURCES,
    STRIPES_COST,
    schedule_text,
)
from sfp_viz.ui import problems
from sfp_viz.ui.cached import loaders
from sfp_viz.ui.cached.measurements import Subject
from sfp_viz.ui.training import (
    pace,
    run_location,
    sparsify_fields,
    start,
    start_errors,
    training_fields,
)

_TUNING_LABELS = {
    "epochs": "Fine-tuning epochs",
    "learning_rate": "Fine-tuning learning rate",
}
_SHARED = ("batch_size", "momentum", "weight_decay", "seed")  # one field for both phases


def form(network: Network, subject: Subject, settings: Distillation, key: str) -> None:
    """Draw the fields, a description of the run, and the button that starts it.

    Args:
        network: The network to prune.
        subject: Where it comes from, its plan and images.
        settings: The preset of a training on these images.
        key: Suffix of the fields' keys.
    """
    method = st.selectbox(
        "Method", list(METHODS), format_func=METHODS.__getitem__, key="sparse_method",
        help=ABOUT,
    )  # fmt: skip
    st.caption(f"{DESCRIPTIONS[method]} ({SOURCES[method]})")
    if method == "stripes":
        st.info(STRIPES_COST, icon=":material/timer:")
    key = f"{key}_{method}"
    initial = defaults(method, settings, subject, quick=settings == _quick(subject.data))
    fields = sparsify_fields.basic(initial, key)
    with st.expander("Method settings"):
        fields |= sparsify_fields.detail(replace(initial, **_goal(fields)), key)
    tuning = st.number_input(
        _TUNING_LABELS["epochs"], value=max(1, settings.epochs // 2),
        key=f"sparse_tuning_{key}",
        help="The pruned network is trained with the unpruned one as its teacher. 0 = no "
        "fine-tuning.",
    )  # fmt: skip
    with st.expander("Images and fine-tuning" if tuning else "Images"):
        tuning_fields = _distillation(settings, key) if tuning else {}
        shared = training_fields.images(settings)
        if tuning:
            st.caption("Images, augmentation and batch size are the same in both phases.")
    with st.expander("Advanced"):
        fields |= sparsify_fields.advanced(initial, key)
        tuning_fields |= _advanced_tuning(settings) if tuning else {}
    chosen_settings, problem = _checked(network, initial, {**fields, **shared})
    tuning_fields |= {**shared, **{name: fields[name] for name in _SHARED}, "epochs": int(tuning)}
    fine_tuning, tuning_problem = _tuning(settings, tuning_fields) if tuning else (None, "")
    if chosen_settings is None or tuning_problem:
        start_errors.show(problem or tuning_problem)
    else:
        st.caption(description(network, subject, chosen_settings, fine_tuning))
    cannot_start = chosen_settings is None or bool(tuning_problem) or not subject.data
    if (
        st.button("Start", type="primary", key=f"start_{key}", disabled=cannot_start)
        and chosen_settings
    ):
        with problems.catch(), st.spinner("Starting the run"):
            start.watch(
                start_sparse_training(
                    network, subject, chosen_settings, fine_tuning, run_location.location()
                )
            )


def _distillation(settings: Distillation, key: str) -> dict[str, Any]:
    """Draw the fields of the fine-tuning alone."""
    rate = st.number_input(
        _TUNING_LABELS["learning_rate"], value=TUNING_RATE * settings.learning_rate, step=0.005,
        format="%.4f",
        key=f"sparse_tuning_rate_{key}",
        help="By default a quarter of the rate above: distillation is unstable on a network whose "
        "outputs have shrunk.",
    )  # fmt: skip
    return {"learning_rate": rate, **training_fields.distillation(settings)}


def _advanced_tuning(settings: Distillation) -> dict[str, Any]:
    """Draw the other fields of the fine-tuning, without those that both phases share."""
    st.caption("The settings above apply to both phases, those below to the fine-tuning alone.")
    return training_fields.advanced(settings, seed=False, processes=False, decay=False)


def defaults(
    method: Method, settings: Distillation, subject: Subject, *, quick: bool = True
) -> SparseSettings:
    """Settings of ``method`` that suit the images: twice the epochs of a fine-tuning, and 70
    refreshes or more in all.

    Args:
        method: The method.
        settings: The preset of a training on these images.
        subject: Its recipe has the target.
        quick: Whether ``settings`` is the quick preset, with fewer steps between refreshes.
    """
    target = min(0.95, max(0.05, subject.recipe.target_reduction or 0.5))
    return sparse_settings(
        method,
        finish="found" if method in ("ssr_projection", "stripes") else "target",
        target_reduction=target,
        epochs=2 * settings.epochs,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        augmentation=settings.augmentation,
        train_images=settings.train_images,
        test_images=settings.test_images,
        refresh=10 if quick else 50,
    )


def description(
    network: Network, subject: Subject, settings: SparseSettings, tuning: Distillation | None
) -> str:
    """What the run will do and how long it will take, in sentences.

    Args:
        network: The network.
        subject: The network, the request and the images.
        settings: Settings of the sparse training.
        tuning: Settings of the fine-tuning, None for none.
    """
    groups = len(groups_of(network, settings))
    text = schedule_text(settings, groups, tuning.epochs if tuning else 0)
    if subject.edits:
        text += "Manual edits of the plan are ignored. "
    return text + pace.sparse_sentence(network.digest, subject.data, settings, tuning, groups)


def groups_of(network: Network, settings: SparseSettings) -> tuple[str, ...]:
    """Names of the groups that may lose filters.

    Args:
        network: The network.
        settings: Settings of the sparse training.

    Raises:
        PlanError: No group may lose filters.
    """
    from sfp_viz.nets.sparsity.sparse_plan import sparse_groups

    return sparse_groups(network, settings)


def _quick(data: str) -> Distillation:
    return start.preset(start.QUICK, data)


def _goal(fields: dict[str, Any]) -> dict[str, Any]:
    """The values that the fields of the method depend on."""
    return {name: fields[name] for name in ("finish", "target_reduction") if name in fields}


def _checked(
    network: Network, initial: SparseSettings, fields: dict[str, Any]
) -> tuple[SparseSettings | None, str]:
    """The settings, or None and why they are invalid or out of reach."""
    try:
        settings = replace(initial, **fields)
        check_used(settings, fields)  # as on the command line: an unused setting is an error
        names = groups_of(network, settings)
    except SfpError as problem:
        return None, start_errors.message(problem, sparsify_fields.LABELS)
    if settings.meets_target and settings.method != "stripes":
        least = cost_of_widths(network, dict.fromkeys(names, 1)).macs
        most = 1 - least / max(1, cost(network).macs)
        if settings.target_reduction > most:
            return None, (
                f"At most {percent(most, 0)} of the MACs can be removed, with one filter left in "
                "each prunable layer. Lower the target, or check 'Also prune tied layers' in the "
                "method settings."
            )
    return settings, ""


def _tuning(settings: Distillation, fields: dict[str, Any]) -> tuple[Distillation | None, str]:
    """The settings of the fine-tuning, or None and why they are invalid."""
    try:
        return replace(settings, **fields), ""
    except SfpError as problem:
        return None, start_errors.message(problem, {**training_fields.LABELS, **_TUNING_LABELS})


def start_sparse_training(
    network: Network,
    subject: Subject,
    settings: SparseSettings,
    tuning: Distillation | None,
    where: Where = "here",
) -> str:
    """Create and queue a sparse training; returns its id.

    Args:
        network: The network.
        subject: The network, the request and the images.
        settings: Settings of the sparse training.
        tuning: Settings of the fine-tuning, None for none.
        where: 'here' or 'ray'.
    """
    from sfp_viz.runs.create.sparsify import create_sparsify

    whole = cost(network)
    with loaders.model_file(subject.model) as file:
        path = create_sparsify(
            loaders.home(),
            model_file=file,
            settings=settings,
            tuning=tuning,
            data=subject.data,
            name=network.name,
            facts={
                "model": subject.model,
                "macs_before": whole.macs,
                "params_before": whole.params,
            },
        )
    run_location.enqueue(path, where)
    return path.name
