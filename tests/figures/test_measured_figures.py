"""Sensitivity and trust as pictures: what is measured, what is estimated, what stands out."""

from __future__ import annotations

import pytest

from sfp_viz import figures
from sfp_viz.core.comparison.trust import Draw, Trust
from sfp_viz.core.evidence.sensitivity import Sensitivity, collect_sensitivity, losses
from sfp_viz.core.measurement import wilson
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.figures import theme


@pytest.fixture
def known(two_groups) -> Sensitivity:
    points = [("", 0, 900), ("a", 6, 870), ("a", 4, 800), ("b", 3, 600)]
    return collect_sensitivity(two_groups, Recipe(), points, data="d, test", images=1000)


def test_each_group_has_a_chart_with_measured_points_and_their_intervals(known):
    figure = figures.sensitivity_curves(known, chosen="b")
    lines = [t for t in figure.data if t.mode == "lines"]
    dots = [t for t in figure.data if t.mode == "markers"]
    assert len(lines) == len(dots) == 2
    assert list(dots[0].x) == [25, 50]
    assert list(dots[0].y) == [87, 80]
    low, high = wilson(870, 1000)
    assert dots[0].error_y.array[0] == pytest.approx(100 * high - 87)
    assert dots[0].error_y.arrayminus[0] == pytest.approx(87 - 100 * low)
    assert [line.line.color for line in lines] == [theme.GREY, theme.PALETTE[0]]
    assert {note.text for note in figure.layout.annotations} >= {"a", "b"}


def test_the_line_meets_what_was_measured_and_starts_at_the_whole_network(known):
    line = figures.sensitivity_curves(known).data[0]
    assert line.y[0] == 90
    assert line.y[4] == pytest.approx(80)
    assert len(line.x) == 8


def test_a_plan_is_marked_where_it_cuts(known):
    marks = figures.sensitivity_curves(known, kept={"a": 5, "b": 6}).data
    there = [t for t in marks if t.marker.symbol == "line-ns"]
    assert [list(t.x) for t in there] == [[37.5], [0]]
    assert there[0].y[0] == pytest.approx(90 - losses(known, "a")[3])


def test_nothing_measured_is_a_sentence(known):
    bare = Sensitivity("x", "d", 10, 9, Recipe(), {})
    assert "No group" in figures.sensitivity_curves(bare).layout.annotations[0].text
    trust = Trust("x", "d", 10, Recipe(), ())
    assert "No plan" in figures.predicted_against_measured(trust).layout.annotations[0].text


def drawn(kind: str, units: int, damage: float, right: int | None) -> Draw:
    return Draw(kind, (("a", units),), 100.0, (("dispersion", damage),), right)


def test_the_suggestion_and_uniform_stand_out_from_the_drawn_plans():
    draws = (
        drawn("suggestion", 4, 1.0, 900),
        drawn("uniform", 5, 2.0, 800),
        drawn("functional", 5, 1.2, 860),
        drawn("mild", 6, 1.5, 850),
        drawn("wild", 7, 3.0, 700),
        drawn("wild", 8, 3.5, None),
    )
    figure = figures.predicted_against_measured(Trust("x", "d", 1000, Recipe(), draws))
    by_name = {trace.name: trace for trace in figure.data}
    assert list(by_name["suggested plan"].y) == [90]
    assert by_name["suggested plan"].marker.color == theme.PALETTE[0]
    assert list(by_name["uniform"].x) == [2.0]
    assert list(by_name["by functional redundancy"].x) == [1.2]
    assert list(by_name["plans further away"].x) == [3.0]  # what was not measured is not drawn
    assert "rank correlation 1.00" in figure.layout.annotations[0].text
