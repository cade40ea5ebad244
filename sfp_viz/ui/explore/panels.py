"""The Explore page's panels: the map, the chosen filters and their table, linked both ways."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import streamlit as st

from sfp_viz.core.network import FilterGroup
from sfp_viz.errors import ModelError
from sfp_viz.text.reasons import reason_text
from sfp_viz.ui import problems
from sfp_viz.ui.cached import loaders, planned
from sfp_viz.ui.components.filter_map import filter_map, gesture
from sfp_viz.ui.components.layer_strip import cells, layer_strip
from sfp_viz.ui.explore.cluster_actions import cluster_menu, fate_menu, settle
from sfp_viz.ui.group import filter_maps, gallery
from sfp_viz.ui.group.group_view import GroupView, group_view, points_of, usable
from sfp_viz.ui.navigation import links
from sfp_viz.ui.session import state, view_options

MAP_HEIGHT = 430
_TOLD = "table told"  # selections that the table has yet to echo
_ROWS = "table rows"  # what the table said last
_ECHO = "map echo"  # (selection the map is told of, revision of that message)


def strip() -> None:
    """The layers over depth; a click shows that layer."""
    session = state.session()
    group = planned.group_of(session)
    layer_strip(
        cells(
            loaders.network(session.model),
            planned.dispersions(session.model, usable(session)),
            planned.kept_or_whole(session.model, session.request),
        ),
        key="strip",
        chosen=layer_in_view(group) if group else "",
        group=group.name if group else "",
        on_change=_layer_chosen,
    )


def layer_in_view(group: FilterGroup) -> str:
    """The layer of ``group`` whose kernels are shown; its first unless another was clicked."""
    layer = state.session().layer
    return layer if layer in group.layers else group.layers[0]


def _layer_chosen() -> None:
    name = (st.session_state.get("strip") or {}).get("chosen")
    group = loaders.network(state.session().model).group_of(name) if name else None
    if group is None:
        return
    state.change(group=group.name, layer=name if name in group.layers[1:] else "")


def begin() -> None:
    """Progress map and table what is chosen; in each full run, before they are drawn."""
    chosen = state.session().selection
    _tell_map(chosen)
    _tell_table(chosen)


def choose(units: Iterable[int], source: str) -> None:
    """The one place where a selection changes; ``source`` already shows it."""
    group = planned.group_of(state.session())
    state.change(group=group.name if group else "", selection=tuple(units))
    chosen = state.session().selection
    if source != "map":
        _tell_map(chosen)
    if source != "table":
        _tell_table(chosen)


def _tell_map(chosen: Sequence[int]) -> None:
    _, revision = st.session_state.get(_ECHO, ((), 0))
    st.session_state[_ECHO] = (tuple(chosen), revision + 1)


def _tell_table(chosen: Sequence[int]) -> None:
    st.session_state[table_key()] = {"selection": {"rows": list(chosen), "columns": []}}
    st.session_state[_TOLD] = (*st.session_state.get(_TOLD, ())[-8:], tuple(chosen))


def table_key() -> str:
    """One table a group, so that rows of another group are never taken for this one's."""
    session = state.session()
    group = planned.group_of(session)
    return f"table {session.model} {group.name if group else ''}"


def _map_chose() -> None:
    if (units := gesture("map")) is not None:
        choose(units, "map")


def _table_chose() -> None:
    rows = tuple(sorted(st.session_state[table_key()]["selection"]["rows"]))
    told = st.session_state.get(_TOLD, ())
    if st.session_state.get(_ROWS) == (table_key(), rows):
        return  # nothing new: Streamlit calls again when a run was interrupted
    st.session_state[_ROWS] = (table_key(), rows)
    if rows in told:  # an echo, perhaps of something that is already over: no gesture
        st.session_state[_TOLD] = told[told.index(rows) + 1 :]
    elif rows != state.session().selection:
        st.session_state[_TOLD] = ()
        choose(rows, "table")


