"""Differences between two plans in words."""

from __future__ import annotations

import pytest

from sfp_viz.core.comparison.plan_diff import Change
from sfp_viz.ui.plan.plan_diff import row, units


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (Change("target_reduction", 0.5, 0.625), ("Target reduction", "50 %", "62.5 %")),
        (Change("gamma", 2.0, 0.5), ("Gamma", "2", "0.5")),
        (
            Change("ratio", None, 0.25, "g"),
            ("g: share pruned, set manually", "–", "25 % of its filters"),
        ),
        (Change("locked", True, None, "g"), ("g: not pruned", "yes", "–")),
        (
            Change("clusters", (0, 0, 1, -1), None, "g"),
            ("g: clusters set manually", "2 clusters", "–"),
        ),
        (Change("kept", (1, 4), None, "g"), ("g: kept manually", "1 and 4", "–")),
        (Change("minimum", None, 8, "g"), ("g: keeps at least", "–", "8 filters")),
        (
            Change("makeup", True, False),
            ("Other groups adjust to manual changes", "yes", "no"),
        ),
    ],
)
def test_a_difference_is_said_in_words(change, said):
    assert row(change) == said


def test_choices_are_called_as_in_the_recipes_form():
    what, a, b = row(Change("criterion", "l1", "fpgm"))
    assert (what, a) == ("Importance criterion", "L1 norm")
    assert "FPGM" in b


def test_many_filters_are_counted():
    assert units((1, 2)) == "1, 2"
    assert units(range(15)).endswith("11 and 3 more")
    assert units(()) == ""
