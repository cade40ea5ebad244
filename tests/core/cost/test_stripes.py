"""The smallest part of a window that holds all live positions."""

import numpy as np
import pytest

from sfp_viz.core.cost.stripes import live_window


@pytest.mark.parametrize(
    ("live", "found"),
    [
        ([(0, 0, 0), (1, 1, 2)], ((0, 2), (0, 3))),  # filter, row, column
        ([(2, 1, 1)], ((1, 2), (1, 2))),
        ([(0, 2, 0), (2, 2, 2)], ((2, 3), (0, 3))),
        ([(0, 0, 2), (1, 2, 2)], ((0, 3), (2, 3))),
    ],
)
def test_the_window_is_the_smallest_that_holds_what_is_live_in_any_filter(live, found):
    mask = np.zeros((3, 3, 3), dtype=bool)
    mask[tuple(zip(*live, strict=True))] = True
    assert live_window(mask) == found


def test_where_each_border_is_live_or_nothing_is_there_is_no_smaller_window():
    corners = np.zeros((2, 3, 5), dtype=bool)
    corners[0, 0, 0] = corners[1, 2, 4] = True
    assert live_window(corners) is None
    assert live_window(np.zeros((2, 3, 5), dtype=bool)) is None
