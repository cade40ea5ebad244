"""The allocations side by side: what each would keep, and which evidence is missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import streamlit as st

from sfp_viz.core.allocation.alternatives import Alternative
from sfp_viz.core.evidence.study import Kind
from sfp_viz.core.network import FilterGroup, Network
from sfp_viz.core.plan.recipe import Strategy
from sfp_viz.core.plan.request import Request
from sfp_viz.text.plan.allocations import ALLOCATIONS
from sfp_viz.ui import image_field
from sfp_viz.ui.cached import evidence, loaders, planned
from sfp_viz.ui.components.allocation_legend import LegendEntry
from sfp_viz.ui.components.allocation_legend import allocation_legend as draw
from sfp_viz.ui.session import state
from sfp_viz.ui.studies import study_start

HIDDEN = "plan_hidden_marks"  # session_state: allocations whose marks are hidden
OPEN = "evidence_open"  # key of the expander where images are chosen
_IMAGES: Mapping[Kind, int] = {"observe": 1024, "sensitivity": 512}
_STUDY: Mapping[str, Kind] = {"observations": "observe", "sensitivity": "sensitivity"}
_OFFER: Mapping[Kind, str] = {"observe": "Analyze images", "sensitivity": "Measure sensitivity"}
_NEEDS: Mapping[str, str] = {
    "observations": "needs image analysis",
    "sensitivity": "needs measured sensitivity",
    "latency": "needs layer times",
}


def alternatives() -> tuple[Alternative, ...]:
    """What each allocation would keep for the session's recipe and edits; cached."""
    session = state.session()
    request = session.request.with_recipe(allocation="uniform")  # the same whichever is in use
    return _alternatives(session.model, request, evidence.studies(loaders.home()))


@st.cache_resource(max_entries=64, show_spinner="Computing the other allocations")
def _alternatives(key: str, request: Request, version: tuple) -> tuple[Alternative, ...]:
    from sfp_viz.core.allocation import alternatives

    return alternatives.alternatives(planned.problem(key, request))


def other_widths(
    alternatives: tuple[Alternative, ...], used: Strategy
) -> dict[Strategy, Mapping[str, int]]:
    """Units kept by group under each allocation that could be computed, except the one in use.

    Args:
        alternatives: What each allocation would keep.
        used: The allocation in use.
    """
    return {
        alternative.allocation: alternative.kept
        for alternative in alternatives
        if alternative.known and alternative.allocation != used
    }


def legend(
    network: Network,
    alternatives: tuple[Alternative, ...],
    kept: Mapping[str, int],
    *,
    marks: bool,
) -> None:
    """Draw the allocations with the units that each keeps of the group on the screen, and a button
    each.

    Args:
        network: The network.
        alternatives: What each allocation would keep.
        kept: Units that the plan keeps, by group.
        marks: Whether there are bars, whose marks can be hidden.
    """
    session = state.session()
    used, group = session.recipe.allocation, planned.group_of(session)
    entries = [legend_entry(network, alternative, used, group) for alternative in alternatives]
    if all(alternative.allocation != used for alternative in alternatives):
        entries.insert(0, LegendEntry(used, ALLOCATIONS[used], used=True))
    if group is not None:
        entries = [replace(e, kept=kept.get(group.name)) if e.used else e for e in entries]
    draw(
        entries,
        key="ratio_ways" if marks else "table_ways",
        group=group.name if group else "",
        filters=group.size if group else 0,
        hidden=hidden_strategies(),
        marks=marks,
        on_show=show_marks,
        on_offer=lambda name: use_or_measure(network, alternatives, name),
    )


def legend_entry(
    network: Network, alternative: Alternative, used: Strategy, group: FilterGroup | None
) -> LegendEntry:
    """An allocation in the legend, with a button that uses it or measures what it lacks.

    Args:
        network: The network.
        alternative: What it would keep, or what it lacks.
        used: The allocation in use.
        group: The group whose numbers are shown, None for none.
    """
    label = ALLOCATIONS[alternative.allocation]
    if alternative.allocation == used:
        return LegendEntry(used, label, used=True)
    if alternative.known:
        kept = alternative.kept.get(group.name) if group else None
        return LegendEntry(alternative.allocation, label, kept=kept, offer="Use")
    unknown = LegendEntry(alternative.allocation, label, known=False)
    if alternative.problem:
        return replace(unknown, note="cannot reach this target", why=alternative.problem)
    note = " and ".join(_NEEDS[name] for name in alternative.lacks)
    kind = _STUDY.get(alternative.lacks[0])
    if kind is None:
        return replace(unknown, note=note)
    if progress := study_start.progress_of(network, kind):
        return replace(unknown, note="is being measured", why=progress)
    if image_field.available_images(network):
        return replace(unknown, offer=_OFFER[kind], why=note)
    return replace(unknown, offer="Choose images", note=note)


def use_or_measure(network: Network, alternatives: tuple[Alternative, ...], name: str) -> None:
    """Use an allocation, or request the study that measures the evidence it lacks.

    Args:
        network: The network.
        alternatives: What each allocation would keep.
        name: The allocation; an unknown one changes nothing.
    """
    alternative = next(
        (candidate for candidate in alternatives if candidate.allocation == name), None
    )
    if alternative is None:
        return
    if alternative.known:
        use(alternative.allocation)
        return
    kind = _STUDY.get(alternative.lacks[0]) if alternative.lacks else None
    data = image_field.available_images(network)
    if kind and data:
        study_start.request(network, study_start.study_of(kind, _IMAGES[kind]), data)
    elif kind:
        st.session_state[OPEN] = True
        st.toast("Choose images below the bars, under 'Evidence from images and measurements'.")


def use(allocation: Strategy) -> None:
    """Change the recipe's allocation alone, in one step of undo; manual changes are kept."""
    state.change(recipe=replace(state.session().recipe, allocation=allocation))


def hidden_strategies() -> tuple[str, ...]:
    """Names of the allocations whose marks are hidden."""
    return tuple(st.session_state.get(HIDDEN, ()))


def show_marks(name: str, shown: bool) -> None:
    """Show or hide the marks of an allocation; this is not a step of undo.

    Args:
        name: The allocation.
        shown: Whether its marks are shown.
    """
    visible = [hidden for hidden in hidden_strategies() if hidden != name]
    st.session_state[HIDDEN] = tuple(visible if shown else [*visible, name])
