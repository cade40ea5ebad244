"""How many filters a group keeps: the suggestion with its reason, and a manual width."""

from __future__ import annotations

import streamlit as st

from sfp_viz.core.evidence.evidence import missing_evidence
from sfp_viz.text.names import join_names
from sfp_viz.text.numbers import count, percent
from sfp_viz.text.plan.widths import width_sentence
from sfp_viz.ui import problems
from sfp_viz.ui.cached import evidence, loaders, planned
from sfp_viz.ui.explore import group_edits
from sfp_viz.ui.group.group_view import GroupView
from sfp_viz.ui.plan import explanation, widths
from sfp_viz.ui.recipe import actions, recipe_form, request_edits, training_reasons
from sfp_viz.ui.session import state


def ratio_panel(view: GroupView) -> None:
    """The suggestion with its reason on the left, the manual width on the right."""
    group, edits = view.group, loaders.edits_of(state.session())
    with st.container(border=True, key="ratio panel"):
        left, right = st.columns([3, 2], gap="medium")
        with left:
            st.markdown("**Filters kept**")
            st.write(_reason(view))
            if len(group.layers) + len(group.followers) > 1:
                layers = (*group.layers, *group.followers)
                st.caption(f"Pruned together: {problems.plain(join_names(layers))}.")
        with right:
            if group.protected:
                st.caption("This group cannot be pruned, so there is nothing to set here.")
                return
            _slider(view)
            changed = group_edits.reset(edits, group.name) != edits
            with st.container(horizontal=True, gap="small"):
                st.button(
                    "Reset to suggestion", on_click=_reset, args=(group.name,),
                    disabled=not changed, key="ratio back",
                    help="Undoes all manual changes of this group",
                )  # fmt: skip
                _protect_toggle(group.name, group.name in edits.protected)


def _reason(view: GroupView) -> str:
    """Why the group keeps so many filters: the sentence of the Plan page."""
    session = state.session()
    if text := training_reasons.sentence(view.group, view.kept, session.edits):
        return text
    group, request = view.group, actions.current_request()
    reachable = planned.cost(session.model, request).after is not None
    lacks = missing_evidence(session.recipe, evidence.evidence(session.model))
    if not reachable and lacks and not group.protected:
        return (
            f"{recipe_form.missing_evidence(lacks)} Until then nothing is pruned, and "
            "filters are compared by their weights. The Plan page shows how to continue."
        )
    if not reachable and not group.protected:
        return "The target cannot be reached, so nothing is pruned. The Plan page says why."
    drawn_widths = widths.Widths(
        planned.widths_or_unpruned(session.model, request),
        planned.widths_or_unpruned(session.model, request_edits.without_widths(request)), {}, {},
    )  # fmt: skip
    sentence = problems.plain(width_sentence(explanation.reason(request, drawn_widths, group.name)))
    if request_edits.is_held(group.name, request.edits) and not group.protected:
        sentence = sentence[0].lower() + sentence[1:]
        return f"Set manually: {view.kept:,} of {group.size:,} filters kept. Suggestion: {sentence}"
    return sentence


def _slider(view: GroupView) -> None:
    group, key = view.group, f"kept {view.group.name} {state.revision()}"
    if group.size > 1:
        st.slider(
            "Filters to keep", 1, group.size, view.kept, key=key,
            on_change=_set_width, args=(key, group.name, group.size, view.kept),
        )  # fmt: skip
    saved = _saving(view)
    st.caption(
        f"Removes {percent(1 - view.kept / group.size, 0)} of the filters of this group"
        + (f"; pruning it alone saves {count(saved)} MACs (computed)." if saved else ".")
    )


def _saving(view: GroupView) -> int:
    from sfp_viz.core.cost.cost import cost_of_widths

    unpruned = cost_of_widths(view.network, {})
    return unpruned.macs - cost_of_widths(view.network, {view.group.name: view.kept}).macs


def _set_width(key: str, group: str, size: int, shown: int) -> None:
    session = state.session()
    if int(st.session_state.get(key, shown)) == shown:
        return  # nothing new: Streamlit calls again when a run was interrupted
    after = group_edits.with_width(
        loaders.edits_of(session),
        group,
        size=size,
        kept=int(st.session_state[key]),
        hold=actions.keeps_target(),
    )
    state.change(edits=after)


def _reset(group: str) -> None:
    state.change(edits=group_edits.reset(loaders.edits_of(state.session()), group))


def _protect_toggle(group: str, protected: bool) -> None:
    key = f"whole {group} {state.revision()}"
    st.toggle(
        "Do not prune", protected, key=key, on_change=_set_protected, args=(key, group, protected)
    )


def _set_protected(key: str, group: str, shown: bool) -> None:
    protected = bool(st.session_state.get(key, shown))
    if protected != shown:
        edits = loaders.edits_of(state.session())
        state.change(edits=edits.with_protected(group, protected))
