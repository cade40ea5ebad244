"""What is known of the network besides its weights, and how to find out more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import streamlit as st

from sfp_viz.core.evidence.evidence import missing, without
from sfp_viz.core.evidence.sensitivity import Sensitivity
from sfp_viz.core.evidence.study import Kind
from sfp_viz.core.network import Network
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.text.numbers import milliseconds, percent, span
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
_GATHER = {
    "observations": "Look at images",
    "sensitivity": "Measure the sensitivity",
    "latency": "Time the layers",
}
_KEY = "evidence_open"


def panel(network: Network, widths: Widths) -> None:
    """The three kinds of evidence as equals: what is there, and a button to gather it."""
    damaged = bool(evidence.evidence_problem(state.session().model))
    drawer = study_panel.drawer(
        "What images and measurements tell", _KEY, network, tuple(_STUDY.values()), damaged
    )
    if drawer.open:
        with drawer:
            _kinds(network, widths)


def _kinds(network: Network, widths: Widths) -> None:
    found = evidence.evidence(state.session().model)
    if note := evidence.evidence_problem(state.session().model):
        st.error(problems.plain(note), icon=":material/error:")
    if not image_field.here(network):
        image_field.ask_images(network, key="evidence_images")
    sensitivity, seen, table = found.sensitivity, found.observations, found.latency
    columns = st.columns(3, gap="medium")
    with columns[0]:
        words = "One-shot accuracy with one group thinned at a time, before any training."
        if sensitivity:
            share = percent(sensitivity.base / max(1, sensitivity.images))
            words = (
                f"Measured on {sensitivity.images:,} images ({sensitivity.data}); {share} before "
                "pruning."
            )
        _one(network, "sensitivity", "Sensitivity", words, bool(sensitivity))
    with columns[1]:
        words = "What the layers pass on for some images, and how well the rest could stand in."
        if seen:
            words = f"{seen.images:,} images ({seen.data}) were looked at."
        _one(network, "observe", "What the next layers lose", words, bool(seen))
    with columns[2]:
        words = "Measured on this machine, at some widths of each layer."
        if table:
            threads = f"{table.threads} thread{'s' if table.threads != 1 else ''}"
            words = (
                f"Measured on {table.device}, batch {table.batch}, {threads}: "
                f"{milliseconds(table.whole_ms)} before pruning."
            )
        _one(network, "latency", "Time of each layer", words, bool(table))
    if sensitivity is not None:
        curves(sensitivity, widths)


def _one(network: Network, kind: Kind, title: str, words: str, here: bool) -> None:
    """One kind of evidence: what there is of it, how far its study is, and what can be done."""
    run = study_panel.newest(kind, network.digest)
    st.markdown(f"**{title}**")
    st.caption(problems.plain(words))
    if here and (note := staleness(kind)):
        st.warning(problems.plain(note), icon=":material/history:")
    if run is not None and run.state != "finished":
        study_panel.watch(run)
        if not run.over:
            return
    allocation = state.session().recipe.allocation
    if here and kind == "sensitivity" and allocation != "sensitivity":
        st.button("Set ratios by sensitivity", key="use_sensitivity", on_click=_by_sensitivity)
    if here and kind == "observe" and allocation != "functional":
        st.button("Plan by function", key="use_observe", on_click=image_offer.take)
    study_start.start_button(network, kind, _again(kind) if here else _first(kind), quiet=here)


def _first(kind: Kind) -> str:
    return "Look at images" if kind == "observe" else "Measure it"


def _again(kind: Kind) -> str:
    return "Look again" if kind == "observe" else "Measure again"


def staleness(kind: str) -> str:
    """Why what was measured no longer holds for the recipe; '' while it does."""
    from sfp_viz.core.evidence.sensitivity import stale

    now = state.session()
    found = evidence.evidence(now.model).sensitivity
    if kind != "sensitivity" or found is None:
        return ""
    return stale(found, now.recipe, loaders.digest(now.model))


def _by_sensitivity() -> None:
    """The groups' shares go by sensitivity; widths by hand are given back."""
    now = state.session()
    edits = replace(loaders.edits_of(now), ratios=())
    state.change(recipe=replace(now.recipe, allocation="sensitivity"), edits=edits)


def ask_for(network: Network, recipe: Recipe) -> bool:
    """Where ``recipe`` needs evidence that is missing: what, buttons for it, and the way back.

    Returns whether something is missing.
    """
    lacks = missing(recipe, evidence.evidence(state.session().model))
    if not lacks:
        return False
    st.info(recipe_form.lacking(lacks))
    if "latency" not in lacks and not image_field.here(network):
        image_field.ask_images(network, key="evidence_images_asked")
    for name in lacks:
        kind = _STUDY[name]
        run = study_panel.newest(kind, network.digest)
        if run is not None and run.state != "finished":
            study_panel.watch(run, place="asked")
        if run is None or run.over:
            study_start.start_button(network, kind, _GATHER[name], place="asked")
    st.button(
        "Do without it", key="plan_without", on_click=state.change,
        kwargs={"recipe": without(recipe)},
        help="Goes back to choices that need only the weights.",
    )  # fmt: skip
    return True


def curve(widths: Widths) -> None:
    """The chosen group alone, where its sensitivity was measured."""
    from sfp_viz.core.evidence.sensitivity import loss, measured
    from sfp_viz.figures.sensitivity import sensitivity_curves

    now = state.session()
    group, found = planned.group_of(now), evidence.evidence(now.model).sensitivity
    if group is None or found is None or group.name not in found.right:
        return
    kept = widths.kept.get(group.name, group.size)
    lost = loss(found, group.name, kept)
    st.markdown("**What cutting it alone costs**")
    charts.draw(
        sensitivity_curves(
            replace(found, right={group.name: found.right[group.name]}),
            kept=widths.kept, chosen=group.name, columns=1,
        ),
        key="group_sensitivity",
        alt=f"One-shot accuracy by the share of filters removed: about {lost:.1f} points lost "
        f"where {kept:,} of {group.size:,} stay.",
    )  # fmt: skip
    near = min(measured(found, group.name), key=lambda point: abs(point.kept - kept))
    st.caption(
        f"About {lost:.1f} points lost here (estimated). Measured at {near.kept:,} filters: "
        f"{span(near.interval)} of {found.images:,} images right (95 %)."
    )


def curves(found: Sensitivity, widths: Widths) -> None:
    """All groups on one scale."""
    from sfp_viz.figures.sensitivity import sensitivity_curves

    group = planned.group_of(state.session())
    charts.draw(
        sensitivity_curves(found, kept=widths.kept, chosen=group.name if group else None),
        key="sensitivity_curves",
        alt="One-shot accuracy of each group by the share of its filters removed, with 95 % "
        f"intervals; {len(found.right)} groups.",
    )
    st.caption(
        problems.plain(
            f"One group cut at a time, measured on {found.images:,} images ({found.data}) with 95 "
            "% intervals; lines and the plan's marks are estimated."
        )
    )
