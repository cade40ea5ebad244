import numpy as np
import pytest

from sfp_viz.core.analysis import analyze, analyze_group, dispersions
from sfp_viz.core.cost import cost, cost_of_widths
from sfp_viz.core.dispersion import group_dispersion
from sfp_viz.core.ratios import suggest
from sfp_viz.core.recipe import Recipe


def test_every_group_that_may_be_cut_is_analyzed(concat):
    found = analyze(concat, Recipe())
    assert list(found.groups) == ["stem", "left", "right"]
    assert list(found.dispersions) == ["stem", "left", "right"]
    assert set(found.kept) == {"stem", "left", "right", "head"}
    assert found.kept == suggest(concat, found.dispersions, Recipe())


def test_coupled_groups_are_analyzed_when_they_may_be_cut(residual):
    assert list(analyze(residual, Recipe()).groups) == ["block.conv1", "head"]
    assert list(analyze(residual, Recipe(coupled="shared")).groups) == [
        "stem",
        "block.conv1",
        "head",
    ]
    assert "stem" in analyze(residual, Recipe()).dispersions


@pytest.mark.parametrize(
    ("kappa", "kept", "k"), [(0.5, 9, 5), (0.5, 1, 1), (1, 16, 16), (0.01, 9, 1)]
)
def test_the_number_of_clusters_follows_the_kept_filters(plain, kappa, kept, k):
    assert analyze_group(plain, "conv1", Recipe(kappa=kappa), kept).clusters.k == k


def test_the_nearest_filter_is_the_most_similar_live_other(single):
    weight = np.zeros((5, 4, 1, 1), np.float32)
    weight[:4, :, 0, 0] = [[1, 0, 0, 0], [0, 1, 0, 0], [1, 0.1, 0, 0], [0, 1, 0.3, 0]]
    found = analyze_group(single(weight), "conv", Recipe(), 4)
    assert found.nearest == (2, 3, 0, 1, -1)
    assert found.nearest_similarity[0] == pytest.approx(1 / 1.01**0.5)
    assert found.nearest_similarity[4] == 0


def test_a_single_filter_has_no_nearest(single):
    found = analyze_group(single(np.ones((1, 2, 3, 3))), "conv", Recipe(), 1)
    assert (found.nearest, found.nearest_similarity) == ((-1,), (0.0,))
    assert found.clusters.labels == (0,)


def test_dispersions_are_those_of_the_groups(residual):
    found = dispersions(residual, Recipe(dispersion="effective_rank"))
    for group in residual.groups:
        assert found[group.name] == group_dispersion(residual, group, "effective_rank")


def test_a_target_out_of_reach_still_gives_an_analysis(concat):
    found = analyze(concat, Recipe(target_reduction=0.99, max_ratio=0.5))
    assert found.kept == {"stem": 6, "left": 4, "right": 8, "head": 10}


def test_the_suggestion_meets_the_target(plain):
    kept = analyze(plain, Recipe(target_reduction=0.6)).kept
    assert cost_of_widths(plain, kept).macs <= 0.4 * cost(plain).macs


def test_its_arrays_are_read_only(plain):
    found = analyze_group(plain, "conv1", Recipe(), 8)
    for array in (found.similarity, found.importance):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
