import math
from dataclasses import fields, replace
from itertools import pairwise
from typing import get_args

import pytest

from sfp_viz.core.measurement import wilson
from sfp_viz.core.training.distillation import (
    SCHEDULES,
    Distillation,
    Schedule,
    learning_rate,
    temperature,
)
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


NONSENSE = {
    "epochs": (0, -1, 1.5, "3", None, True, math.nan),
    "batch_size": (0, 2.5, None),
    "learning_rate": (0, -0.1, math.nan, math.inf, "0.1", None),
    "momentum": (-0.1, 1, math.nan),
    "weight_decay": (-1e-9, math.nan, math.inf),
    "warmup": (-0.1, 1, math.nan),
    "alpha": (-0.1, 1.1, math.nan, None),
    "temperature_start": (0, -1, 1e-40, 0.009, 1001, math.nan, math.inf),
    "temperature_end": (0, -1, 1e-40, 0.009, 1001, math.nan, math.inf),
    "schedule": ("zigzag", None, 1),
    "label_smoothing": (-0.1, 1, math.nan),
    "augmentation": ("cutmix", "", None),
    "precision": ("16", "fp8", None),
    "train_images": (0, -5, 2.5, "all", math.nan),
    "test_images": (-1, 2.5, math.inf),
    "seed": (-1, 0.5, 2**31, None),
    "standardize": ("yes", 1, None),
    "dkd": ((1, -8), (0, 0), (1, math.nan), (1, math.inf), (1, 2, 3), (1,), 5, ("a", "b")),
    "ema": (-0.1, 1, math.nan),
    "clip": (-1, math.inf, math.nan),
    "teacher_views": (-1, 65, 1.5),
    "checkpoint_steps": (-1, 0.5),
    "processes": (0, 65, 1.5),
}


@pytest.mark.parametrize(
    ("name", "value"), [(n, v) for n, wrong in NONSENSE.items() for v in wrong]
)
def test_settings_that_make_no_sense_are_refused_by_name_with_what_is_allowed(name, value):
    with pytest.raises(RecipeError) as told:
        Distillation(**{name: value})
    text = str(told.value)
    assert text.startswith(f"The training's setting {name} ")
    assert f"not {value!r}." in text


def test_no_setting_goes_unchecked():
    assert set(NONSENSE) == {field.name for field in fields(Distillation)}


def test_more_processes_than_images_in_a_batch_are_refused():
    with pytest.raises(RecipeError, match="cannot be shared by 4 processes"):
        Distillation(processes=4, batch_size=3)


@pytest.mark.parametrize(
    "edge",
    [
        {"temperature_start": 0.01, "temperature_end": 1000},
        {"momentum": 0, "weight_decay": 0, "warmup": 0, "alpha": 0, "ema": 0, "clip": 0},
        {"alpha": 1, "train_images": 1, "test_images": 0, "batch_size": 1, "epochs": 1},
        {"dkd": [1, 0]},
        {"learning_rate": 1e9},
    ],
)
def test_what_is_odd_but_has_a_meaning_is_taken(edge):
    settings = Distillation(**edge)
    assert all(0.009 < temperature(replace(settings, schedule=s), t) < 1001
               for s in get_args(Schedule) for t in STEPS)  # fmt: skip


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
    from sfp_viz.core.training.history import Epoch

    line = Epoch(1, 2, 0.5, 0.9, 0.8, 100, 4.0, 0.01, 1000.0, 2.0)
    assert line.memory == 0
