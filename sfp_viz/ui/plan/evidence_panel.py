"""The evidence of the network besides its weights, and buttons to measure more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import streamlit as st

from sfp_viz.core.evidence.evidence import missing_evidence, without_evidence
from sfp_viz.core.evidence.sensitivity import Sensitivity
from sfp_viz.core.evidence.study import Kind
from sfp_viz.core.network import Network
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.text.numbers import device_name, milliseconds, percent, span
from sfp_viz.text.plan.allocations import ALLOCATIONS
from sfp_viz.ui import charts, image_field, problems
from sfp_viz.ui.cached import evidence, loaders, planned
from sfp_viz.ui.plan.widths import Widths
from sfp_viz.ui.recipe import recipe_form
from sfp_viz.ui.session import state
from sfp_viz.ui.studies import image_offer, study_panel, study_start

_STUDY: Mapping[str, Kind] = {
    "observations": "observe",
    "sensitivity": "sensitivity",
    "latency": "latency",
}
_MEASURE = {
    "observations": "Analyze images",
    "sensitivity": "Measure sensitivity",
    "latency": "Time the layers",
}
_KEY = "evidence_open"


def panel(network: Network, widths: Widths) -> None:
    """Draw the three kinds of evidence: what is available, and a button to measure it.

    Args:
        network: The network.
        widths: The widths that are drawn.
    """
    damaged = bool(evidence.evidence_problem(state.session().model))
    drawer = study_panel.drawer(
        "Evidence from images and measurements", _KEY, network, tuple(_STUDY.values()), damaged
    )
    if drawer.open:
        with drawer:
            _kinds(network, widths)


def _kinds(network: Network, widths: Widths) -> None:
    available = evidence.evidence(state.session().model)
    if note := evidence.evidence_problem(state.session().model):
        st.error(problems.plain(note), icon=":material/error:")
    if not image_field.available_images(network):
        image_field.ask_images(network, key="evidence_images")
    sensitivity, observations, table = (
        available.sensitivity,
        available.observations,
        available.latency,
    )
    columns = st.columns(3, gap="medium")
    with columns[0]:
        text = "One-shot accuracy with one group pruned at a time, before any fine-tuning."
        if sensitivity:
            share = percent(sensitivity.base / max(1, sensitivity.images))
            text = (
                f"Measured on {sensitivity.images:,} images ({sensitivity.data}); {share} accuracy "
                "before pruning."
            )
        _kind(network, "sensitivity", "Sensitivity", text, bool(sensitivity))
    with columns[1]:
        text = "Activations on images show which filters the next layers can do without."
        if observations:
            text = f"Computed from {observations.images:,} images ({observations.data})."
        _kind(network, "observe", "Functional redundancy", text, bool(observations))
    with columns[2]:
        text = "The time of each layer at several widths, measured on this machine."
        if table:
            threads = f"{table.threads} thread{'s' if table.threads != 1 else ''}"
            text = (
                f"Measured on {device_name(table.device)}, batch size {table.batch}, {threads}: "
                f"{milliseconds(table.whole_ms)} before pruning."
            )
        _kind(network, "latency", "Layer times", text, bool(table))
    if sensitivity is not None:
        curves(sensitivity, widths)


def _kind(network: Network, kind: Kind, title: str, text: str, available: bool) -> None:
    """One kind of evidence: what is available, the progress of its study, and its buttons."""
    run = study_panel.newest(kind, network.digest)
    st.markdown(f"**{title}**")
    st.caption(problems.plain(text))
    if available and (note := staleness(kind)):
        st.warning(problems.plain(note), icon=":material/history:")
    if run is not None and run.state != "finished":
        study_panel.watch(run)
        if not run.over:
            return
    allocation = state.session().recipe.allocation
    if available and kind == "sensitivity" and allocation != "sensitivity":
        st.button(f"Use: {ALLOCATIONS[kind]}", key="use_sensitivity", on_click=_by_sensitivity)
    if available and kind == "observe" and allocation != "functional":
        st.button(
            f"Use: {ALLOCATIONS['functional']}",
            key="use_observe",
            on_click=image_offer.use_functional,
        )
    study_start.start_button(
        network, kind, _again(kind) if available else _first(kind), quiet=available
    )


def _first(kind: Kind) -> str:
    return "Analyze images" if kind == "observe" else "Measure"


def _again(kind: Kind) -> str:
    return "Analyze again" if kind == "observe" else "Measure again"


def staleness(kind: str) -> str:
    """Why a measurement no longer fits the recipe; '' while it does."""
    from sfp_viz.core.evidence.sensitivity import changes_since
    from sfp_viz.text.plan.sensitivity import stale_sentence

    session = state.session()
    sensitivity = evidence.evidence(session.model).sensitivity
    if kind != "sensitivity" or sensitivity is None:
        return ""
    return stale_sentence(changes_since(sensitivity, session.recipe, loaders.digest(session.model)))


def _by_sensitivity() -> None:
    """Allocate by sensitivity; manual widths are undone."""
    session = state.session()
    edits = replace(loaders.edits_of(session), ratios=())
    state.change(recipe=replace(session.recipe, allocation="sensitivity"), edits=edits)


def request_missing(network: Network, recipe: Recipe) -> bool:
    """Draw which evidence of the recipe is missing, with buttons that measure it or change the
    recipe.

    Args:
        network: The network.
        recipe: The recipe.

    Returns:
        Whether something is missing.
    """
    lacks = missing_evidence(recipe, evidence.evidence(state.session().model))
    if not lacks:
        return False
    st.info(recipe_form.missing_evidence(lacks))
    if "latency" not in lacks and not image_field.available_images(network):
        image_field.ask_images(network, key="evidence_images_asked")
    for name in lacks:
        kind = _STUDY[name]
        run = study_panel.newest(kind, network.digest)
        if run is not None and run.state != "finished":
            study_panel.watch(run, place="asked")
        if run is None or run.over:
            study_start.start_button(network, kind, _MEASURE[name], place="asked")
    st.button(
        "Use a weights-only recipe", key="plan_without", on_click=state.change,
        kwargs={"recipe": without_evidence(recipe)},
        help="Changes the choices that need images or measurements.",
    )  # fmt: skip
    return True


def curve(widths: Widths) -> None:
    """The sensitivity of the selected group, where it was measured."""
    from sfp_viz.core.evidence.sensitivity import loss, measured_points
    from sfp_viz.figures.sensitivity import sensitivity_curves

    session = state.session()
    group, sensitivity = planned.group_of(session), evidence.evidence(session.model).sensitivity
    if group is None or sensitivity is None or group.name not in sensitivity.right:
        return
    kept = widths.kept.get(group.name, group.size)
    loss_here = loss(sensitivity, group.name, kept)
    st.markdown("**Sensitivity of this group**")
    charts.draw(
        sensitivity_curves(
            replace(sensitivity, right={group.name: sensitivity.right[group.name]}),
            kept=widths.kept, chosen=group.name, columns=1,
        ),
        key="group_sensitivity",
        alt=f"One-shot accuracy by the share of filters removed: about {loss_here:.1f} points lost "
        f"with {kept:,} of {group.size:,} kept.",
    )  # fmt: skip
    nearest = min(
        measured_points(sensitivity, group.name), key=lambda point: abs(point.kept - kept)
    )
    st.caption(
        f"About {loss_here:.1f} points lost at this width (estimated). Measured at "
        f"{nearest.kept:,} filters: {span(nearest.interval)} of {sensitivity.images:,} "
        "images correct (95 % interval)."
    )


def curves(sensitivity: Sensitivity, widths: Widths) -> None:
    """Draw the sensitivity of all groups on one scale.

    Args:
        sensitivity: The measured sensitivity.
        widths: The widths that are drawn.
    """
    from sfp_viz.figures.sensitivity import sensitivity_curves

    group = planned.group_of(state.session())
    charts.draw(
        sensitivity_curves(sensitivity, kept=widths.kept, chosen=group.name if group else None),
        key="sensitivity_curves",
        alt="One-shot accuracy of each group by the share of its filters removed, with 95 % "
        f"intervals; {len(sensitivity.right)} groups.",
    )
    st.caption(
        problems.plain(
            f"Each group pruned alone, measured on {sensitivity.images:,} images "
            f"({sensitivity.data}) with 95 % intervals; lines and the plan's marks are estimated."
        )
    )
