"""How numbers are written."""

from __future__ import annotations

import pytest

from sfp_viz.text import numbers


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (999, "999"), (1000, "1.00 k"), (1_234_567, "1.23 M"), (40_600_000, "40.6 M"),
     (999_600, "1.00 M"), (4_089_184_256, "4.09 G"), (313_700_000, "314 M")],
)  # fmt: skip
def test_counts_have_three_digits_and_a_unit(number, text):
    assert numbers.count(number) == text


def test_shares_changes_intervals_and_times_are_written_for_people():
    assert numbers.percent(0.4213) == "42.1 %"
    assert numbers.change(200, 100) == "−50.0 %"
    assert numbers.change(200, 200) == "no change"
    assert numbers.change(0, 5) == ""
    assert numbers.span((0.9, 0.95)) == "90.0–95.0 %"
    assert numbers.span(None) == ""
    assert numbers.size(123_456) == "123 kB"
    assert numbers.size(12) == "12 B"
    assert [numbers.duration(s) for s in (5, 95, 7260)] == ["5 s", "1 min 35 s", "2 h 1 min"]


def test_short_times_change_their_unit():
    assert numbers.milliseconds(3.481) == "3.48 ms"
    assert numbers.milliseconds(0.0438) == "0.044 ms"


def test_a_negative_number_carries_a_true_minus_sign():
    assert numbers.signed(-0.174) == "−0.17"
    assert numbers.signed(0.5, 1) == "0.5"
