"""The chart of the Compare page and its table; both select points."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from sfp_viz.core.comparison.tradeoff import Axis, Point, cost_on, reduction_of, standings_by_key
from sfp_viz.figures.tradeoff.marks import View
from sfp_viz.runs.results.points import best_epoch_text
from sfp_viz.runs.results.summary import Summary
from sfp_viz.text.numbers import count, percent
from sfp_viz.text.pareto import STANDINGS
from sfp_viz.ui import problems

CHOSEN = "compare chosen"  # session_state: the keys of the selected points
_REPORTED = "compare reported"  # session_state: the last report of each widget, by its key


def selected_points(points: Sequence[Point]) -> tuple[Point, ...]:
    """The selected points among ``points``, in order of selection."""
    by_key = {point.key: point for point in points}
    keys = dict.fromkeys(st.session_state.get(CHOSEN, ()))
    return tuple(by_key[key] for key in keys if key in by_key)


def choose(*keys: str) -> None:
    """Select the points with these keys, and no others."""
    st.session_state[CHOSEN] = tuple(dict.fromkeys(key for key in keys if key))


def chart(picture: View, points: Sequence[Point], axis: Axis) -> None:
    """Draw the chart; a click selects a point, with Shift another one.

    Args:
        picture: What is drawn.
        points: The points on it.
        axis: Its cost axis.
    """
    from sfp_viz.figures.theme import for_app
    from sfp_viz.figures.tradeoff.tradeoff import tradeoff

    key = f"tradeoff {axis} {picture.turned} {_short(repr(picture.marks))}"

    def select() -> None:
        selected = st.session_state[key]["selection"]["points"]
        _report(key, [_key_of(point) for point in selected])

    st.plotly_chart(
        for_app(tradeoff(picture)), key=key, alt=_alt(picture, points), on_select=select,
        selection_mode="points",
        config={"displaylogo": False, "modeBarButtons": [["toImage"]]},
    )  # fmt: skip


def table(points: Sequence[Point], runs: Mapping[str, Summary], axis: Axis) -> None:
    """Draw the points as rows, the best first; selecting rows selects the points.

    Args:
        points: The points.
        runs: Their runs, by the key of the point.
        axis: The cost axis of the front.
    """
    import pandas as pd

    ordered = sorted(points, key=lambda p: -p.accuracy)
    keys = [point.key for point in ordered]
    key = f"compare rows {axis} {_short(' '.join(keys))}"
    standings = standings_by_key(points, axis)

    def select() -> None:
        rows = st.session_state[key]["selection"]["rows"]
        _report(key, [keys[row] for row in rows if row < len(keys)])

    front = [p for p in points if standings.get(p.key) == "front"]
    places = Counter((cost_on(p, axis), p.accuracy) for p in front)
    ties = {p.key for p in front if places[cost_on(p, axis), p.accuracy] > 1}
    rows = [_row(p, runs.get(p.key), standings, axis, tied=p.key in ties) for p in ordered]
    number, percent_format = st.column_config.NumberColumn, "%.1f %%"
    st.dataframe(
        pd.DataFrame(rows), key=key, hide_index=True, on_select=select, placeholder="",
        selection_mode="multi-row", height="content" if len(rows) < 14 else 460,
        column_config={
            "MACs": number("MACs (computed)", format="localized"),
            "Params": number("Params (computed)", format="localized"),
            "Share of MACs": number(format=percent_format),
            "Latency": number("Latency, ms (measured)", format="%.3g"),
            "Accuracy": number("Accuracy (measured)", format=percent_format),
            "from": number("95 % interval from", format=percent_format),
            "to": number(format=percent_format),
            "Best epoch": number(
                format=percent_format,
                help="The best epoch was chosen on the test images, so it is slightly optimistic.",
            ),
        },
    )  # fmt: skip


def _row(
    point: Point, run: Summary | None, standings: Mapping[str, str], axis: Axis, *, tied: bool
) -> dict[str, Any]:
    reduction = reduction_of(point, "macs")
    row = {
        "Network": point.label,
        "MACs": point.macs,
        "Share of MACs": None if reduction is None else 100 * (1 - reduction),
        "Params": point.params or None,
        "Latency": cost_on(point, "latency"),
        "Accuracy": 100 * point.accuracy,
        "from": 100 * point.interval[0] if point.interval else None,
        "to": 100 * point.interval[1] if point.interval else None,
        "Best epoch": 100 * run.best if run and best_epoch_text(run) else None,
        "Front": STANDINGS.get(standings.get(point.key, ""), "") + (", tied" if tied else ""),
        "Run": run.id if run else "",
    }
    return row if axis == "latency" else {k: v for k, v in row.items() if k != "Latency"}


def _report(key: str, keys: list[str]) -> None:
    """Select what a widget reports, unless it reported the same before."""
    reported = st.session_state.setdefault(_REPORTED, {})
    if reported.get(key, []) != keys:  # an interrupted run reports again
        st.session_state[_REPORTED] = {key: keys}
        choose(*keys)


def _key_of(point: Mapping[str, Any]) -> str:
    data = point.get("customdata") or [""]
    return str(data[0] if isinstance(data, list) else data.get("0", ""))


def _alt(picture: View, points: Sequence[Point]) -> str:
    tuned = [p for p in points if p.stage == "fine-tuned"]
    best = max(tuned, key=lambda p: p.accuracy, default=None)
    text = f"{picture.y_title} against {picture.x_title}, {len(picture.marks)} points."
    if best:
        text += f" Best after fine-tuning: {percent(best.accuracy)} with {count(best.macs)} MACs."
    return problems.plain(text).replace("\\", "")


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
