"""Accuracy against cost: the same picture as a chart and as an SVG of our own."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from sfp_viz.core.comparison.published import published
from sfp_viz.core.comparison.tradeoff import Point, Whole
from sfp_viz.core.measurement import Measured
from sfp_viz.figures.tradeoff.marks import view
from sfp_viz.figures.tradeoff.svg import ticks, tradeoff_svg
from sfp_viz.figures.tradeoff.tradeoff import MOST_BARS, tradeoff

SVG = "{http://www.w3.org/2000/svg}"
WHOLE = Whole(macs=10_000_000, params=100_000, accuracy=0.95)


def point(key: str, macs: int, accuracy: float, **more) -> Point:
    asked = {"kind": "run", "stage": "fine-tuned", "whole": WHOLE, "images": 1000, **more}
    interval = (accuracy - 0.02, accuracy + 0.02)
    return Point(f"network {key}", macs, accuracy, interval, key=key, params=macs // 100, **asked)


POINTS = [
    point("a", 5_000_000, 0.94, kind="plan"),
    point("b", 5_000_000, 0.90, kind="uniform"),
    point("c", 3_000_000, 0.85, kind="random"),
    point("d", 4_000_000, 0.92, family="fpgm"),
    point("e", 4_500_000, 0.93, stage="one-shot"),
    point("whole", 10_000_000, 0.95, kind="unpruned", stage="unpruned"),
]
ROWS = [row for row in published() if row.subject == "ResNet-56 on CIFAR-10"]


def test_the_front_is_drawn_of_trained_networks_and_says_of_how_many():
    picture = view(POINTS)
    assert picture.among == 5  # not the one-shot one
    assert picture.front == ((3.0, 85.0), (4.0, 92.0), (5.0, 94.0), (10.0, 95.0))
    names = [trace.name for trace in tradeoff(picture).data]
    assert names[0] == "Pareto front of 5"
    assert {"this plan, fine-tuned", "uniform L1, fine-tuned", "unpruned"} <= set(names)
    assert "fpgm, fine-tuned" in names
    assert "other plans, one-shot" in names


def test_each_mark_carries_its_key_and_says_what_is_counted_and_measured():
    marks = {mark.key: mark for mark in view(POINTS).marks}
    assert marks.keys() == {"a", "b", "c", "d", "e", "whole"}
    text = " ".join(marks["a"].words)
    assert "5.00 M MACs, 50.0 k params, counted" in text
    assert "measured on 1,000 images" in text
    assert "−1.00 points compared with the unpruned" in text
    for trace in tradeoff(view(POINTS)).data[1:]:
        assert all(entry[0] in marks for entry in trace.customdata)


def test_a_one_shot_ring_is_seen_around_the_disc_of_the_same_plan():
    both = [point("disc", 5_000_000, 0.9, kind="plan")]
    both.append(point("ring", 5_000_000, 0.9, kind="plan", stage="one-shot"))
    sizes = {t.name: t.marker.size for t in tradeoff(view(both)).data if t.mode == "markers"}
    assert sizes["this plan, one-shot"] > sizes["this plan, fine-tuned"] + 3
    radii = [
        float(r) for r in re.findall(r'<g><title>.*? r="([\d.]+)"', tradeoff_svg(view(both)), re.S)
    ]
    assert max(radii) > 1.3 * min(radii)


def test_params_and_latency_are_axes_of_their_own():
    assert "params" in view(POINTS, axis="params").x_title
    timed = Measured(latency_ms=2.0, latency_iqr_ms=(1.9, 2.2), batch=1, threads=2, device="cpu")
    slow = point("slow", 9_000_000, 0.9, latency=timed)
    picture = view([*POINTS, slow], axis="latency")
    assert [mark.key for mark in picture.marks] == ["slow"]
    assert picture.marks[0].x_span == (1.9, 2.2)
    assert picture.x_title == "latency, ms (measured; batch size 1, cpu, 2 threads)"
    other = Measured(latency_ms=2.0, batch=8, threads=2, device="cpu")
    with pytest.raises(ValueError, match="different devices"):
        view([slow, point("x", 9_000_000, 0.9, latency=other)], axis="latency")


def test_published_results_stand_as_drop_against_drop_never_as_accuracies():
    picture = view(POINTS, published=ROWS)
    assert "change" in picture.y_title
    assert picture.x_title.startswith("reduction of MACs, %")
    assert picture.turned
    marks = {mark.key: mark for mark in picture.marks if mark.key}
    assert (marks["a"].x, marks["a"].y) == (pytest.approx(50), pytest.approx(-1))
    assert marks["a"].y_span == (pytest.approx(-3), pytest.approx(1))
    assert (marks["whole"].x, marks["whole"].y) == (0, 0)
    others = [mark for mark in picture.marks if not mark.key]
    assert len(others) > 30
    assert {mark.series.name for mark in others} == {"published"}
    assert not {mark.series.symbol for mark in others} & {
        mark.series.symbol for mark in marks.values()
    }
    for mark in others:
        assert "Source: " in " ".join(mark.words)
        assert not re.search(r"9\d\.\d+ ?%", mark.words[1].split("points")[0])
    assert max(mark.y for mark in picture.marks) < 5  # no accuracy of 90 per cent anywhere
    with pytest.raises(ValueError, match="no comparable latency"):
        view(POINTS, axis="latency", published=ROWS)


def test_without_an_unpruned_accuracy_a_point_has_no_change_and_is_not_drawn_beside_published():
    bare = point("bare", 5_000_000, 0.9, whole=Whole(macs=10_000_000))
    assert [m.key for m in view([bare], published=()).marks] == []
    assert [m.key for m in view([bare]).marks] == ["bare"]


def test_the_svg_is_whole_has_every_mark_and_runs_nothing():
    picture = view(POINTS, published=ROWS)
    text = tradeoff_svg(picture, title="Runs of <net> & more")
    root = ElementTree.fromstring(text)
    assert root.attrib["aria-label"] == "Runs of <net> & more"
    titles = [one.text for one in root.iter(f"{SVG}title")]
    assert len(titles) == len(picture.marks)
    assert "<script" not in text
    assert "href" not in text
    assert "dotted: Pareto front of" in text


def test_names_in_an_svg_are_text_and_never_markup():
    evil = point("evil", 5_000_000, 0.9, family='</text><script>alert("x")</script>')
    text = tradeoff_svg(view([evil, POINTS[0]]))
    assert "<script" not in text
    ElementTree.fromstring(text)


def test_marks_of_the_svg_lie_inside_and_in_the_order_of_their_values():
    svg = ElementTree.fromstring(tradeoff_svg(view([POINTS[0], POINTS[0]])))
    circles = list(svg.iter(f"{SVG}circle"))
    assert all(62 <= float(c.attrib["cx"]) <= 806 for c in circles[:2])
    pair = [point("low", 2_000_000, 0.8, kind="plan"), point("high", 4_000_000, 0.9, kind="plan")]
    svg = ElementTree.fromstring(tradeoff_svg(view(pair)))
    low, high = list(svg.iter(f"{SVG}circle"))[:2]
    assert float(low.attrib["cx"]) < float(high.attrib["cx"])
    assert float(low.attrib["cy"]) > float(high.attrib["cy"])
    turned = ElementTree.fromstring(tradeoff_svg(view(pair, published=())))
    low, high = list(turned.iter(f"{SVG}circle"))[:2]
    assert float(low.attrib["cx"]) < float(high.attrib["cx"])  # up and left stays better


def test_intervals_of_very_many_points_are_said_and_not_drawn():
    many = [point(str(n), 1_000_000 + n, 0.9) for n in range(MOST_BARS + 1)]
    few = tradeoff(view(many[:-1])).data[-1]
    crowd = tradeoff(view(many)).data[-1]
    assert len(few.error_y.array) == MOST_BARS
    assert crowd.error_y.visible is False
    assert "(88.0–92.0 %)" in crowd.customdata[0][1]


def test_nothing_measured_is_said_in_both():
    assert "Nothing has been measured" in tradeoff_svg(view([]))
    assert "Nothing has been measured" in tradeoff(view([])).layout.annotations[0].text


@pytest.mark.parametrize(
    ("low", "high"), [(0, 1), (0, 83.7), (-2.2, 0.9), (91.2, 91.9), (5, 5), (0, 0), (0, 4e6)]
)
def test_ticks_are_round_and_cover_the_range(low, high):
    found = ticks(low, high)
    assert found[0] <= low
    assert found[-1] >= high
    assert 2 <= len(found) <= 11
    assert found == sorted(set(found))
