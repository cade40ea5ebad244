"""The bar above every page: the network, running jobs, costs before and after, undo, redo."""

from __future__ import annotations

from html import escape

import streamlit as st

from sfp_viz.core.cost.cost import Cost
from sfp_viz.core.evidence.evidence import missing_evidence
from sfp_viz.errors import SfpError
from sfp_viz.text.numbers import change, count
from sfp_viz.text.recipe import EVIDENCE_NAMES
from sfp_viz.ui import problems
from sfp_viz.ui.cached import evidence, loaders, planned
from sfp_viz.ui.components.copy_link import copy_link
from sfp_viz.ui.components.text_keys import text_keys
from sfp_viz.ui.navigation import notices, steps_panel
from sfp_viz.ui.runs import job_chip
from sfp_viz.ui.session import state

_STRIP = (
    "<style>.budget{display:flex;flex-wrap:wrap;gap:2px 22px;align-items:baseline;font-size:13px}"
    ".st-key-frame>div:first-child{min-width:min(100%,400px)}"  # narrow: the buttons go below
    "@media (max-width:640px),(hover:none){.st-key-frame kbd{display:none}}"  # no keys there
    ".budget b{font-weight:600}.budget i{font-style:normal;opacity:.72}"
    # the dark theme's accent is light: Streamlit's white on it would be 2.4:1
    ".stApp button[data-testid^=stBaseButton-primary]:enabled"
    "{color:light-dark(#fff,#0d1214)}</style>"
)


def top(page: str = "", title: str = "") -> None:
    """The bar above a page: network, running jobs and costs; undo, redo, steps and link.

    Args:
        page: Name of the page in the address.
        title: Its title, shown where the screen is so narrow that the page bar is folded away.
    """
    session = state.session()
    with st.container(horizontal=True, vertical_alignment="center", key="frame"):
        with st.container(gap=None, width="stretch"):
            try:
                with st.container(horizontal=True, vertical_alignment="center"):
                    name = problems.plain(steps_panel.network_title(session.model))
                    st.markdown(f"# {name}", width="content")
                    job_chip.chip(page)
                planned_cost = planned.cost(session.model, session.request)
                lacks = missing_evidence(session.recipe, evidence.evidence(session.model))
                free = bool(loaders.network(session.model).free)
                st.html(_STRIP + _name(title) + strip(planned_cost, free, lacks))
            except SfpError as problem:
                problems.show(problem)
            text_keys()
        with st.container(horizontal=True, vertical_alignment="center", width="content"):
            _steps()
    notices.show()


def _name(title: str) -> str:
    return (
        f'<style>@media (max-width:768px){{.st-key-frame h1::before{{content:"{escape(title)}";'
        "display:block;font-size:13px;font-weight:400;line-height:1.4;opacity:.72}}</style>"
        if title
        else ""
    )


def strip(
    planned_cost: planned.PlannedCost, free: bool = True, missing_evidence: tuple[str, ...] = ()
) -> str:
    """MACs and params, before and after, as one line of HTML.

    Args:
        budget: The planned cost.
        free: Whether something can be pruned.
        lacks: The evidence that the recipe needs and that is missing.
    """
    before, after = planned_cost.before, planned_cost.after
    if after is None:
        why = "target cannot be reached: see Plan" if free else "cannot be pruned: see Model"
        if not before.macs:  # weights without their network
            return '<div class="budget"><i>weights to explore: see Model</i></div>'
        if free and missing_evidence:
            evidence_names = " and ".join(EVIDENCE_NAMES[name] for name in missing_evidence)
            why = f"no plan without {evidence_names}: see Plan"
        return (
            f'<div class="budget"><span data-testid="budget-macs">{_cost_text("MACs", before)}'
            f"</span><i>{why}</i></div>"
        )
    return (
        '<div class="budget">'
        f'<span data-testid="budget-macs">{_cost_text("MACs", before, after)}</span>'
        f'<span data-testid="budget-params">{_cost_text("params", before, after)}</span>'
        "<i>planned, computed from channel counts</i></div>"
    )


def _cost_text(name: str, before: Cost, after: Cost | None = None) -> str:
    value = getattr(before, name.lower())
    if after is None:
        return f"{name} <b>{count(value)}</b>"
    planned_value = getattr(after, name.lower())
    difference = escape(change(value, planned_value))
    return f"{name} {count(value)} → <b>{count(planned_value)}</b> <i>{difference}</i>"


def _steps() -> None:
    history = state.history()
    st.button(
        "Undo", key="undo", on_click=state.undo, disabled=not history.past, type="tertiary",
        icon=":material/undo:", shortcut="Mod+Z",
    )  # fmt: skip
    st.button(
        "Redo", key="redo", on_click=state.redo, disabled=not history.future, type="tertiary",
        icon=":material/redo:", shortcut="Mod+Shift+Z",
    )  # fmt: skip
    panel = st.popover(
        "Steps", key="steps_open", type="tertiary", icon=":material/account_tree:",
        on_change="rerun", help="All plans of this session. Click one to return to it. "
        "In a text field, the Undo key undoes your typing.",
    )  # fmt: skip
    if panel.open:
        with panel:
            steps_panel.steps_panel()
    copy_link()
