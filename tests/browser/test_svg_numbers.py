"""Numbers beside the drawings: the scale of an axis and counts in words, computed in a browser."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import pytest

from sfp_viz.text.numbers import count

ROOT = Path(__file__).resolve().parent.parent.parent
SCRIPT = ROOT / "sfp_viz" / "ui" / "components" / "svg.js"


@pytest.fixture
def computed(chromium) -> Any:
    """Computes an expression with what the drawings share."""
    page = chromium.new_page()
    page.add_script_tag(content=SCRIPT.read_text())
    yield page.evaluate
    page.close()


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0.3, 0.31), (-4, 96), (61.5, 99.2), (0, 2e6)])
def test_an_axis_has_round_numbers_in_its_range_about_as_many_as_wanted(
    computed: Callable[[str], Any], low, high
):
    for wanted, whole in product((2, 4, 9), (False, True)):
        scale = computed(f"ticks({low}, {high}, {wanted}, {str(whole).lower()})")
        values = scale["values"]
        assert all(low - 1e-6 <= value <= high * (1 + 1e-9) for value in values)
        assert len(values) <= wanted + 1
        if not whole:
            assert len(values) >= wanted / 2.5 - 1
        steps = [after - before for before, after in pairwise(values)]
        assert all(step == pytest.approx(steps[0]) for step in steps)
        if steps and not whole:
            lead = f"{steps[0]:.6e}"[0]
            assert lead in "125"
        told = [float(f"{value:.{scale['digits']}f}") for value in values]
        assert told == pytest.approx(values)


def test_an_axis_of_whole_numbers_has_no_parts(computed: Callable[[str], Any]):
    assert computed("ticks(0, 3, 10, true)")["values"] == [0, 1, 2, 3]


def test_an_axis_without_a_range_has_its_one_number(computed: Callable[[str], Any]):
    assert computed("ticks(2, 2, 4, false)")["values"] == [2]


def test_a_count_reads_as_it_does_everywhere_else(computed: Callable[[str], Any]):
    numbers = [0, 7, 999, 999.6, 1000, 1234, 40_800, 99_960, 999_600, 1_230_000, 40_800_000]
    numbers += [2.5e9, 3e12]
    assert computed(f"{numbers}.map(count)") == [count(number) for number in numbers]
