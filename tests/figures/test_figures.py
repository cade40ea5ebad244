"""The figures: their traces, titles and empty cases."""

from __future__ import annotations

import numpy as np
import pytest

from sfp_viz import figures
from sfp_viz.core.training.history import Epoch
from sfp_viz.figures import architecture


def epoch(at: int) -> Epoch:
    return Epoch(at, 3, 1.0 / at, 0.8, 0.9, 100, 4.0 / at, 0.01, 500.0, 1.0)


def words(figure) -> list[str]:
    return [note.text for note in figure.layout.annotations]


def test_every_public_name_opens():
    assert all(callable(getattr(figures, name)) for name in figures.__all__)
    with pytest.raises(AttributeError, match="no 'pie_chart'"):
        _ = figures.pie_chart


def test_dispersion_bars_part_the_chosen_group_from_the_rest_and_mark_what_is_kept(two_groups):
    figure = figures.dispersion_bars(two_groups, {"a": 0.4, "b": 0.9}, {"a": 4}, "b")
    chosen, rest, kept = figure.data
    assert list(chosen.x) == ["b"]
    assert chosen.marker.color is None  # the theme's accent
    assert list(rest.y) == [0.4]
    assert list(kept.y) == [0.5, 1.0]
    assert rest.width < 0.25, "two bars do not fill the page"
    assert "0 to 1" in figure.layout.yaxis.title.text


def test_a_network_without_groups_gets_a_sentence_and_no_bars(two_groups):
    assert "can be pruned" in words(figures.dispersion_bars(two_groups, {}))[0]


def test_widths_stand_in_the_order_of_execution_with_both_numbers(two_groups):
    figure = figures.layer_widths(two_groups, {"a": 3})
    assert list(figure.data[0].y) == [3, 6]
    assert list(figure.data[1].y) == [8, 6]
    assert architecture.kept_filters(two_groups, "b", {"b": 2}) == 2


def test_training_curves_begin_with_the_one_shot_accuracy():
    figure = figures.training_curves([epoch(1), epoch(2)], start=0.25)
    test = figure.data[0]
    assert list(test.x) == [0, 1, 2]
    assert test.y[0] == 25
    assert {line.name for line in figure.data} >= {"loss", "temperature"}
    assert "No epoch" in words(figures.training_curves([]))[0]


def test_one_shot_points_are_hollow_and_fine_tuned_ones_filled():
    point = figures.Point
    figure = figures.accuracy_against_macs(
        [
            point("plan", 5_000_000, 0.5, (0.4, 0.6), "plan", "one-shot"),
            point("run", 5_000_000, 0.9, (0.88, 0.92), "plan", "fine-tuned"),
            point("lenet", 9_000_000, 0.95, None, "unpruned", "unpruned"),
        ]
    )
    traces = {trace.name: trace for trace in figure.data}
    assert traces["this plan, one-shot"].marker.symbol == "circle-open"
    assert traces["this plan, fine-tuned"].marker.symbol == "circle"
    assert traces["this plan, one-shot"].error_y.arrayminus[0] == pytest.approx(10)
    assert traces["unpruned"].error_y.visible is False
    assert "measured" in words(figures.accuracy_against_macs([]))[0]


def test_the_similarity_map_puts_filters_of_one_cluster_together():
    similarity = np.eye(4)
    similarity[0, 2] = similarity[2, 0] = 0.9
    figure = figures.similarity_map(similarity, [0, 1, 0, 1])
    assert figure.data[0].z[0][1] == pytest.approx(0.9)
    assert list(figure.layout.xaxis.ticktext) == ["0", "2", "1", "3"]
    assert len(figure.layout.shapes) == 2
    assert "no filters" in words(figures.similarity_map(np.zeros((0, 0))))[0]


def test_the_map_draws_removed_filters_hollow_and_dead_ones_grey():
    figure = figures.filter_map(np.zeros((3, 2)), [0, 0, -1], removed={1})
    assert list(figure.data[0].marker.symbol) == ["circle", "circle-open"]
    assert figure.data[1].name == "dead"
    assert "no filters" in words(figures.filter_map(np.zeros((0, 2))))[0]
