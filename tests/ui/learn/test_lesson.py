"""The lesson teaches what it measures: one of each cluster stays, and both ways alike."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from sfp_viz.core.comparison.tradeoff import Point
from sfp_viz.core.redundancy.dispersion import dispersions
from sfp_viz.core.selection.analysis import analyze
from sfp_viz.core.selection.planner import make_plan
from sfp_viz.nets.io.samples import sample_network
from sfp_viz.ui.learn import lesson

LABELS = (lesson.RANDOM, lesson.NORM, lesson.CLUSTER)


@pytest.mark.parametrize("target", lesson.TARGETS.values())
def test_all_but_one_of_each_cluster_go(target):
    network = sample_network(lesson.MODEL)
    recipe = lesson.recipe_of(lesson.CLUSTER, target)
    analysis = analyze(network, recipe)
    plan = make_plan(network, analysis, recipe)
    for name, group in analysis.groups.items():
        gone = set(plan.removed(name))
        stay = [label for unit, label in enumerate(group.clusters.labels) if unit not in gone]
        assert set(Counter(stay).values()) == {1}, name
        assert set(stay) == set(group.clusters.labels) - {-1}, name


def test_it_teaches_on_the_convolution_that_repeats_itself_most():
    network = sample_network(lesson.MODEL)
    found = dispersions(network, lesson.recipe_of(lesson.CLUSTER, 0.5))
    convs = [g.name for g in network.free if not network.layer(g.layers[0]).neurons]
    assert lesson.redundant_group().name == min(convs, key=lambda name: found[name])
    words = lesson.redundancy_text(network)
    assert (
        f"**{lesson.redundant_group().name}** with {found[lesson.redundant_group().name]:.2f}"
        in words
    )
    assert f"has {found['conv1']:.2f}" in words


def test_the_pairs_most_alike_share_no_filter():
    similarity = np.eye(6)
    for a, b, value in ((0, 1, 0.9), (1, 2, 0.8), (2, 3, 0.7), (4, 5, 0.1)):
        similarity[a, b] = similarity[b, a] = value
    assert lesson.closest(similarity) == [(0, 1), (2, 3), (4, 5)]


def points(*accuracies: float, wide: float) -> tuple[Point, ...]:
    return tuple(
        Point(label, 1, right, (right - wide, right + wide), "plan", "one-shot")
        for label, right in zip(LABELS, accuracies, strict=True)
    )


@pytest.mark.parametrize("guess", [lesson.NORM, lesson.CLUSTER])
def test_a_small_difference_is_said_with_the_same_caution_whatever_was_guessed(guess):
    text = lesson.verdict(points(0.5, 0.958, 0.964, wide=0.02), guess)
    assert text.startswith("**This is not conclusive**")
    assert "keeps 96.4 %" in text
    assert "95.8 %" in text
    assert "intervals overlap" in text


def test_a_clear_difference_is_said_plainly_both_ways():
    measured = points(0.5, 0.7, 0.96, wide=0.02)
    assert lesson.verdict(measured, lesson.CLUSTER).startswith("**You were right**")
    wrong = lesson.verdict(measured, lesson.RANDOM)
    assert wrong.startswith("**You were not right**")
    assert "keeps 96.0 %" in wrong
    assert "'Random filters' 50.0 %" in wrong
