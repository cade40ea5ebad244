"""The ways of sharing out, side by side: what each would keep, what is not known yet, and taking
one of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import streamlit as st

from sfp_viz.core.allocation.alternatives import SAID, Alternative
from sfp_viz.core.evidence.study import Kind
from sfp_viz.core.network import FilterGroup, Network
from sfp_viz.core.plan.recipe import Strategy
from sfp_viz.core.plan.request import Request
from sfp_viz.ui import image_field, problems
from sfp_viz.ui.cached import evidence, loaders, planned
from sfp_viz.ui.components.allocation_legend import LegendEntry
from sfp_viz.ui.components.allocation_legend import allocation_legend as draw
from sfp_viz.ui.session import state
from sfp_viz.ui.studies import study_start

HIDDEN = "plan_hidden_marks"  # session_state: names of ways whose marks are not drawn
OPEN = "evidence_open"  # key of the drawer where images are chosen
_IMAGES: Mapping[Kind, int] = {"observe": 1024, "sensitivity": 512}
_STUDY: Mapping[str, Kind] = {"observations": "observe", "sensitivity": "sensitivity"}
_OFFER: Mapping[Kind, str] = {"observe": "Look at images", "sensitivity": "Measure sensitivity"}
_NEEDS: Mapping[str, str] = {
    "observations": "needs a look at images",
    "sensitivity": "needs the measured sensitivity",
    "latency": "needs the time of each layer",
}


def found() -> tuple[Alternative, ...]:
    """What each way would keep for the session's recipe and edits; worked out once for these."""
    now = state.session()
    plain = now.request.with_recipe(allocation="uniform")  # the same whichever is in use
    return _found(now.model, plain, evidence.studies(loaders.home()))


@st.cache_resource(max_entries=64, show_spinner="Working out what other allocations would keep")
def _found(key: str, request: Request, version: tuple) -> tuple[Alternative, ...]:
    from sfp_viz.core.allocation.alternatives import alternatives

    return alternatives(planned.problem(key, request))


def others(known: tuple[Alternative, ...], used: Strategy) -> dict[Strategy, Mapping[str, int]]:
    """Units kept by group, for each known way but the one in use."""
    return {o.allocation: o.kept for o in known if o.known and o.allocation != used}


def legend(
    network: Network,
    known: tuple[Alternative, ...],
    kept: Mapping[str, int],
    *,
    marks: bool,
) -> None:
    """The ways with the units that they keep of the group on the screen, and what can be done with
    each; ``marks`` where there are bars whose marks can be hidden. ``kept`` is the plan's."""
    now = state.session()
    used, group = now.recipe.allocation, planned.group_of(now)
    shown = [way(network, one, used, group) for one in known]
    if all(one.allocation != used for one in known):
        shown.insert(0, LegendEntry(used, SAID[used], used=True))
    if group is not None:
        shown = [replace(w, kept=kept.get(group.name)) if w.used else w for w in shown]
    draw(
        shown,
        key="ratio_ways" if marks else "table_ways",
        group=problems.plain(group.name) if group else "",
        filters=group.size if group else 0,
        hidden=hidden(),
        marks=marks,
        on_show=show,
        on_offer=lambda name: offered(network, known, name),
    )


def way(
    network: Network, one: Alternative, used: Strategy, group: FilterGroup | None
) -> LegendEntry:
    """A way as the legend shows it."""
    words = SAID[one.allocation]
    if one.allocation == used:
        return LegendEntry(used, words, used=True)
    if one.known:
        kept = one.kept.get(group.name) if group else None
        return LegendEntry(one.allocation, words, kept=kept, offer="Use")
    off = LegendEntry(one.allocation, words, known=False)
    if one.problem:
        return replace(off, note="cannot reach this target", why=one.problem)
    note = " and ".join(_NEEDS[name] for name in one.lacks)
    kind = _STUDY.get(one.lacks[0])
    if kind is None:
        return replace(off, note=note)
    if going := study_start.under_way(network, kind):
        return replace(off, note="is being measured", why=going)
    if image_field.here(network):
        return replace(off, offer=_OFFER[kind], why=note)
    return replace(off, offer="Choose images", note=note)


def offered(network: Network, known: tuple[Alternative, ...], name: str) -> None:
    """A way was chosen, or what it lacks is to be gathered."""
    one = next((one for one in known if one.allocation == name), None)
    if one is None:
        return
    if one.known:
        use(one.allocation)
        return
    kind = _STUDY.get(one.lacks[0]) if one.lacks else None
    data = image_field.here(network)
    if kind and data:
        study_start.ask(network, study_start.study_of(kind, _IMAGES[kind]), data)
    elif kind:
        st.session_state[OPEN] = True
        st.toast("Choose images under the bars, at 'What images and measurements tell'.")


def use(allocation: Strategy) -> None:
    """The recipe shares out this way; all else, changes by hand too, stays: one step of undo."""
    state.change(recipe=replace(state.session().recipe, allocation=allocation))


def hidden() -> tuple[str, ...]:
    """Names of the ways whose marks are not drawn."""
    return tuple(st.session_state.get(HIDDEN, ()))


def show(name: str, shown: bool) -> None:
    """Draw the marks of a way, or do not: only looking, so no step of undo."""
    rest = [other for other in hidden() if other != name]
    st.session_state[HIDDEN] = tuple(rest if shown else [*rest, name])
