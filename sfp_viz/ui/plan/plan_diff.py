"""Two plans of one network side by side: only their differences."""

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
    """A plan to choose: its ``label`` and, for a step of the tree, its id."""

    label: str
    plan: Plan | None
    step: int | None = None


def page(network: Network) -> None:
    """Choose two plans and see their differences."""
    sides = choices(network)
    names = list(sides)
    default_a, default_b = defaults(names)
    st.markdown("The differences between two plans of this network.")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        a = _choose("Plan A", "compare a", sides, names.index(default_a))
        b = _choose("Plan B", "compare b", sides, names.index(default_b))
        with st.popover("Open a plan", icon=":material/folder_open:"):
            _open_file(network)
    with problems.catch_and_stop():
        plan_a, plan_b = plan_of(a), plan_of(b)
        diff = differences(plan_a, plan_b, network)
    _costs(diff, (a, plan_a), (b, plan_b))
    if not diff:
        st.info("The two plans are identical: same recipe, same pruned filters.")
        return
    _groups(diff)
    _settings(diff)


def choices(network: Network) -> dict[str, Side]:
    """Every plan that can be compared, by a name: steps, uniform L1, opened files."""
    session = state.session()
    sides = {
        f"step {step.id}": Side(steps_panel.step_label(step), None, step.id)
        for step in reversed(state.tree().steps)
        if step.model == session.model
    }
    sides["uniform"] = Side(
        f"Uniform L1, target {100 * session.recipe.target_reduction:.3g} %", None
    )
    opened: Mapping[str, Plan] = st.session_state.get(_FILES, {})
    for name, plan in opened.items():
        if plan.digest == network.digest:
            sides[f"file {name}"] = Side(f"File {name}", plan)
    return sides


def defaults(names: list[str]) -> tuple[str, str]:
    """The previous and the current step; uniform L1 and the current step where it is the first."""
    current = state.session().step
    step = state.tree().step(current)
    before = f"step {step.parent}" if step else ""
    return before if before in names else "uniform", f"step {current}"


def plan_of(side: Side) -> Plan:
    """The plan of a side.

    Raises:
        PlanError: its target is out of reach, or its step is gone.
    """
    session = state.session()
    if side.plan is not None:
        return side.plan
    if side.step is None:
        return planned.plan(
            session.model, Request(recipes.uniform_l1(session.recipe.target_reduction))
        )
    step = state.tree().step(side.step)
    if step is None:
        raise PlanError("This step no longer exists. Choose another plan.")
    return planned.plan(step.model, step.request)


def open_plan(network: Network, name: str, content: bytes) -> None:
    """Keep an opened plan for comparing.

    Args:
        network: The network on the screen.
        name: Name of the file.
        content: Its bytes.

    Raises:
        PlanError: it is no plan of this network.
    """
    try:
        plan = plan_from_json(content.decode())
    except UnicodeDecodeError as problem:
        raise PlanError("The file is not text, so it is no plan.") from problem
    differences(plan, plan, network)  # refuses other weights and unknown filters
    files = st.session_state.get(_FILES, {})
    newest = dict([*files.items()][-(_MOST_FILES - 1) :])
    st.session_state[_FILES] = {**newest, name[:60]: plan}


def _choose(label: str, key: str, sides: Mapping[str, Side], index: int) -> Side:
    """A list of plans; it returns to its default when the steps have changed."""
    name = st.selectbox(
        label, list(sides), index, key=f"{key} {state.revision()}",
        format_func=lambda name: sides[name].label if name in sides else "",
    )  # fmt: skip
    return sides[str(name)]


def _open_file(network: Network) -> None:
    file = st.file_uploader("Plan file (JSON)", type=["json"], max_upload_size=16)
    if file is not None and file.file_id != st.session_state.get("compared file"):
        with problems.catch():
            open_plan(network, file.name, file.getvalue())
            st.session_state["compared file"] = file.file_id
            st.rerun()


