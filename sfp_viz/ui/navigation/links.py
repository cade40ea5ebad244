"""Links that restore the view: the session as query parameters, every field checked.

Defaults leave no trace in the address. A link carries recipe and edits (request_code.py), so that
any workspace that has the network makes the plan again; edits that are too long for it are saved in
the workspace, and the link names them by their hash. What a link names and the workspace does not
have is said. The address also names the saved session (saved_sessions.py), for a reload; 'Copy
link' leaves it out, so the steps are not shared.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import streamlit as st

from sfp_viz.core.network import Network
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.errors import SfpError
from sfp_viz.nets.io import model_store, samples
from sfp_viz.ui.cached import known_runs, loaders
from sfp_viz.ui.navigation import (
    notices,
    request_code,
    saved_requests,
    saved_sessions,
    steps_panel,
)
from sfp_viz.ui.session import state, view_options
from sfp_viz.ui.session.state import Session

_DIGEST = re.compile(r"[\w.-]{1,60}")
_MOST_SELECTED = 64  # filters in a link; a larger selection is left out
_FIELDS = ("model", "group", "layer", "selection", "target", "plan", "asked", "view", "line")


def open_link(query: Mapping[str, str]) -> None:
    """Begin a browser session with the query parameters of its address."""
    session, unknown = from_query(query)
    view_options.apply_query(query.get("view", ""))
    if not saved_sessions.resume(query.get("line", ""), session):
        state.start(session)
    notices.notify([*unknown, *_unknown_runs(query.get("runs", ""), session)])


def from_query(query: Mapping[str, str]) -> tuple[Session, tuple[str, ...]]:
    """The session of a link, and sentences on what it names and this workspace does not have.

    Whatever is invalid falls back to its default.
    """
    model = query.get("model", "")
    if model and model not in known_models():
        name = f" '{model}'" if _DIGEST.fullmatch(model) else ""
        title = steps_panel.network_title(Session().model)
        return Session(), (
            f"The network{name} of this link is not in this workspace, so the sample '{title}' is "
            "shown. Open the file of that network first, then the link again.",
        )
    session = Session(model=model or Session().model, recipe=_recipe(query.get("target", "")))
    try:
        network = loaders.network(session.model)
    except SfpError as problem:
        sentence = f"The network of this link cannot be read: {problem}"
        return Session(recipe=session.recipe), (sentence,)
    session, unknown = _with_request(session, network, query)
    session = _with_place(session, network, query)
    name = query.get("group", "") or query.get("layer", "")
    if name and not session.group:
        unknown = (*unknown, "This network does not have the layer that the link names.")
    return session, unknown


def _with_request(
    session: Session, network: Network, query: Mapping[str, str]
) -> tuple[Session, tuple[str, ...]]:
    """The session with the recipe and edits of a link, and what of them is unknown here."""
    name, code = query.get("asked", ""), query.get("plan", "")
    if request := saved_requests.load(name, network.digest):
        return replace(session, recipe=request[0], edits=request[1]), ()
    missing = ("The manual changes of this link are not in this workspace; it shows the recipe "
               "without them.",) if name else ()  # fmt: skip
    if not code:
        missing = ("The plan of this link is not in this workspace, so another one is shown.",)
        return session, missing if name else ()
    try:
        recipe, edits = request_code.decode(code, network)
    except SfpError:
        return session, (
            "The plan of this link cannot be read or does not fit this network, so another one is "
            "shown.",
        )
    return replace(session, recipe=recipe, edits=edits), missing


def _unknown_runs(text: str, session: Session) -> tuple[str, ...]:
    """A sentence where a link names runs that this workspace does not have for the network."""
    names = [name for name in text[:600].split(".") if name]
    if not names:
        return ()
    try:
        known = {run.id for run in known_runs.runs_of(loaders.digest(session.model))}
    except SfpError:
        known = set()
    if not (lost := sum(name not in known for name in names)):
        return ()
    which = "The run" if len(names) == 1 else f"{lost} of the {len(names)} runs"
    verb = "is" if lost == 1 else "are"
    return (f"{which} of this link {verb} not in this workspace.",)


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
        code = request_code.encode(session.recipe, session.edits)
        if session.edits and request_code.encode(session.recipe, None) == code:  # they are too long
            digest = loaders.network(session.model).digest
            query["asked"] = saved_requests.save(digest, session.recipe, session.edits)
        if code:
            query["plan"] = code
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
