import pytest

from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.core.plan.request import Request
from sfp_viz.nets.io.samples import sample_network
from sfp_viz.ui.explore import group_edits

LABELS = (0, 0, 1, 1, 2, 2)
NONE = Edits(digest="0" * 16)


def labels_of(edits):
    return dict(edits.clusters)["g"]


def test_clusters_are_merged_split_and_moved():
    assert labels_of(group_edits.merge(NONE, "g", LABELS, (0, 2))) == (0, 0, 0, 0, 1, 1)
    assert labels_of(group_edits.split(NONE, "g", LABELS, (1, 2))) == (0, 1, 1, 2, 3, 3)
    assert labels_of(group_edits.move(NONE, "g", LABELS, (0,), 2)) == (0, 1, 2, 2, 0, 0)


@pytest.mark.parametrize("method", ["kmeans", "complete", "hdbscan"])
def test_a_number_of_clusters_is_found_anew(method):
    network = sample_network("lenet5_digits")
    recipe = Recipe(clustering=method)
    edits = group_edits.with_cluster_count(Problem(network, Request(recipe)), "conv1", 3)
    assert set(dict(edits.clusters)["conv1"]) == {0, 1, 2}


def test_filters_are_kept_removed_and_released():
    kept = group_edits.set_fate(NONE, "g", (1, 2), "keep")
    assert kept.keep == (("g", 1), ("g", 2))
    assert group_edits.set_fate(kept, "g", (2,), "remove").remove == (("g", 2),)
    assert group_edits.set_fate(kept, "g", (1, 2), None) == NONE


def test_a_ratio_by_hand_frees_a_group_that_was_left_whole():
    edits = group_edits.with_width(NONE.with_protected("g", True), "g", size=8, kept=6)
    assert edits.protected == ()
    assert edits.ratios == (("g", 0.25),)


def test_everything_on_a_group_is_taken_back_and_nothing_elsewhere():
    other = NONE.with_ratio("h", 0.5).with_filter("h", 1, "keep")
    edits = group_edits.merge(
        group_edits.with_width(other, "g", size=8, kept=6), "g", LABELS, (0, 2)
    )
    edits = group_edits.set_fate(edits, "g", (0,), "remove")
    assert group_edits.reset(edits, "g") == other
