import math
from itertools import pairwise

import pytest

from sfp_viz.core.training import SCHEDULES, Distillation, learning_rate, temperature, wilson
from sfp_viz.errors import RecipeError

STEPS = [i / 50 for i in range(51)]


def temperatures(schedule):
    return [temperature(Distillation(schedule=schedule), t) for t in STEPS]


@pytest.mark.parametrize("schedule", ["linear", "cosine", "exponential", "step"])
def test_falling_schedules_go_from_4_to_1(schedule):
    values = temperatures(schedule)
    assert (values[0], values[-1]) == (pytest.approx(4), pytest.approx(1))
    assert all(a >= b for a, b in pairwise(values))


def test_the_other_schedules_stay_or_rise():
    assert set(temperatures("fixed")) == {4}
    rising = temperatures("increasing")
    assert rising == pytest.approx(temperatures("cosine")[::-1])


def test_schedules_by_hand():
    quarter = {name: temperature(Distillation(schedule=name), 0.25) for name in SCHEDULES}
    assert quarter["linear"] == pytest.approx(3.25)
    assert quarter["cosine"] == pytest.approx(1 + 3 * (1 + math.cos(math.pi / 4)) / 2)
    assert quarter["exponential"] == pytest.approx(4 * 0.25**0.25)
    assert quarter["step"] == 2
    assert temperature(Distillation(schedule="cosine"), 0.5) == pytest.approx(2.5)


def test_the_learning_rate_warms_up_and_falls_to_0():
    settings = Distillation(learning_rate=0.02, warmup=0.1)
    rates = [learning_rate(settings, t) for t in STEPS]
    assert 0 < rates[0] < 0.001
    assert rates[5] == pytest.approx(0.02)
    assert max(rates) <= 0.02
    assert rates[-1] == pytest.approx(0, abs=1e-12)
    assert all(a < b for a, b in pairwise(rates[:6]))
    assert all(a > b for a, b in pairwise(rates[5:]))


def test_without_warm_up_it_starts_at_the_top():
    assert learning_rate(Distillation(learning_rate=0.1, warmup=0), 0) == pytest.approx(0.1)


@pytest.mark.parametrize("progress", [0, 0.049, 0.0499999, 0.05])
def test_the_warm_up_never_passes_the_top(progress):
    assert learning_rate(Distillation(learning_rate=0.02), progress) <= 0.02


def test_the_interval_of_wilson_by_hand():
    low, high = wilson(8, 10)
    assert (low, high) == (pytest.approx(0.4902, abs=1e-4), pytest.approx(0.9433, abs=1e-4))


@pytest.mark.parametrize(("right", "total"), [(0, 1), (1, 1), (0, 50), (50, 50), (17, 40)])
def test_the_interval_holds_the_share_and_stays_within_0_and_1(right, total):
    low, high = wilson(right, total)
    assert 0 <= low <= right / total <= high <= 1


def test_more_images_narrow_the_interval_and_none_says_nothing():
    widths = [high - low for low, high in (wilson(n // 2, n) for n in (10, 100, 1000))]
    assert widths == sorted(widths, reverse=True)
    assert wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"batch_size": 0},
        {"alpha": 1.1},
        {"alpha": math.nan},
        {"temperature_start": 0},
        {"temperature_end": -1},
        {"warmup": 1},
        {"learning_rate": 0},
        {"schedule": "zigzag"},
        {"label_smoothing": 1},
        {"dkd": (1, -8)},
        {"dkd": (0, 0)},
        {"dkd": (1, math.nan)},
        {"dkd": (1, 2, 3)},
        {"ema": 1},
        {"ema": math.nan},
        {"clip": -1},
        {"clip": math.inf},
        {"teacher_views": 65},
        {"teacher_views": 1.5},
        {"checkpoint_steps": -1},
        {"checkpoint_steps": 0.5},
        {"processes": 0},
        {"processes": 65},
        {"processes": 4, "batch_size": 3},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(RecipeError):
        Distillation(**wrong)


def test_the_adaptive_temperature_follows_the_gap_between_both_ends():
    settings = Distillation(schedule="adaptive")
    assert temperature(settings, 0.9) == 4
    assert [temperature(settings, 0.3, gap) for gap in (0, 0.5, 1, 7)] == [1, 2.5, 4, 4]
    assert temperature(Distillation(), 0.5, 0.1) == pytest.approx(2.5)


def test_settings_come_back_from_json_and_old_files_open():
    import json
    from dataclasses import asdict

    settings = Distillation(
        schedule="adaptive", dkd=(1, 8), ema=0.99, clip=1.0, teacher_views=3, processes=2
    )
    value = json.loads(json.dumps(asdict(settings)))
    assert Distillation(**value) == settings
    later = ("standardize", "dkd", "ema", "clip", "teacher_views", "checkpoint_steps", "processes")
    for name in later:
        del value[name]
    assert Distillation(**value) == Distillation(schedule="adaptive")


def test_a_line_of_a_history_without_memory_opens():
    from sfp_viz.core.training import Epoch

    line = Epoch(1, 2, 0.5, 0.9, 0.8, 100, 4.0, 0.01, 1000.0, 2.0)
    assert line.memory == 0
