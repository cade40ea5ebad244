"""Two plans of one network side by side: only what differs between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from sfp_viz.core.comparison.plan_diff import Change, Differences, differences
from sfp_viz.core.network import Network
from sfp_viz.core.plan import recipe as recipes
from sfp_viz.core.plan.plan import Plan, plan_from_json
from sfp_viz.core.plan.request import Request
from sfp_viz.errors import PlanError
from sfp_viz.text.names import join_names
from sfp_viz.text.numbers import change, count, size
from sfp_viz.text.recipe import CHOICE_NAMES, FIELD_LABELS
from sfp_viz.ui import problems
from sfp_viz.ui.cached import planned
from sfp_viz.ui.navigation import steps_panel
from sfp_viz.ui.session import state

_FILES = "compared files"  # session_state: opened plan files by their name
_MOST_FILES = 8


@dataclass(frozen=True)
class Side:
    """One plan that can be chosen: its ``label`` and, for a step of the tree, its id."""

    label: str
    plan: Plan | None
    step: int | None = None


def page(network: Network) -> None:
    """Choose two plans; see what differs."""
    sides = choices(network)
    names = list(sides)
    first, second = defaults(names)
    st.markdown("Two plans of this network, and only what differs between them.")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        a = _choose("Plan A", "compare a", sides, names.index(first))
        b = _choose("Plan B", "compare b", sides, names.index(second))
        with st.popover("Open a plan", icon=":material/folder_open:"):
            _open_file(network)
    with problems.stopping():
        plan_a, plan_b = plan_of(a), plan_of(b)
        found = differences(plan_a, plan_b, network)
    _costs(network, found, (a, plan_a), (b, plan_b))
    if not found:
        st.info("The two plans are the same: the same recipe, the same filters go.")
        return
    _groups(found)
    _wishes(found)


def choices(network: Network) -> dict[str, Side]:
    """Every plan there is to compare, by a name: steps, the plain way, opened files."""
    now = state.session()
    found = {
        f"step {step.id}": Side(steps_panel.step_label(step), None, step.id)
        for step in reversed(state.tree().steps)
        if step.model == now.model
    }
    found["uniform"] = Side(f"Uniform L1, target {100 * now.recipe.target_reduction:.3g} %", None)
    opened: Mapping[str, Plan] = st.session_state.get(_FILES, {})
    for name, plan in opened.items():
        if plan.digest == network.digest:
            found[f"file {name}"] = Side(f"File {name}", plan)
    return found


def defaults(names: list[str]) -> tuple[str, str]:
    """The step before and the step now; the plain way where there is one step alone."""
    at = state.session().step
    step = state.tree().step(at)
    before = f"step {step.parent}" if step else ""
    return before if before in names else "uniform", f"step {at}"


def plan_of(side: Side) -> Plan:
    """The plan of a side. Raises PlanError when its target is out of reach."""
    now = state.session()
    if side.plan is not None:
        return side.plan
    if side.step is None:
        return planned.plan(now.model, Request(recipes.uniform_l1(now.recipe.target_reduction)))
    step = state.tree().step(side.step)
    if step is None:
        raise PlanError("This step is no longer known. Choose another plan.")
    return planned.plan(step.model, step.request)


def opened(network: Network, name: str, content: bytes) -> None:
    """Keep an opened plan for comparing. Raises PlanError when it does not fit."""
    try:
        plan = plan_from_json(content.decode())
    except UnicodeDecodeError as problem:
        raise PlanError("The file is no text, so it holds no plan.") from problem
    differences(plan, plan, network)  # refuses one of other weights, or of filters that are not
    files = st.session_state.get(_FILES, {})
    kept = dict([*files.items()][-(_MOST_FILES - 1) :])
    st.session_state[_FILES] = {**kept, name[:60]: plan}


def _choose(label: str, key: str, sides: Mapping[str, Side], index: int) -> Side:
    """A list of plans; it goes back to its default when the steps have changed."""
    name = st.selectbox(
        label, list(sides), index, key=f"{key} {state.revision()}",
        format_func=lambda one: sides[one].label if one in sides else "",
    )  # fmt: skip
    return sides[str(name)]


def _open_file(network: Network) -> None:
    file = st.file_uploader("A plan file of ours", type=["json"], max_upload_size=16)
    if file is not None and file.file_id != st.session_state.get("compared file"):
        with problems.shown():
            opened(network, file.name, file.getvalue())
            st.session_state["compared file"] = file.file_id
            st.rerun()


def _costs(network: Network, found: Differences, *sides: tuple[Side, Plan]) -> None:
    (a, plan_a), (b, plan_b) = sides
    rows = [
        ("MACs", count, "macs"), ("Params", count, "params"),
        ("Peak of activations", size, "peak_activation_bytes"),
    ]  # fmt: skip
    whole = planned.budget(
        state.session().model, Request(replace(plan_a.recipe, target_reduction=0.0))
    )
    table = [
        {
            "Computed": name,
            "Unpruned": said(getattr(whole.before, field)),
            "A": said(getattr(found.cost_a, field)),
            "B": said(getattr(found.cost_b, field)),
            "B against A": change(getattr(found.cost_a, field), getattr(found.cost_b, field)),
        }
        for name, said, field in rows
    ]
    with st.container(border=True):
        right = st.column_config.TextColumn(alignment="right")
        _table(table, dict.fromkeys(("Unpruned", "A", "B", "B against A"), right))
        st.caption(f"A is plan {plan_a.hash[:6]}, B is plan {plan_b.hash[:6]}.")
        with st.container(horizontal=True):
            for letter, side in (("A", a), ("B", b)):
                if side.step is not None and side.step != state.session().step:
                    st.button(
                        f"Go on with {letter}", key=f"go {letter}", on_click=state.go_to_step,
                        args=(side.step,), icon=":material/arrow_forward:",
                    )  # fmt: skip


def _groups(found: Differences) -> None:
    if not found.groups:
        st.caption("Every group loses the same filters.")
        return
    st.subheader("Groups that are cut differently")
    bar = st.column_config.ProgressColumn
    _table(
        [
            {
                "Group": one.group,
                "Filters": one.size,
                "A keeps": one.kept_a,
                "share A": 100 * one.kept_a / one.size,
                "B keeps": one.kept_b,
                "share B": 100 * one.kept_b / one.size,
                "Gone only in A": units(one.only_a),
                "Gone only in B": units(one.only_b),
            }
            for one in found.groups
        ],
        {
            "Group": st.column_config.TextColumn(pinned=True),
            "share A": bar("", format="%.0f %%", min_value=0, max_value=100, color="gray"),
            "share B": bar("", format="%.0f %%", min_value=0, max_value=100),
        },
    )


def _wishes(found: Differences) -> None:
    rows = [row(one) for one in (*found.recipe, *found.edits)]
    if rows:
        st.subheader("Recipe and changes by hand that differ")
        _table([{"What": what, "A": a, "B": b} for what, a, b in rows], {})


def _table(rows: list[dict[str, Any]], columns: dict[str, Any]) -> None:
    import pandas as pd

    height = "content" if len(rows) < 14 else 460
    st.dataframe(pd.DataFrame(rows), hide_index=True, column_config=columns, height=height)


_EDITS = {
    "ratio": "removed by hand",
    "locked": "left whole",
    "clusters": "clusters by hand",
    "kept": "kept by hand",
    "removed": "removed by hand",
    "minimum": "keeps at least",
    "maximum": "keeps at most",
    "makeup": "The others make up for changes by hand",
}


def row(one: Change) -> tuple[str, str, str]:
    """(what, value in A, value in B) of one difference."""
    if not one.group and one.what not in _EDITS:
        label = FIELD_LABELS.get(one.what, one.what.replace("_", " ").capitalize())
        return label, _choice(one.what, one.a), _choice(one.what, one.b)
    what = f"{one.group}: {_EDITS[one.what]}" if one.group else _EDITS[one.what]
    return what, _edit(one.what, one.a), _edit(one.what, one.b)


def units(numbers: Sequence[int], *, most: int = 12) -> str:
    """Filters by their numbers: '3, 7, 20', of many only how many more."""
    shown = ", ".join(str(unit) for unit in numbers[:most])
    more = len(numbers) - most
    return f"{shown} and {more} more" if more > 0 else shown


def _choice(what: str, value: object) -> str:
    if what in ("target_reduction", "max_ratio") and isinstance(value, float):
        return f"{100 * value:.4g} %"
    if isinstance(value, float):
        return f"{value:g}"
    return CHOICE_NAMES.get(what, {}).get(str(value), str(value))


def _edit(what: str, value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if what == "ratio" and isinstance(value, float):
        return f"{100 * value:.3g} % of its filters"
    if what == "clusters" and isinstance(value, tuple):
        return f"{len({label for label in value if label >= 0})} clusters"
    if isinstance(value, tuple):
        return join_names([str(unit) for unit in value], most=8)
    return f"{value} filters"
