"""Why a group keeps so many filters: a sentence, the formula, and the group's numbers in it."""

from __future__ import annotations

import streamlit as st

from sfp_viz.core.allocation.explanation import WidthFormula, explain_width
from sfp_viz.core.allocation.reasons import WidthReason
from sfp_viz.core.network import Network
from sfp_viz.core.plan.request import Request
from sfp_viz.text.plan.widths import width_latex, width_numbers, width_sentence
from sfp_viz.ui import problems
from sfp_viz.ui.cached import planned
from sfp_viz.ui.plan.widths import Widths
from sfp_viz.ui.recipe import request_edits, training_reasons
from sfp_viz.ui.session import state


def width_reason(network: Network, request: Request, widths: Widths) -> None:
    """Draw why the selected group has its width, or its suggested width if it was set manually.

    Args:
        network: The network.
        request: Recipe and edits.
        widths: The widths that are drawn.
    """
    group = planned.group_of(state.session())
    if group is None or request_edits.is_fixed(group, request.edits):
        return
    kept = widths.kept.get(group.name, group.size)
    if text := training_reasons.sentence(group, kept, request.edits):
        st.markdown("**Why this width?**")
        st.write(text)
        return
    held = request_edits.is_held(group.name, request.edits)
    explanation = reason(request, widths, group.name)
    st.markdown("**Why this suggestion?**" if held else "**Why this width?**")
    st.write(problems.plain(width_sentence(explanation)))
    if latex := width_latex(explanation):
        st.latex(aligned_latex(latex))
    if numbers := width_numbers(explanation):
        with st.expander("Numbers in the formula"):
            st.table({"Value": dict(numbers)}, border="horizontal")


def aligned_latex(formula: str) -> str:
    """A chain of equalities with each on a line of its own, for a narrow column."""
    left_side, *terms = formula.split(" = ")
    lines = (
        [rf"{left_side} &= {terms[0]}", *(f"&= {right_side}" for right_side in terms[1:])]
        if terms
        else [left_side]
    )
    return r"\begin{aligned}" + r" \\ ".join(lines) + r"\end{aligned}"


def reason(request: Request, widths: Widths, group: str) -> WidthReason | WidthFormula:
    """Why a group has its suggested width, given the manual widths of the other groups.

    Args:
        request: Recipe and edits.
        widths: The widths that are drawn.
        group: Name of the group.
    """
    held = request_edits.is_held(group, request.edits)
    if held:
        request = request_edits.without_widths(request)
    problem = planned.problem(state.session().model, request)
    return explain_width(problem, widths.suggested if held else widths.kept, group)
