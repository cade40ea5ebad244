"""Links that bring the view back: the session as query parameters, every field checked.

Defaults leave no trace in the address. Recipe and edits are kept in the workspace and named by
their hash, so a link restores them on the same workspace. The name of the line of steps (lines.py)
stands in the address for a reload; 'Copy link' leaves it out, so steps are not handed on.
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
from sfp_viz.ui.session import state, views
from sfp_viz.ui.session.state import Session

_MOST_CHOSEN = 64  # filters that a link carries; a larger selection stays out of it
_FIELDS = ("model", "group", "layer", "selection", "target", "asked", "view", "line")


def begin(query: Mapping[str, str]) -> None:
    """Begin a browser session with what its address asks for."""
    session = read(query)
    views.read(query.get("view", ""))
    if not saved_sessions.resume(query.get("line", ""), session):
        state.start(session)


def read(query: Mapping[str, str]) -> Session:
    """The session that a link asks for; whatever does not hold falls back to its default."""
    session = Session()
    if query.get("model") in known_models():
        session = replace(session, model=query["model"])
    session = replace(session, recipe=_recipe(query.get("target", "")))
    try:
        network = loaders.network(session.model)
    except SfpError:
        return Session(recipe=session.recipe)
    if found := saved_requests.kept(query.get("asked", ""), network.digest):
        session = replace(session, recipe=found[0], edits=found[1])
    return _place(session, network, query)


def _place(session: Session, network: Network, query: Mapping[str, str]) -> Session:
    """The session at the group, the layer and the filters that the link names."""
    name, layer = query.get("group", ""), query.get("layer", "")
    home = next((group for group in network.groups if layer in group.layers), None)
    group = next((group for group in network.groups if group.name == name), home)
    if group is None:
        return session
    return replace(
        session, group=group.name, layer=layer if group is home else "",
        selection=_units(query.get("selection"), group.size),
    )  # fmt: skip


def known_models() -> tuple[str, ...]:
    """The names that may stand for a network: the samples and the stored ones."""
    stored = (found.digest for found in model_store.stored_models(loaders.home()))
    return (*samples.sample_names(), *stored)


def text(session: Session) -> dict[str, str]:
    """The session as query parameters, without its defaults."""
    default = Session()
    found = {}
    if session.model != default.model:
        found["model"] = session.model
    if session.group:
        found["group"] = session.group
    if session.layer:
        found["layer"] = session.layer
    if session.selection and len(session.selection) <= _MOST_CHOSEN:
        found["selection"] = ".".join(str(unit) for unit in session.selection)
    if session.edits or session.recipe != Recipe(session.recipe.target_reduction):
        digest = loaders.network(session.model).digest
        found["asked"] = saved_requests.keep(digest, session.recipe, session.edits)
    elif session.recipe.target_reduction != default.recipe.target_reduction:
        found["target"] = f"{session.recipe.target_reduction:g}"
    return found


def write(session: Session) -> None:
    """Bring the address of the browser up to date; other parameters stay as they are."""
    try:
        wanted = text(session)
        wanted |= {"view": views.text(), "line": saved_sessions.keep()}
    except (SfpError, OSError):  # the network is gone, or the disk is full: the page says so
        return
    for name in _FIELDS:
        if not wanted.get(name):
            st.query_params.pop(name, None)
        elif st.query_params.get(name) != wanted[name]:
            st.query_params[name] = wanted[name]


def _recipe(target: str) -> Recipe:
    try:
        return Recipe(target_reduction=round(float(target), 4))
    except (ValueError, SfpError):
        return Recipe()


def _units(text: str | None, size: int) -> tuple[int, ...]:
    parts = (text or "").split(".")[:_MOST_CHOSEN]
    units = {int(part) for part in parts if part.isascii() and part.isdigit() and len(part) < 7}
    return tuple(sorted(unit for unit in units if unit < size))
