import numpy as np
import pytest

from sfp_viz.core.allocation.allocate import allocated_widths
from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.cost.cost import cost, cost_of_widths
from sfp_viz.core.evidence.evidence import Evidence
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.core.plan.request import Request
from sfp_viz.core.redundancy.clusters import clusters
from sfp_viz.core.redundancy.dispersion import activation_spread, dispersions, group_dispersion
from sfp_viz.core.redundancy.importance import importance
from sfp_viz.core.redundancy.similarity import layer_matrix, similarity
from sfp_viz.core.selection.analysis import analyze, analyze_group, cluster_group
from sfp_viz.errors import RecipeError


def test_every_group_that_may_be_cut_is_analyzed(concat):
    found = analyze(concat, Recipe())
    assert list(found.groups) == ["stem", "left", "right"]
    assert list(found.dispersions) == ["stem", "left", "right"]
    assert set(found.kept) == {"stem", "left", "right", "head"}
    assert found.kept == allocated_widths(
        Problem(concat, Request(Recipe()), dispersions=found.dispersions)
    )


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
    assert (
        analyze_group(Problem(plain, Request(Recipe(kappa=kappa))), "conv1", kept).clusters.k == k
    )


def test_the_nearest_filter_is_the_most_similar_live_other(single):
    weight = np.zeros((5, 4, 1, 1), np.float32)
    weight[:4, :, 0, 0] = [[1, 0, 0, 0], [0, 1, 0, 0], [1, 0.1, 0, 0], [0, 1, 0.3, 0]]
    found = analyze_group(Problem(single(weight), Request(Recipe())), "conv", 4)
    assert found.nearest == (2, 3, 0, 1, -1)
    assert found.nearest_similarity[0] == pytest.approx(1 / 1.01**0.5)
    assert found.nearest_similarity[4] == 0


def test_a_single_filter_has_no_nearest(single):
    found = analyze_group(Problem(single(np.ones((1, 2, 3, 3))), Request(Recipe())), "conv", 1)
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
    found = analyze_group(Problem(plain, Request(Recipe())), "conv1", 8)
    for array in (found.similarity, found.importance):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


SEEING = [
    Recipe(similarity="activation"),
    Recipe(dispersion="activation"),
    *(Recipe(criterion=c) for c in ("taylor", "hrank", "chip", "reconstruction")),
]


@pytest.mark.parametrize("recipe", SEEING)
def test_recipes_that_need_images_say_so_and_use_them(plain, seen_of, recipe):
    with pytest.raises(RecipeError, match="observe"):
        analyze(plain, recipe)
    seen = seen_of(plain)
    found = analyze(plain, recipe, seen)
    assert found.evidence == Evidence(observations=seen)
    again = analyze(plain, recipe, Evidence(observations=seen))
    assert again.kept == found.kept
    group = found.groups["conv2"]
    if recipe.similarity == "activation":
        expected = similarity(seen.covariance["conv2"], "activation")
        np.testing.assert_array_equal(group.similarity, expected)
    if recipe.dispersion == "activation":
        assert group.dispersion == activation_spread(seen.covariance["conv2"])
        assert found.dispersions["conv2"] == group.dispersion
    expected = importance(plain, plain.group("conv2"), recipe.criterion, 0, seen)
    np.testing.assert_array_equal(group.importance, expected)


def test_observations_of_other_weights_are_refused(plain, plain_of, seen_of):
    with pytest.raises(RecipeError, match="other weights"):
        analyze(plain, Recipe(criterion="taylor"), seen_of(plain_of(seed=1)))


def test_a_dispersion_of_activations_that_plays_no_part_needs_no_images(plain):
    recipe = Recipe(allocation="uniform", dispersion="activation")
    plainly = Recipe(allocation="uniform")
    assert analyze(plain, recipe).dispersions == analyze(plain, plainly).dispersions


@pytest.mark.parametrize(
    ("recipe", "k"),
    [
        (Recipe(cluster_rule="one_each"), 9),
        (Recipe(cluster_rule="share", kappa=0.25), 2),
        (Recipe(cluster_rule="threshold"), "threshold"),
        (Recipe(cluster_rule="silhouette"), "silhouette"),
    ],
)
def test_the_rule_says_how_many_clusters_there_are(plain, recipe, k):
    group = analyze_group(Problem(plain, Request(recipe)), "conv1", 9)
    matrix = layer_matrix(plain, plain.group("conv1"), "conv1")
    assert group.clusters == clusters(matrix, k=k)


def test_with_a_pacesetter_the_first_layer_speaks_for_all(residual):
    recipe = Recipe(coupled="pacesetter")
    group = analyze_group(Problem(residual, Request(recipe)), "stem", 8)
    first = layer_matrix(residual, residual.group("stem"), "stem")
    np.testing.assert_array_equal(group.similarity, similarity(first))
    assert group.clusters == clusters(first, k=4)
    expected = np.abs(residual.layer("stem").weight).sum((1, 2, 3))
    np.testing.assert_allclose(group.importance, expected, rtol=1e-6)
    shared = analyze_group(Problem(residual, Request(Recipe(coupled="shared"))), "stem", 8)
    assert not np.allclose(shared.similarity, group.similarity)
    assert "stem" in analyze(residual, recipe).groups


@pytest.mark.parametrize("recipe", [Recipe(), Recipe(criterion="group_magnitude"), *SEEING[:1]])
def test_followers_and_conv_groups_have_one_score_a_unit(depthwise, grouped, recipe, seen_of):
    from dataclasses import replace

    from sfp_viz.core.network import Along

    for network, name, size in ((depthwise, "expand", 24), (grouped, "conv2", 4)):
        along = {g.name: Along(np.ones(g.size), 2) for g in network.groups}
        network = replace(network, along=along)
        found = analyze_group(
            Problem(network, Request(recipe), Evidence(observations=seen_of(network))),
            name,
            size // 2,
        )
        assert found.importance.shape == (size,) == (len(found.clusters.labels),)
        assert found.similarity.shape == (size, size)


@pytest.mark.parametrize("likeness", ["cosine", "activation"])
@pytest.mark.parametrize("clustering", ["kmeans", "agglomerative", "hdbscan"])
def test_a_number_of_clusters_by_hand_is_kept_to(plain, seen_of, likeness, clustering):
    recipe = Recipe(similarity=likeness, clustering=clustering)
    for k in (1, 5, 16):
        assert (
            cluster_group(
                Problem(plain, Request(recipe), Evidence(observations=seen_of(plain))), "conv1", k
            ).k
            == k
        )
