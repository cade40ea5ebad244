"""Names for people, text out of strangers' files, and points that must not hide each other."""

import numpy as np
import pytest

from sfp_viz.text.names import join_names
from sfp_viz.ui import problems
from sfp_viz.ui.group import filter_maps
from sfp_viz.ui.names import short_names
from sfp_viz.ui.network import opening


def test_a_layer_is_named_by_its_stage_and_the_rest():
    short = short_names(["conv1", "layer1.0.conv1", "layer1.0.conv2"])
    assert short["conv1"] == ("", "conv1")
    assert short["layer1.0.conv2"] == ("layer1", "0.conv2")


def test_what_all_layers_share_is_left_out():
    short = short_names(["body.net.a.0", "body.net.b.0"])
    assert short["body.net.a.0"] == ("a", "0")


def test_no_layers_have_no_names():
    assert short_names([]) == {}


@pytest.mark.parametrize(
    ("names", "text"),
    [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (list("abcdefg"), "a, b, c, d and 3 more")],
)
def test_a_list_reads_as_a_sentence(names, text):
    assert join_names(names) == text


@pytest.mark.parametrize("text", ["<b>x</b>", "[a](http://b)", ":red[x]", "$x$", "`x`", "# x"])
def test_markup_in_a_name_is_shown_as_it_is(text):
    shown = problems.plain(text)
    assert shown.replace("\\", "") == text
    assert all(shown[at - 1] == "\\" for at, sign in enumerate(shown) if sign in "<[$`#")


@pytest.mark.parametrize("name", ["../../etc/passwd", "a\x00b", "x" * 500, "<img onerror=1>", ""])
def test_a_strangers_name_keeps_only_letters_and_digits(name):
    cleaned = opening.clean(name)
    assert len(cleaned) <= 60
    assert all(sign.isalnum() or sign in "_-" for sign in cleaned)


def test_points_in_one_place_are_drawn_apart_and_others_stay():
    points = np.array([[0.0, 0.0], [0.0, 0.0], [0.0, 0.0], [5.0, 5.0]])
    drawn = filter_maps.spread_apart(points)
    assert len({tuple(point) for point in drawn.round(6)}) == 4
    assert np.abs(drawn - points).max() < 0.2
    assert (drawn[3] == points[3]).all()


@pytest.mark.parametrize("points", [np.zeros((0, 2)), np.zeros((1, 2)), np.zeros((5, 2))])
def test_few_or_equal_points_are_no_trouble(points):
    assert np.isfinite(filter_maps.spread_apart(points)).all()
