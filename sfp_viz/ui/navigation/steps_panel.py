"""The steps on the screen: a small tree in the top bar; a click opens another plan."""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from sfp_viz.core.cost.cost import cost_of_widths
from sfp_viz.errors import SfpError
from sfp_viz.nets.io import samples
from sfp_viz.text.numbers import change
from sfp_viz.ui.cached import loaders, planned
from sfp_viz.ui.components.step_tree import Row, step_tree
from sfp_viz.ui.session import state, step_text
from sfp_viz.ui.session.tree import Step

SHOWN = 60  # the newest steps that are drawn


def steps_panel() -> None:
    """The tree of steps of this browser session, and a field to name the current step."""
    tree, current = state.tree(), state.session().step
    lanes, visible = tree.lanes(), tree.steps[-SHOWN:]
    by_id = tree.by_id
    rows = [
        Row(
            id=step.id, parent=step.parent, lane=lanes[step.id],
            words=change_text(by_id.get(step.parent), step), name=step.name,
            cost=macs_change(step), time=_clock(step.time), current=step.id == current,
        )
        for step in visible
    ]  # fmt: skip
    st.markdown("**Steps**")
    step_tree(rows, key="step_tree", on_go=state.go_to_step)
    if len(tree.steps) > len(visible):
        st.caption(f"The newest {len(visible)} of {len(tree.steps)} steps.")
    _name_field(by_id.get(current))
    st.caption("Click a step to return to it; Undo takes you back. Changes of MACs are computed.")


def _name_field(step: Step | None) -> None:
    if step is None:
        return
    key = f"step_name_{step.id}_{step.name}"

    def rename() -> None:
        if st.session_state[key] != step.name:
            state.name_step(step.id, st.session_state[key])

    st.text_input(
        "Name of this step", step.name, max_chars=40, key=key, on_change=rename,
        placeholder="for example, A",
    )  # fmt: skip


def change_text(before: Step | None, step: Step) -> str:
    """What a step changed, in a few words; raises nothing.

    Args:
        before: The step before it, None for the first one.
        step: The step.
    """
    try:
        if before is None or before.model != step.model:
            return f"{'Opened ' if before else ''}{network_title(step.model)}"
        network = loaders.network(step.model)
        kept = tuple(planned.widths_or_unpruned(s.model, s.request) for s in (before, step))
        return step_text.changes(network, before, step, kept)
    except SfpError:
        return "A deleted network"


def step_label(step: Step) -> str:
    """A step in a list of plans: its number, its name or what it changed, and its MACs."""
    text = step.name or change_text(state.tree().by_id.get(step.parent), step)
    return f"{step.id + 1}. {text}, {macs_change(step) or 'unpruned'}"


def macs_change(step: Step) -> str:
    """The change of MACs of a step, as '−50.0 %'; computed. A dash where its target is too high."""
    try:
        network = loaders.network(step.model)
        kept = planned.allocated_widths(step.model, step.request)
    except SfpError:
        return "–"
    return change(cost_of_widths(network, {}).macs, cost_of_widths(network, kept).macs)


def network_title(key: str) -> str:
    """A network's name for people.

    Raises:
        ModelError: the network is gone.
    """
    if key in samples.sample_names():
        return str(samples.sample_card(key).get("title", key))
    return loaders.network(key).name


def _clock(time: float) -> str:
    moment = datetime.fromtimestamp(time)
    today = moment.date() == datetime.now().date()
    return moment.strftime("%H:%M" if today else "%d %b")
