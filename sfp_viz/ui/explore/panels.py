"""The Explore page's panels: map, selected filters and table, which share one selection."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import streamlit as st

from sfp_viz.core.network import FilterGroup
from sfp_viz.errors import ModelError
from sfp_viz.text.plan.reasons import reason_text
from sfp_viz.ui import problems
from sfp_viz.ui.cached import loaders, planned
from sfp_viz.ui.components.filter_map import filter_map, gesture
from sfp_viz.ui.components.layer_strip import cells, layer_strip
from sfp_viz.ui.explore.cluster_actions import cluster_menu, fate_menu, settle
from sfp_viz.ui.group import filter_maps, gallery
from sfp_viz.ui.group.group_view import GroupView, group_view, points_of, usable_recipe
from sfp_viz.ui.navigation import links
from sfp_viz.ui.session import state, view_options

MAP_HEIGHT = 430
_SENT = "table told"  # selections that the table has yet to echo
_ROWS = "table rows"  # what the table reported last
_MAP = "map echo"  # (selection sent to the map, revision of that message)


def strip() -> None:
    """The layers over depth; a click shows that layer."""
    session = state.session()
    group = planned.group_of(session)
    layer_strip(
        cells(
            loaders.network(session.model),
            planned.dispersions(session.model, usable_recipe(session)),
            planned.widths_or_unpruned(session.model, session.request),
        ),
        key="strip",
        chosen=layer_in_view(group) if group else "",
        group=group.name if group else "",
        on_change=_layer_clicked,
    )


def layer_in_view(group: FilterGroup) -> str:
    """The layer of ``group`` whose kernels are shown; its first unless another was clicked."""
    layer = state.session().layer
    return layer if layer in group.layers else group.layers[0]


def _layer_clicked() -> None:
    name = (st.session_state.get("strip") or {}).get("chosen")
    group = loaders.network(state.session().model).group_of(name) if name else None
    if group is None:
        return
    state.change(group=group.name, layer=name if name in group.layers[1:] else "")


def begin() -> None:
    """Send the selection to map and table; in each full run, before they are drawn."""
    selection = state.session().selection
    _send_to_map(selection)
    _send_to_table(selection)


def select_filters(units: Iterable[int], source: str) -> None:
    """Select filters of the group on the screen: the one place where a selection changes.

    Args:
        units: Numbers of the filters.
        source: 'map', 'table' or another name; the one named already shows the selection.
    """
    group = planned.group_of(state.session())
    state.change(group=group.name if group else "", selection=tuple(units))
    selection = state.session().selection
    if source != "map":
        _send_to_map(selection)
    if source != "table":
        _send_to_table(selection)


def _send_to_map(selection: Sequence[int]) -> None:
    _, revision = st.session_state.get(_MAP, ((), 0))
    st.session_state[_MAP] = (tuple(selection), revision + 1)


def _send_to_table(selection: Sequence[int]) -> None:
    st.session_state[table_key()] = {"selection": {"rows": list(selection), "columns": []}}
    st.session_state[_SENT] = (*st.session_state.get(_SENT, ())[-8:], tuple(selection))


def table_key() -> str:
    """The key of the table, one per group, so that rows of groups are never confused."""
    session = state.session()
    group = planned.group_of(session)
    return f"table {session.model} {group.name if group else ''}"


def _map_changed() -> None:
    if (units := gesture("map")) is not None:
        select_filters(units, "map")


def _table_changed() -> None:
    rows = tuple(sorted(st.session_state[table_key()]["selection"]["rows"]))
    sent = st.session_state.get(_SENT, ())
    if st.session_state.get(_ROWS) == (table_key(), rows):
        return  # nothing new: Streamlit calls again when a run was interrupted
    st.session_state[_ROWS] = (table_key(), rows)
    if rows in sent:  # an echo, perhaps of an earlier selection: no gesture
        st.session_state[_SENT] = sent[sent.index(rows) + 1 :]
    elif rows != state.session().selection:
        st.session_state[_SENT] = ()
        select_filters(rows, "table")


@st.fragment
def linked() -> None:
    """Map, pictures and table of one group, which share one selection.

    The view is read again in each run: a fragment's arguments may be older than the session.
    """
    settle()
    with problems.catch():
        view = current_view()
        left, right = st.columns([3, 2], gap="medium")
        with left, st.container(border=True, height="stretch", key="map panel"):
            _map_panel(view)
        with right, st.container(border=True, height="stretch", key="chosen panel"):
            _selection_panel(view)
        links.update_address(state.session())


def current_view() -> GroupView:
    """The view of the group on the screen.

    Raises:
        ModelError: the network has no group.
    """
    session = state.session()
    group = planned.group_of(session)
    if group is None:
        raise ModelError("This network has no filters to show.")
    return group_view(session, group, layer_in_view(group))


def _map_panel(view: GroupView) -> None:
    session = state.session()
    with st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
    ):
        st.markdown(f"**{problems.plain(view.layer.name)}** &nbsp; {gallery.layer_title(view)}")
        with st.container(
            horizontal=True, width="content", gap="small", vertical_alignment="center"
        ):
            method = view_options.option_control("map", "Map")
            cluster_menu(view)
    places = filter_maps.places(session.model, view.group.name, method=method)
    selection, revision = st.session_state.get(_MAP, ((), 0))
    filter_map(
        points_of(view, places.points), key="map", selected=selection, revision=revision,
        on_change=_map_changed, height=MAP_HEIGHT,
    )  # fmt: skip
    _trust_note(session.model, view, places)
    if places.waiting and method == "UMAP":
        _wait_for_umap(session.model, view.group.name)


def _trust_note(key: str, view: GroupView, places: filter_maps.Places) -> None:
    """How far the map can be trusted, in one line."""
    trust = filter_maps.trust(key, view.group.name, places.kind, places.points)
    if trust != trust:
        st.caption(f"{places.kind}: too few filters to estimate how far the map can be trusted.")
        return
    st.caption(
        f"{places.kind}, {trust_text(trust)}. Distances between clusters are not meaningful."
    )


def trust_text(trust: float) -> str:
    """How far neighbors on a map of that trustworthiness, 0..1, are really similar."""
    if trust >= 0.9:
        grade, words = "good", "almost all neighbors on the map are similar filters"
    elif trust >= 0.8:
        grade, words = "fair", "most neighbors on the map are similar filters"
    else:
        grade = "poor"
        words = "neighbors on the map are often not similar; check the similarity in the table"
    return f"trustworthiness {trust:.2f} ({grade}, estimated): {words}"


@st.fragment(run_every=2.0)
def _wait_for_umap(key: str, group: str) -> None:
    if filter_maps.places(key, group).waiting:
        st.caption("PCA is shown until the UMAP has been computed.")
    else:
        st.rerun()


def _selection_panel(view: GroupView) -> None:
    selected = [unit for unit in state.session().selection if unit < view.group.size]
    with st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
    ):
        st.markdown(f"**Selected** &nbsp; {len(selected):,} of {view.group.size:,}")
        st.button(
            "Clear", on_click=select_filters, args=((), "clear"), disabled=not selected,
            type="tertiary", icon=":material/close:", key="clear",
        )  # fmt: skip
    if selected:
        fate_menu(view, selected)
    else:
        st.caption(
            "Draw a loop on the map, click a filter or a cluster, or select rows of the table."
        )
    pictures, table = st.tabs(["Pictures", "Table"])
    with pictures:
        units = selected or list(range(view.group.size))
        height = MAP_HEIGHT - 20 if len(units) > gallery.FEW else "content"
        with st.container(height=height, border=False):
            st.html(gallery.html(view, units))
        st.caption(gallery.legend(view, len(units)))
    with table:
        _table(view)


def _table(view: GroupView) -> None:
    import pandas as pd

    reasons = dict(zip(view.removal.filters, view.removal.reasons, strict=True))
    units = range(view.group.size)
    st.dataframe(
        pd.DataFrame(
            {
                "filter": list(units),
                "cluster": list(view.labels),
                "plan": [
                    f"pruned: {reason_text(reasons[u])}" if u in reasons else "kept" for u in units
                ],
                "importance": [float(x) for x in view.analysis.importance],
                "most similar": list(view.analysis.nearest),
                "similarity": [round(float(x), 3) for x in view.analysis.nearest_similarity],
            }
        ),
        key=table_key(), on_select=_table_changed, selection_mode="multi-row", hide_index=True,
        column_config={"importance": st.column_config.NumberColumn(format="%.2f")},
        row_height=28, height=MAP_HEIGHT + 40,
    )  # fmt: skip