def _costs(diff: Differences, *sides: tuple[Side, Plan]) -> None:
    (a, plan_a), (b, plan_b) = sides
    rows = [
        ("MACs", count, "macs"), ("Params", count, "params"),
        ("Peak activation memory", size, "peak_activation_bytes"),
    ]  # fmt: skip
    unpruned = planned.cost(
        state.session().model, Request(replace(plan_a.recipe, target_reduction=0.0))
    )
    table = [
        {
            "Computed": name,
            "Unpruned": format_value(getattr(unpruned.before, field)),
            "A": format_value(getattr(diff.cost_a, field)),
            "B": format_value(getattr(diff.cost_b, field)),
            "B vs. A": change(getattr(diff.cost_a, field), getattr(diff.cost_b, field)),
        }
        for name, format_value, field in rows
    ]
    with st.container(border=True):
        right = st.column_config.TextColumn(alignment="right")
        _table(table, dict.fromkeys(("Unpruned", "A", "B", "B vs. A"), right))
        st.caption(f"A is plan {plan_a.hash[:6]}, B is plan {plan_b.hash[:6]}.")
        with st.container(horizontal=True):
            for letter, side in (("A", a), ("B", b)):
                if side.step is not None and side.step != state.session().step:
                    st.button(
                        f"Continue with {letter}", key=f"go {letter}", on_click=state.go_to_step,
                        args=(side.step,), icon=":material/arrow_forward:",
                    )  # fmt: skip


def _groups(diff: Differences) -> None:
    if not diff.groups:
        st.caption("The same filters are pruned in every group.")
        return
    st.subheader("Groups pruned differently")
    bar = st.column_config.ProgressColumn
    _table(
        [
            {
                "Group": group.group,
                "Filters": group.size,
                "A keeps": group.kept_a,
                "share A": 100 * group.kept_a / group.size,
                "B keeps": group.kept_b,
                "share B": 100 * group.kept_b / group.size,
                "Pruned only in A": units(group.only_a),
                "Pruned only in B": units(group.only_b),
            }
            for group in diff.groups
        ],
        {
            "Group": st.column_config.TextColumn(pinned=True),
            "share A": bar("", format="%.0f %%", min_value=0, max_value=100, color="gray"),
            "share B": bar("", format="%.0f %%", min_value=0, max_value=100),
        },
    )


def _settings(diff: Differences) -> None:
    rows = [row(difference) for difference in (*diff.recipe, *diff.edits)]
    if rows:
        st.subheader("Differences in recipe and manual changes")
        _table([{"Setting": setting, "A": a, "B": b} for setting, a, b in rows], {})


def _table(rows: list[dict[str, Any]], columns: dict[str, Any]) -> None:
    import pandas as pd

    height = "content" if len(rows) < 14 else 460
    st.dataframe(pd.DataFrame(rows), hide_index=True, column_config=columns, height=height)


_EDITS = {
    "ratio": "share pruned, set manually",
    "locked": "not pruned",
    "clusters": "clusters set manually",
    "kept": "kept manually",
    "removed": "removed manually",
    "minimum": "keeps at least",
    "maximum": "keeps at most",
    "makeup": "Other groups adjust to manual changes",
}


def row(difference: Change) -> tuple[str, str, str]:
    """(setting, value in A, value in B) of one difference."""
    field = difference.what
    if not difference.group and field not in _EDITS:
        label = FIELD_LABELS.get(field, field.replace("_", " ").capitalize())
        return label, _choice(field, difference.a), _choice(field, difference.b)
    label = f"{difference.group}: {_EDITS[field]}" if difference.group else _EDITS[field]
    return label, _edit(field, difference.a), _edit(field, difference.b)


def units(numbers: Sequence[int], *, most: int = 12) -> str:
    """Filters by their numbers: '3, 7, 20 and 5 more'.

    Args:
        numbers: Numbers of the filters.
        most: How many are listed at most.
    """
    shown = ", ".join(str(unit) for unit in numbers[:most])
    more = len(numbers) - most
    return f"{shown} and {more} more" if more > 0 else shown


def _choice(field: str, value: object) -> str:
    if field in ("target_reduction", "max_ratio") and isinstance(value, float):
        return f"{100 * value:.4g} %"
    if isinstance(value, float):
        return f"{value:g}"
    return CHOICE_NAMES.get(field, {}).get(str(value), str(value))


def _edit(field: str, value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if field == "ratio" and isinstance(value, float):
        return f"{100 * value:.3g} % of its filters"
    if field == "clusters" and isinstance(value, tuple):
        return f"{len({label for label in value if label >= 0})} clusters"
    if isinstance(value, tuple):
        return join_names([str(unit) for unit in value], most=8)
    return f"{value} filters"
