"""Recipe and plan as files: taken along, and brought back."""

from __future__ import annotations

import streamlit as st

from sfp_viz.core.network import Network
from sfp_viz.core.plan.plan import Plan, plan_from_json, plan_json, recipe_from_json, recipe_json
from sfp_viz.errors import PlanError, SfpError
from sfp_viz.ui import problems
from sfp_viz.ui.cached import planned
from sfp_viz.ui.session import state


def recipe_files(network: Network) -> None:
    """Buttons that hand out the recipe and the plan, and a place to open one."""
    st.markdown("**Take along**")
    with st.container(horizontal=True):
        recipe_button(network)
        plan_button(network)
    st.caption(
        "The recipe says how to choose and fits any network. The plan names the exact filters of "
        "these exact weights."
    )
    st.markdown("**Open a recipe or a plan**")
    file = st.file_uploader(
        "A JSON file of ours",
        type=["json"],
        key=f"plan_file_{state.revision()}",
        max_upload_size=16,
    )
    if file is not None:
        with problems.shown():
            opened(network, file.getvalue())


def recipe_button(network: Network, plan: Plan | None = None) -> None:
    """Download of the recipe: of ``plan``, else of the session."""
    st.download_button(
        "Recipe",
        recipe_json(plan.recipe if plan else state.session().recipe),
        file_name=f"{network.name}.recipe.json",
        mime="application/json",
        key="take_recipe",
        on_click="ignore",
        icon=":material/download:",
    )


def plan_button(network: Network, plan: Plan | None = None) -> None:
    """Download of ``plan``, else of the session's, which is made when it is clicked.

    Off when there is no plan because the target is out of reach.
    """
    now = state.session()
    key, request = now.model, now.request  # the click comes from another thread
    st.download_button(
        "Plan",
        lambda: plan_json(plan or planned.plan(key, request)),
        file_name=f"{network.name}.plan.json",
        mime="application/json",
        key="take_plan",
        disabled=plan is None and planned.budget(key, request).after is None,
        on_click="ignore",
        icon=":material/download:",
    )


def opened(network: Network, content: bytes) -> None:
    """Put an opened recipe or plan into the session. Raises PlanError when it is neither."""
    try:
        text = content.decode()
    except UnicodeDecodeError as problem:
        raise PlanError("The file is no text, so it holds no recipe and no plan.") from problem
    now = state.session()
    if (found := _recipe_in(text)) is not None:
        after = {"recipe": found}
    else:
        plan = plan_from_json(text)
        if plan.digest != network.digest:
            raise PlanError(
                f"The plan was made for other weights ({plan.digest}, here {network.digest}). "
                "Open the network it belongs to; its recipe alone fits any network."
            )
        after = {"recipe": plan.recipe, "edits": plan.edits}
    if all(getattr(now, name) == (value or None) for name, value in after.items()):
        st.caption("That is what is in use already.")
        return
    state.change(**after)
    st.rerun()


def _recipe_in(text: str):
    try:
        return recipe_from_json(text)
    except SfpError:
        return None
