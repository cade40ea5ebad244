"""A schedule of stages is exact at its end, never turns back, and refuses nonsense in words."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from sfp_viz.core.selection.iterative_schedule import (
    MOST_STAGES,
    Growth,
    Steps,
    steps_from_dict,
    steps_to_dict,
    targets,
)
from sfp_viz.errors import RecipeError

GROWTHS: tuple[Growth, ...] = ("linear", "geometric", "cubic")


@pytest.mark.parametrize("growth", GROWTHS)
@pytest.mark.parametrize("final", [0.01, 0.1, 0.5, 0.847253, 0.99])
def test_targets_rise_from_stage_to_stage_and_the_last_is_the_target_itself(growth, final):
    for stages in (1, 2, 3, 7, MOST_STAGES):
        found = targets(Steps(stages=stages, growth=growth), final)
        assert len(found) == stages
        assert found[-1] == final
        assert found[0] > 0
        assert all(a < b for a, b in pairwise(found))


def test_linear_takes_the_same_of_the_original_geometric_the_same_share_of_what_is_left():
    even = targets(Steps(stages=4, growth="linear"), 0.8)
    assert even == (0.2, 0.4, 0.6, 0.8)
    found = targets(Steps(stages=3, growth="geometric"), 0.875)
    assert found == (0.5, 0.75, 0.875)  # half of what is left, three times


def test_cubic_follows_zhu_and_gupta():
    found = targets(Steps(stages=4, growth="cubic"), 0.8)
    s_i, s_f = 0.0, 0.8  # s_t = s_f + (s_i - s_f) (1 - (t - t_0) / (n dt))^3
    wanted = [s_f + (s_i - s_f) * (1 - k / 4) ** 3 for k in (1, 2, 3, 4)]
    assert all(math.isclose(a, b, abs_tol=1e-6) for a, b in zip(found, wanted, strict=True))
    steps = [b - a for a, b in zip((0.0, *found), found, strict=False)]
    assert steps == sorted(steps, reverse=True)  # much at first, little at the end


def test_epochs_are_counted_through_all_stages():
    steps = Steps(stages=3, epochs=2, last_epochs=5)
    assert (steps.epochs_of, steps.total) == ((2, 2, 5), 9)
    assert Steps(stages=1, epochs=2, last_epochs=5).epochs_of == (5,)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"stages": 0}, "stages is a whole number from 1 to 20"),
        ({"stages": 21}, "stages"),
        ({"stages": 2.5}, "stages"),
        ({"epochs": 0}, "epochs is a whole number"),
        ({"last_epochs": True}, "last_epochs"),
        ({"growth": "steep"}, "linear, geometric, cubic"),
    ],
)
def test_a_schedule_that_makes_no_sense_is_refused_in_words(settings, says):
    with pytest.raises(RecipeError, match=says):
        Steps(**settings)


@pytest.mark.parametrize("final", [0.0, 0.001, 0.995, 1.0])
def test_a_target_that_steps_cannot_reach_is_refused(final):
    with pytest.raises(RecipeError, match="from 1 to 99 %"):
        targets(Steps(), final)


def test_a_schedule_survives_its_file():
    steps = Steps(stages=5, growth="cubic", epochs=1, last_epochs=7)
    assert steps_from_dict(steps_to_dict(steps)) == steps
