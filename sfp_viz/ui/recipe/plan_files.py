"""Recipe and plan as files: download and upload."""

from __future__ import annotations

import streamlit as st

from sfp_viz.core.network import Network
from sfp_viz.core.plan.plan import (
    Plan,
    plan_from_json,
    plan_to_json,
    recipe_from_json,
    recipe_to_json,
)
from sfp_viz.errors import PlanError, SfpError
from sfp_viz.ui import problems
from sfp_viz.ui.cached import planned
from sfp_viz.ui.session import state


def recipe_files(network: Network) -> None:
    """Buttons that download the recipe and the plan, and a field to open one."""
    st.markdown("**Download**")
    with st.container(horizontal=True):
        recipe_button(network)
        plan_button(network)
    st.caption(
        "A recipe says how filters are chosen and fits any network. A plan lists the filters to "
        "prune and fits only these weights."
    )
    st.markdown("**Open a recipe or a plan**")
    file = st.file_uploader(
        "Recipe or plan file (JSON)",
        type=["json"],
        key=f"plan_file_{state.revision()}",
        max_upload_size=16,
    )
    if file is not None:
        with problems.catch():
            open_file(network, file.getvalue())


def recipe_button(network: Network, plan: Plan | None = None) -> None:
    """Draw the download of a recipe.

    Args:
        network: The network.
        plan: The plan whose recipe it is; None for that of the session.
    """
    st.download_button(
        "Recipe",
        recipe_to_json(plan.recipe if plan else state.session().recipe),
        file_name=f"{network.name}.recipe.json",
        mime="application/json",
        key="take_recipe",
        on_click="ignore",
        icon=":material/download:",
    )


def plan_button(network: Network, plan: Plan | None = None) -> None:
    """Draw the download of a plan.

    Args:
        network: The network.
        plan: The plan; None for that of the session, which is made on the click.
    """
    session = state.session()
    key, request = session.model, session.request  # the click comes from another thread
    st.download_button(
        "Plan",
        lambda: plan_to_json(plan or planned.plan(key, request)),
        file_name=f"{network.name}.plan.json",
        mime="application/json",
        key="take_plan",
        disabled=plan is None and planned.cost(key, request).after is None,
        on_click="ignore",
        icon=":material/download:",
    )


def open_file(network: Network, content: bytes) -> None:
    """Put an opened recipe or plan into the session.

    Args:
        network: The network on the screen.
        content: The bytes of the file.

    Raises:
        PlanError: it is neither, or the plan is of other weights.
    """
    try:
        text = content.decode()
    except UnicodeDecodeError as problem:
        raise PlanError("The file is not text, so it is no recipe or plan.") from problem
    if (recipe := _recipe_in(text)) is not None:
        fields = {"recipe": recipe}
    else:
        plan = plan_from_json(text)
        if plan.digest != network.digest:
            raise PlanError(
                f"The plan is for other weights ({plan.digest}; this network: {network.digest}). "
                "Open its network, or use its recipe, which fits any network."
            )
        fields = {"recipe": plan.recipe, "edits": plan.edits}
    session = state.session()
    if all(getattr(session, name) == (value or None) for name, value in fields.items()):
        st.caption("This file is already in use.")
        return
    state.change(**fields)
    st.rerun()


def _recipe_in(text: str):
    try:
        return recipe_from_json(text)
    except SfpError:
        return None
