"""What the live curves are told to draw."""

from __future__ import annotations

from sfp_viz.core.training import Epoch
from sfp_viz.ui.components.live_lines import lines_data


def epoch(at: int) -> Epoch:
    return Epoch(at, 3, 1.0, 0.8, 0.9, 100, 4.0, 0.01, 500.0, 1.0)


def test_every_line_has_a_value_or_none_for_each_place():
    data = lines_data([epoch(1), epoch(2)], total=3, start=0.5)
    assert data["x"] == [0, 1, 2]
    assert data["last"] == 3
    lines = [line for panel in data["panels"] for line in panel["series"]]
    assert all(len(line["values"]) == 3 for line in lines)
    assert lines[0]["values"] == [50, 90, 90]
    assert lines[1]["values"][0] is None


def test_the_words_for_screen_readers_say_how_far_it_is():
    assert "No epoch" in lines_data([], total=3)["alt"]
    assert "After epoch 1 of 3: test accuracy 90.0 %" in lines_data([epoch(1)], total=3)["alt"]
