"""What is known of the network besides its weights, and how to find out more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import streamlit as st

from sfp_viz.core.evidence import needs
from sfp_viz.core.network import Network
from sfp_viz.core.recipe import Recipe
from sfp_viz.core.study import Study
from sfp_viz.figures.numbers import milliseconds, percent
from sfp_viz.ui import (
    image_field,
    learned,
    loaders,
    problems,
    recipe_form,
    sensitivity_view,
    state,
    studies,
)
from sfp_viz.ui.plan_view import Widths
from sfp_viz.ui.recipe_words import EVIDENCE

_STUDY = {"observations": "observe", "sensitivity": "sensitivity", "latency": "latency"}
_USE = {
    "sensitivity": ("sensitivity", "Set ratios by sensitivity"),
    "observe": ("functional", "Set ratios by what is lost"),
}
_KEY = "evidence_open"
_CHOICES = (256, 512, 1024, 2048, 5000)


def panel(network: Network, widths: Widths) -> None:
    """The three kinds of evidence as equals: what is there, and a button to gather it."""
    damaged = bool(learned.evidence_problem(state.session().model))
    drawer = studies.drawer(
        "What images and measurements tell", _KEY, network, tuple(_STUDY.values()), damaged
    )
    if drawer.open:
        with drawer:
            _kinds(network, widths)


def _kinds(network: Network, widths: Widths) -> None:
    found = learned.evidence(state.session().model)
    if note := learned.evidence_problem(state.session().model):
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
        sensitivity_view.curves(sensitivity, widths)


def _one(network: Network, kind: str, title: str, words: str, here: bool) -> None:
    """One kind of evidence: what there is of it, how far its study is, and what can be done."""
    run = studies.newest(kind, network.digest)
    st.markdown(f"**{title}**")
    st.caption(problems.plain(words))
    if here and (note := staleness(kind)):
        st.warning(problems.plain(note), icon=":material/history:")
    if run is not None and run.state != "finished":
        studies.watch(run)
        if not run.over:
            return
    allocation, use = _USE.get(kind, ("", ""))
    if here and allocation and state.session().recipe.allocation != allocation:
        st.button(use, key=f"use_{kind}", on_click=_share_out, args=(allocation,))
    start_button(network, kind, "Measure again" if here else "Measure it", quiet=here)


def staleness(kind: str) -> str:
    """Why what was measured no longer holds for the recipe; '' while it does."""
    from sfp_viz.core.sensitivity import stale

    now = state.session()
    found = learned.evidence(now.model).sensitivity
    if kind != "sensitivity" or found is None:
        return ""
    return stale(found, now.recipe, loaders.digest(now.model))


def _share_out(allocation: str) -> None:
    """The groups' shares are set another way; widths by hand are given back."""
    now = state.session()
    edits = replace(loaders.edits_of(now), ratios=())
    state.change(recipe=replace(now.recipe, allocation=allocation), edits=edits)


def start_button(
    network: Network, kind: str, label: str, *, quiet: bool = False, place: str = "",
    settings: Callable[[int], Study] | None = None,
) -> None:  # fmt: skip
    """A button that starts a study, with the number of images beside it where it takes some."""
    run = studies.newest(kind, network.digest)
    if run is not None and not run.over:
        st.caption(studies.progress(run), width="content")
        return
    data = studies.images_for(network, kind)
    images = 0
    if kind in studies.NEEDS_IMAGES and data:
        again = st.popover(label, type="tertiary") if quiet else None
        with again or st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
            images = _ask_count(kind, place)
            pressed = _start("Start" if quiet else label, kind, place, False, data)
    else:
        pressed = _start(label, kind, place, quiet, data)
    if pressed and data is not None:
        with st.spinner("Starting it"):
            studies.begin(network, settings(images) if settings else study_of(kind, images), data)
        st.rerun()


def _start(label: str, kind: str, place: str, quiet: bool, data: str | None) -> bool:
    return st.button(
        label,
        key=f"start_{kind}{place}",
        disabled=data is None,
        help="Needs images: choose some first." if data is None else None,
        type="tertiary" if quiet else "secondary",
        icon=":material/play_arrow:",
    )


def study_of(kind: str, images: int) -> Study:
    """The settings of a study with ``images`` images."""
    if kind == "observe":
        now = state.session()
        seen = learned.evidence(now.model).observations
        scores = {*recipe_form.scores_of(now.recipe), *(seen.scores if seen else ())}
        return Study("observe", calibration=images, scores=tuple(sorted(scores)))
    if kind == "latency":
        return Study("latency")
    return Study(kind, images=images)  # type: ignore[arg-type]


def _ask_count(kind: str, place: str) -> int:
    return st.selectbox(
        "Images", _CHOICES, index=2 if kind == "observe" else 1, width=110,
        key=f"count_{kind}{place}",
        help="More images make it slower and surer: 500 tell accuracies apart that differ by "
        "about 4 points, 2,000 by about 2.",
    )  # fmt: skip


def ask_for(network: Network, recipe: Recipe) -> bool:
    """Where ``recipe`` needs evidence that is missing: what, buttons for it, and the way back.

    Returns whether something is missing.
    """
    lacks = recipe_form.missing(recipe, learned.evidence(state.session().model))
    if not lacks:
        return False
    words = " and ".join(EVIDENCE[name] for name in lacks)
    st.info(f"This recipe needs {words}, which nobody gathered for this network yet.")
    if "latency" not in lacks and not image_field.here(network):
        image_field.ask_images(network, key="evidence_images_asked")
    for name in lacks:
        kind = _STUDY[name]
        run = studies.newest(kind, network.digest)
        if run is not None and run.state != "finished":
            studies.watch(run)
        start_button(network, kind, f"Gather {EVIDENCE[name]}", place="asked")
    st.button(
        "Do without it", key="plan_without", on_click=state.change,
        kwargs={"recipe": without(recipe)},
        help="Goes back to choices that need only the weights.",
    )  # fmt: skip
    return True


def without(recipe: Recipe) -> Recipe:
    """``recipe`` with the default in place of every choice that needs evidence."""
    plain = Recipe()
    names = ("goal", "similarity", "criterion", "allocation", "dispersion")
    asked = {name: getattr(recipe, name) for name in names}
    back = {n: getattr(plain, n) for n in names if needs(replace(plain, **{n: asked[n]}))}
    return replace(recipe, **back)
