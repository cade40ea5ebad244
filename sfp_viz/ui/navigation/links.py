"""Links that restore the view: the session as query parameters, every field checked.

Defaults leave no trace in the address. Recipe and edits are saved in the workspace and named by
their hash, so a link restores them on the same workspace. The address also names the saved session
(saved_sessions.py), for a reload; 'Copy link' leaves it out, so the steps are not shared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import streamlit as st

from sfp_viz.core.network import Network
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.errors import SfpError
from sfp_viz.nets.io import model_store, samples
from sfp_viz.ui.cached import loaders
from sfp_viz.ui.navigation import saved_requests, saved_sessions
from sfp_viz.ui.session import state, view_options
from sfp_viz.ui.session.state import Session

_MOST_SELECTED = 64  # filters in a link; a larger selection is left out
_FIELDS = ("model", "group", "layer", "selection", "target", "asked", "view", "line")


def open_link(query: Mapping[str, str]) -> None:
    """Begin a browser session with the query parameters of its address."""
    session = from_query(query)
    view_options.apply_query(query.get("view", ""))
    if not saved_sessions.resume(query.get("line", ""), session):
        state.start(session)


def from_query(query: Mapping[str, str]) -> Session:
    """The session of a link; whatever is invalid falls back to its default."""
    session = Session()
    if query.get("model") in known_models():
        session = replace(session, model=query["model"])
    session = replace(session, recipe=_recipe(query.get("target", "")))
    try:
        network = loaders.network(session.model)
    except SfpError:
        return Session(recipe=session.recipe)
    if request := saved_requests.load(query.get("asked", ""), network.digest):
        session = replace(session, recipe=request[0], edits=request[1])
    return _with_place(session, network, query)


def _with_place(session: Session, network: Network, query: Mapping[str, str]) -> Session:
    """The session at the group, the layer and the filters that the link names."""
    name, layer = query.get("group", ""), query.get("layer", "")
    layer_group = next((group for group in network.groups if layer in group.layers), None)
    group = next((group for group in network.groups if group.name == name), layer_group)
    if group is None:
        return session
    return replace(
        session, group=group.name, layer=layer if group is layer_group else "",
        selection=_units(query.get("selection"), group.size),
    )  # fmt: skip


def known_models() -> tuple[str, ...]:
    """The names that may stand for a network: the samples and the stored ones."""
    stored = (model.digest for model in model_store.stored_models(loaders.home()))
    return (*samples.sample_names(), *stored)


def to_query(session: Session) -> dict[str, str]:
    """The session as query parameters, without its defaults."""
    default = Session()
    query = {}
    if session.model != default.model:
        query["model"] = session.model
    if session.group:
        query["group"] = session.group
    if session.layer:
        query["layer"] = session.layer
    if session.selection and len(session.selection) <= _MOST_SELECTED:
        query["selection"] = ".".join(str(unit) for unit in session.selection)
    if session.edits or session.recipe != Recipe(session.recipe.target_reduction):
        digest = loaders.network(session.model).digest
        query["asked"] = saved_requests.save(digest, session.recipe, session.edits)
    elif session.recipe.target_reduction != default.recipe.target_reduction:
        query["target"] = f"{session.recipe.target_reduction:g}"
    return query


def update_address(session: Session) -> None:
    """Bring the address of the browser up to date; other parameters are left alone."""
    try:
        query = to_query(session)
        query |= {"view": view_options.to_query(), "line": saved_sessions.save()}
    except (SfpError, OSError):  # the network is gone, or the disk is full: the page says so
        return
    for name in _FIELDS:
        if not query.get(name):
            st.query_params.pop(name, None)
        elif st.query_params.get(name) != query[name]:
            st.query_params[name] = query[name]


def _recipe(target: str) -> Recipe:
    try:
        return Recipe(target_reduction=round(float(target), 4))
    except (ValueError, SfpError):
        return Recipe()


def _units(text: str | None, size: int) -> tuple[int, ...]:
    numbers = (text or "").split(".")[:_MOST_SELECTED]
    units = {int(n) for n in numbers if n.isascii() and n.isdigit() and len(n) < 7}
    return tuple(sorted(unit for unit in units if unit < size))
