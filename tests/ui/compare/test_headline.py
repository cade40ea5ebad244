"""The first sentence of Compare: like with like, or what is unequal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sfp_viz.core.comparison.tradeoff import Point
from sfp_viz.core.plan.recipe import Recipe, uniform_l1
from sfp_viz.core.training.distillation import Distillation
from sfp_viz.runs.results.points import RUN, points_of
from sfp_viz.runs.results.summary import finished_runs
from sfp_viz.ui.compare import headline
from tests.finished_runs import finished_run, plan_of

OURS, PLAIN = plan_of(Recipe(compensation="bias")), plan_of(uniform_l1())
THREE = Distillation(epochs=3)


def lay(home: Path, kind: str, right: float, seed: int = 0, settings=THREE, **more) -> None:
    """A finished run whose last accuracy, on 10,000 test images, is ``right``."""
    plan = OURS if kind == "plan" else PLAIN if kind == "uniform" else None
    finished_run(
        home, kind=kind, plan=plan, accuracies=(right,) * settings.epochs, images=10_000,
        settings=replace(settings, seed=seed), **more,
    )  # fmt: skip


@pytest.fixture
def told(tmp_path):
    """Lays out runs of the plan and of baselines, and tells what is said of all there are."""

    def headline_of(*runs: tuple) -> tuple[str, str]:
        for run in runs:
            lay(tmp_path, *run)
        every = finished_runs(tmp_path)
        points = points_of(every, plan=OURS.hash)
        return headline.finding(points, {RUN + one.id: one for one in every})

    return headline_of


def test_the_best_of_many_seeds_is_not_held_against_one(told):
    lucky = [("plan", 0.90, 0), ("plan", 0.90, 1), ("plan", 0.97, 2)]
    text, how = told(*lucky, ("uniform", 0.94, 0))
    assert text == "This plan is 4.0 points below uniform L1."
    assert "Both fine-tuned for 3 epochs with the same settings, one run each (seed 0)" in how
    assert "80.0 k and 80.0 k" in how
    assert "Not included: 2 runs with other seeds" in how


def test_the_same_seeds_are_averaged_and_named(told):
    plan = [("plan", 0.95, 0), ("plan", 0.97, 1), ("plan", 0.99, 7)]
    text, how = told(*plan, ("uniform", 0.90, 0), ("uniform", 0.92, 1))
    assert text == "This plan is 5.0 points above uniform L1."
    assert "mean of seeds 0 and 1, at" in how


def test_other_seeds_are_taken_as_many_of_each_and_named(told):
    text, how = told(("plan", 0.95, 0), ("plan", 0.97, 1), ("uniform", 0.90, 5))
    assert text == "This plan is 5.0 points above uniform L1."
    assert "one run each (seeds 0 and 5)" in how


def test_a_start_with_a_repair_against_one_without_is_said(told):
    _, how = told(("plan", 0.95, 0), ("uniform", 0.90, 0))
    assert (
        "The plan started with compensation (bias correction), the baseline without compensation."
        in how
    )


def test_of_starts_that_are_not_both_known_nothing_is_said(told):
    _, how = told(("plan", 0.95, 0), ("random", 0.90, 0))  # laid out without its plan
    assert "Both fine-tuned" in how
    assert "started" not in how


def test_more_epochs_win_nothing_and_are_said(told):
    text, how = told(("plan", 0.97, 0, Distillation(epochs=9)), ("uniform", 0.90, 0))
    assert text.startswith("No comparison")
    assert "this plan 97.0 %, uniform L1 90.0 %, with 9 vs. 3 epochs." in how


def test_other_settings_win_nothing_and_are_said(told):
    fast = replace(THREE, learning_rate=0.1, test_images=500)
    text, how = told(("plan", 0.97, 0, fast), ("uniform", 0.90, 0))
    assert "different settings" in text
    assert "learning rate 0.1 vs. 0.02 and test images 500 vs. all" in how


def test_a_fair_pair_is_found_among_unequal_ones_and_the_rest_is_not_counted(told):
    long = ("plan", 0.99, 0, Distillation(epochs=9))
    text, how = told(long, ("plan", 0.91, 0), ("uniform", 0.95, 0), ("random", 0.80, 0))
    assert text == "This plan is 4.0 points below uniform L1, the best baseline."
    assert "Not included: 1 run with other" in how


def test_within_noise_or_where_seeds_disagree_nobody_wins(told):
    text, _ = told(("plan", 0.950, 0), ("uniform", 0.949, 0))
    assert text.startswith("No clear winner: this plan and uniform L1 differ by 0.1 points, which")
    text, _ = told(("plan", 0.99, 1), ("plan", 0.80, 2), ("uniform", 0.90, 1), ("uniform", 0.93, 2))
    assert "depends on the seed" in text


def test_without_a_baseline_near_its_macs_no_winner_is_named(told, tmp_path):
    lay(tmp_path, "uniform", 0.9, macs=90_000)
    text, how = told(("plan", 0.97, 0))
    assert text == "No comparison: no baseline is within 2 % of this plan's MACs."
    assert not how


def one_shot(kind, right: float) -> Point:
    return Point(kind, 80_000, right, None, kind, "one-shot", images=10_000)


def test_one_shot_a_plan_is_held_against_the_mean_of_random_draws_not_the_best():
    draws = [one_shot("random", right) for right in (0.2, 0.3, 0.7)]
    text, how = headline.finding([one_shot("plan", 0.6), *draws], {})
    assert text == "This plan is 20.0 points above random (mean of 3 seeds)."
    assert "without compensation, on the same images and before any fine-tuning" in how
    _, how = headline.finding([one_shot("plan", 0.6), *draws], {}, "lsq_window")
    assert "with the same compensation (least squares per window), on the same images" in how
    text, _ = headline.finding([one_shot("plan", 0.6), one_shot("uniform", 0.5), *draws], {})
    assert text == "This plan is 10.0 points above uniform L1, the best baseline."
    assert headline.finding(draws, {}) == ("", "")