@st.fragment
def linked() -> None:
    """Map, pictures and table of one group, which share one selection.

    The view is gathered anew in each run: a fragment's arguments may be older than the session.
    """
    settle()
    with problems.shown():
        view = current_view()
        left, right = st.columns([3, 2], gap="medium")
        with left, st.container(border=True, height="stretch", key="map panel"):
            _map_panel(view)
        with right, st.container(border=True, height="stretch", key="chosen panel"):
            _chosen_panel(view)
        links.update_address(state.session())


def current_view() -> GroupView:
    """The view of the group on the screen; there must be one."""
    session = state.session()
    group = planned.group_of(session)
    if group is None:
        raise ModelError("This network has no group of filters that could be shown.")
    return group_view(session, group, layer_in_view(group))


def _map_panel(view: GroupView) -> None:
    session = state.session()
    with st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
    ):
        st.markdown(f"**{problems.plain(view.layer.name)}** &nbsp; {gallery.what(view)}")
        with st.container(
            horizontal=True, width="content", gap="small", vertical_alignment="center"
        ):
            wanted = view_options.option_control("map", "Map")
            cluster_menu(view)
    found = filter_maps.places(session.model, view.group.name, wanted=wanted)
    echo, revision = st.session_state.get(_ECHO, ((), 0))
    filter_map(
        points_of(view, found.points), key="map", selected=echo, revision=revision,
        on_change=_map_chose, height=MAP_HEIGHT,
    )  # fmt: skip
    _honesty(session.model, view, found)
    if found.waiting and wanted == "UMAP":
        _wait_for_umap(session.model, view.group.name)


def _honesty(key: str, view: GroupView, found: filter_maps.Places) -> None:
    """How far the map is to be believed, in one line."""
    trust = filter_maps.trust(key, view.group.name, found.kind, found.points)
    if trust != trust:
        st.caption(f"{found.kind}: too few filters to say how far the map can be trusted.")
        return
    st.caption(f"{found.kind}, {believed(trust)}; distances between islands say little.")


def believed(trust: float) -> str:
    """How far near neighbors on a map of that trustworthiness, 0..1, are to be believed."""
    if trust >= 0.9:
        grade, words = "good", "filters that lie near each other are alike, with few exceptions"
    elif trust >= 0.8:
        grade, words = "fair", "most filters that lie near each other are alike, not all"
    else:
        grade = "poor"
        words = "filters that lie near each other are often not alike, so look them up in the table"
    return f"trustworthiness {trust:.2f} ({grade}, estimated): {words}"


@st.fragment(run_every=2.0)
def _wait_for_umap(key: str, group: str) -> None:
    if filter_maps.places(key, group).waiting:
        st.caption("This is the PCA. The UMAP is being computed and takes its place when ready.")
    else:
        st.rerun()


def _chosen_panel(view: GroupView) -> None:
    chosen = [unit for unit in state.session().selection if unit < view.group.size]
    with st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
    ):
        st.markdown(f"**Chosen** &nbsp; {len(chosen):,} of {view.group.size:,}")
        st.button(
            "Clear", on_click=choose, args=((), "clear"), disabled=not chosen, type="tertiary",
            icon=":material/close:", key="clear",
        )  # fmt: skip
    if chosen:
        fate_menu(view, chosen)
    else:
        st.caption(
            "Draw a loop on the map, click a filter or a cluster, or tick rows of the table."
        )
    pictures, table = st.tabs(["Pictures", "Table"])
    with pictures:
        shown = chosen or list(range(view.group.size))
        height = MAP_HEIGHT - 20 if len(shown) > gallery.FEW else "content"
        with st.container(height=height, border=False):
            st.html(gallery.html(view, shown))
        st.caption(gallery.words(view, len(shown)))
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
                    f"removed: {reason_text(reasons[u])}" if u in reasons else "kept" for u in units
                ],
                "importance": [float(x) for x in view.analysis.importance],
                "most like": list(view.analysis.nearest),
                "similarity": [round(float(x), 3) for x in view.analysis.nearest_similarity],
            }
        ),
        key=table_key(), on_select=_table_chose, selection_mode="multi-row", hide_index=True,
        column_config={"importance": st.column_config.NumberColumn(format="%.2f")},
        row_height=28, height=MAP_HEIGHT + 40,
    )  # fmt: skip
