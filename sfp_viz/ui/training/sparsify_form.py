"""Pruning while training as a form: the method, its settings, what will happen and for how long."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import streamlit as st

from sfp_viz.core.cost.cost import cost, cost_of_widths
from sfp_viz.core.network import Network
from sfp_viz.core.training.distillation import Distillation
from sfp_viz.core.training.sparsification import TUNED, Method, Sparsification, check_used
from sfp_viz.errors import SfpError
from sfp_viz.runs.storage.state import Where
from sfp_viz.text.numbers import percent
from sfp_viz.text.sparse_training import (
    ABOUT,
    DESCRIPTIONS,
    METHODS,
    SOURCES,
    STRIPES_COST,
    exact,
    schedule_text,
)
from sfp_viz.ui import problems
from sfp_viz.ui.cached import loaders
from sfp_viz.ui.training import pace, sparsify_fields, start_errors, training_fields
from sfp_viz.ui.training import start as starting
from sfp_viz.ui.training import where as place_of_work
from sfp_viz.ui.training.start import Subject

_AFTER = {
    "epochs": "Epochs of fine-tuning after it",
    "learning_rate": "Learning rate of the fine-tuning",
}
_BOTH = ("batch_size", "momentum", "weight_decay", "seed")  # asked once, used by both parts


def form(network: Network, subject: Subject, settings: Distillation, place: str) -> None:
    """The fields, what they come to, and the button that starts the run."""
    method = st.selectbox(
        "Method", list(METHODS), format_func=METHODS.__getitem__, key="sparse_method",
        help=ABOUT,
    )  # fmt: skip
    st.caption(f"{DESCRIPTIONS[method]} ({SOURCES[method]})")
    if method == "stripes":
        st.info(STRIPES_COST, icon=":material/timer:")
    place = f"{place}_{method}"
    first = defaults(method, settings, subject, quick=settings == _quick(subject.data))
    fields = sparsify_fields.basic(first, place)
    with st.expander("The method in detail"):
        fields |= sparsify_fields.detail(replace(first, **_aims(fields)), place)
    tuning = st.number_input(
        _AFTER["epochs"], value=max(1, settings.epochs // 2),
        key=f"sparse_tuning_{place}",
        help="The small network learns from the unpruned one, as after any plan. 0 for none.",
    )  # fmt: skip
    with st.expander("Images and fine-tuning" if tuning else "Images"):
        tuned = _teaching(settings, place) if tuning else {}
        shared = training_fields.images(settings)
        if tuning:
            st.caption("Images, their changed copies and batches are the same in both parts.")
    with st.expander("Advanced"):
        fields |= sparsify_fields.advanced(first, place)
        tuned |= _finer(settings) if tuning else {}
    wanted, problem = _checked(network, first, {**fields, **shared})
    tuned |= {**shared, **{name: fields[name] for name in _BOTH}, "epochs": int(tuning)}
    after, wrong = _tuning(settings, tuned) if tuning else (None, "")
    if wanted is None or wrong:
        start_errors.say(problem or wrong)
    else:
        st.caption(words(network, subject, wanted, after))
    off = wanted is None or bool(wrong) or not subject.data
    if st.button("Start", type="primary", key=f"start_{place}", disabled=off) and wanted:
        with problems.shown(), st.spinner("Starting the run"):
            starting.watch(start(network, subject, wanted, after, place_of_work.chosen()))


def _teaching(settings: Distillation, place: str) -> dict[str, Any]:
    """What the fine-tuning alone uses."""
    rate = st.number_input(
        _AFTER["learning_rate"], value=TUNED * settings.learning_rate, step=0.005, format="%.4f",
        key=f"sparse_tuning_rate_{place}",
        help="A quarter of the rate above by default: the teacher's pull is hard on a network "
        "whose outputs have shrunk.",
    )  # fmt: skip
    return {"learning_rate": rate, **training_fields.teaching(settings)}


def _finer(settings: Distillation) -> dict[str, Any]:
    """The rest of the fine-tuning, as in the other forms; what both parts share is asked once."""
    st.caption("Those above hold for both parts, those below for the fine-tuning alone.")
    return training_fields.advanced(settings, seed=False, processes=False, pace=False)


def defaults(
    method: Method, settings: Distillation, subject: Subject, *, quick: bool = True
) -> Sparsification:
    """Settings of ``method`` that suit the images: rather twice the epochs of a fine-tuning, and
    some 70 refreshes or more in all."""
    target = min(0.95, max(0.05, subject.recipe.target_reduction or 0.5))
    return Sparsification(
        method=method,
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


def words(
    network: Network, subject: Subject, settings: Sparsification, tuning: Distillation | None
) -> str:
    """What will be done, in sentences, and how long it will take."""
    groups = len(groups_of(network, settings))
    text = schedule_text(settings, groups, tuning.epochs if tuning else 0)
    if subject.edits:
        text += "Changes by hand on the page Plan are not taken along. "
    return text + pace.thinning_sentence(network.digest, subject.data, settings, tuning, groups)


def groups_of(network: Network, settings: Sparsification) -> tuple[str, ...]:
    """Groups that may lose filters. Raises PlanError when none may."""
    from sfp_viz.nets.sparsity.sparse_plan import sparse_groups

    return sparse_groups(network, settings)


def _quick(data: str) -> Distillation:
    return starting.preset(starting.QUICK, data)


def _aims(fields: dict[str, Any]) -> dict[str, Any]:
    """What the fields of the method's detail depend on."""
    return {name: fields[name] for name in ("finish", "target_reduction") if name in fields}


def _checked(
    network: Network, first: Sparsification, fields: dict[str, Any]
) -> tuple[Sparsification | None, str]:
    """The settings, or None and what is wrong with them or cannot be reached."""
    try:
        wanted = replace(first, **fields)
        check_used(wanted, fields)  # as from a shell: nothing that was asked for is ignored
        names = groups_of(network, wanted)
    except SfpError as problem:
        return None, start_errors.words(problem, sparsify_fields.LABELS)
    if exact(wanted) and wanted.method != "stripes":
        least = cost_of_widths(network, dict.fromkeys(names, 1)).macs
        most = 1 - least / max(1, cost(network).macs)
        if wanted.target_reduction > most:
            return None, (
                f"With one filter left in each layer that may be cut, {percent(most, 0)} of the "
                "MACs are gone. Ask for less, or tick 'Layers tied together too' in the detail."
            )
    return wanted, ""


def _tuning(settings: Distillation, fields: dict[str, Any]) -> tuple[Distillation | None, str]:
    """The settings of the fine-tuning, or None and what is wrong with them."""
    try:
        return replace(settings, **fields), ""
    except SfpError as problem:
        return None, start_errors.words(problem, {**training_fields.LABELS, **_AFTER})


def start(
    network: Network,
    subject: Subject,
    settings: Sparsification,
    tuning: Distillation | None,
    where: Where = "here",
) -> str:
    """Lay out the run and put it in line, here or on the cluster; returns its id."""
    from sfp_viz.nets.io.model_file import save_model
    from sfp_viz.runs.create.sparsify import create_sparsify

    whole = cost(network)
    with tempfile.TemporaryDirectory() as aside:
        file = Path(aside) / "model.safetensors"
        save_model(loaders.model(subject.model), file)
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
    place_of_work.begin(path, where)
    return path.name
