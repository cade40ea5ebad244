import json
from dataclasses import replace

import numpy as np
import pytest

from sfp_viz.core.evidence.sensitivity import (
    Sensitivity,
    changes_since,
    collect_sensitivity,
    loss,
    losses,
    lost_odds,
    measured_points,
    odds_lost,
    predicted_loss,
    sensitivity_from_json,
    sensitivity_to_json,
)
from sfp_viz.core.measurement import wilson
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.errors import PlanError, RecipeError, SfpError

POINTS = [
    ("", 0, 900),
    ("conv1", 12, 880),
    ("conv1", 8, 800),
    ("conv1", 4, 500),
    ("conv2", 12, 905),  # more than the whole network: noise
    ("conv2", 6, 890),
]


@pytest.fixture
def known(plain):
    return collect_sensitivity(plain, Recipe(), POINTS, data="digits, test", images=1000)


def test_measured_widths_are_met_and_the_whole_group_loses_nothing(known):
    assert loss(known, "conv1", 16) == 0
    assert loss(known, "conv1", 12) == pytest.approx(2)
    assert loss(known, "conv1", 8) == pytest.approx(10)
    assert loss(known, "conv1", 4) == pytest.approx(40)


def test_between_and_beyond_measured_widths_the_loss_never_falls(known):
    curve = losses(known, "conv1")
    assert len(curve) == 16
    assert (np.diff(curve) >= 0).all()
    assert 2 < loss(known, "conv1", 10) < 10
    # the last slope goes on: 30 points for 4 units, 3 units further
    assert loss(known, "conv1", 1) == pytest.approx(40 + 3 * 7.5)


def test_no_more_can_be_lost_than_there_is(plain):
    steep = [("", 0, 900), ("conv1", 12, 800), ("conv1", 8, 100)]
    known = collect_sensitivity(plain, Recipe(), steep, data="d", images=1000)
    assert loss(known, "conv1", 1) == 90


def test_a_rise_by_noise_counts_as_no_loss(known):
    assert loss(known, "conv2", 12) == 0
    assert loss(known, "conv2", 6) > 0
    assert odds_lost(known, "conv2")[12] == 0


def test_points_come_with_their_interval_and_may_be_negative(known):
    point = measured_points(known, "conv2")[0]
    assert (point.kept, point.right, point.accuracy) == (12, 905, 0.905)
    assert point.interval == wilson(905, 1000)
    assert point.lost == pytest.approx(-0.5)


def test_alone_a_group_is_predicted_to_lose_what_was_measured(known):
    assert predicted_loss(known, {"conv1": 8, "conv2": 24}) == pytest.approx(10, abs=0.1)
    assert predicted_loss(known, {"conv1": 16}) == 0
    assert predicted_loss(known, {}) == 0


def test_together_groups_lose_more_than_either_and_at_most_everything(known):
    both = predicted_loss(known, {"conv1": 4, "conv2": 6})
    assert both > max(loss(known, "conv1", 4), loss(known, "conv2", 6))
    assert predicted_loss(known, {"conv1": 1, "conv2": 1}) <= 90
    alone = lost_odds(known, {"conv1": 4}) + lost_odds(known, {"conv2": 6})
    assert lost_odds(known, {"conv1": 4, "conv2": 6}) == pytest.approx(alone)


def test_points_may_come_in_any_order_and_again(plain, known):
    shuffled = [*reversed(POINTS), ("conv1", 12, 880)]
    assert collect_sensitivity(plain, Recipe(), shuffled, data="digits, test", images=1000) == known
    with pytest.raises(RecipeError, match="unpruned network was not measured"):
        collect_sensitivity(plain, Recipe(), POINTS[1:], data="d", images=1000)


def test_what_estimating_batchnorm_anew_costs_is_told_once_and_not_by_every_group(plain, known):
    shifted = [("", 0, 930), ("", 1, 900), *POINTS[1:]]
    other = collect_sensitivity(plain, Recipe(), shifted, data="digits, test", images=1000)
    assert (losses(other, "conv1") == losses(known, "conv1")).all()
    thin = {"conv1": 4, "conv2": 6}
    assert predicted_loss(other, thin) == pytest.approx(predicted_loss(known, thin) + 3)
    assert predicted_loss(other, {"conv1": 16, "conv2": 24}) == 0


def test_what_was_not_measured_or_is_no_width_is_told(known):
    with pytest.raises(PlanError, match="'conv3' was not measured"):
        loss(known, "conv3", 4)
    with pytest.raises(PlanError, match="keep 1 to 16 units, not 0"):
        loss(known, "conv1", 0)


def test_only_what_chooses_filters_makes_it_stale(known):
    same = Recipe(target_reduction=0.7, allocation="uniform", gamma=1.0, rounding=8, goal="params")
    assert changes_since(known, same, known.digest) == ()
    other = replace(same, criterion="fpgm", kappa=0.25)
    assert changes_since(known, other, known.digest) == (
        ("kappa", 0.5, 0.25), ("criterion", "l1", "fpgm"),
    )  # fmt: skip
    assert changes_since(known, same, "else") == (("digest", known.digest, "else"),)


def test_json_goes_both_ways(known):
    text = sensitivity_to_json(known)
    assert sensitivity_from_json(text) == known
    assert sensitivity_to_json(sensitivity_from_json(text)) == text


def _with(text, **changes):
    return json.dumps({**json.loads(text), **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {"format": 2},
        {"images": "many"},
        {"base": 2000},
        {"fresh": -3},
        {"right": {"conv1": [[16, 3]]}},
        {"right": {"conv1": [[8, 5000]], "conv2": [[6, 1]]}},
        {"right": {"conv1": [], "conv2": [[6, 1]]}},
        {"right": 3},
        {"sizes": {}},
        {"recipe": {"similarity": "taste"}},
        {"recipe": {"format": 1, "gamma": [1]}},
        {"seconds": None},
    ],
)
def test_other_json_is_refused_in_words(known, changes):
    with pytest.raises(SfpError):
        sensitivity_from_json(_with(sensitivity_to_json(known), **changes))


@pytest.mark.parametrize("text", ["", "[]", "null", "{", "[" * 100_000, '{"format": 1}'])
def test_what_is_no_json_of_ours_is_refused_in_words(text):
    with pytest.raises(PlanError):
        sensitivity_from_json(text)


def test_a_record_keeps_what_it_was_measured_on(known):
    assert isinstance(known, Sensitivity)
    assert (known.data, known.images, known.base) == ("digits, test", 1000, 900)
    assert known.sizes == {"conv1": 16, "conv2": 24}
