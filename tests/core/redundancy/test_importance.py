from dataclasses import replace

import numpy as np
import pytest

from sfp_viz.core.evidence.elimination import eliminate
from sfp_viz.core.network import Along
from sfp_viz.core.redundancy.importance import importance, ranks
from sfp_viz.errors import RecipeError


def scores(network, criterion, group="conv", seed=0):
    return importance(network, network.group(group), criterion, seed)


WEIGHT = np.array([[3, -4], [0, 1], [3, -3]], np.float32)[:, :, None, None]


def test_the_norms_by_hand(single):
    np.testing.assert_allclose(scores(single(WEIGHT), "l1"), [7, 1, 6])
    np.testing.assert_allclose(scores(single(WEIGHT), "l2"), [5, 1, 18**0.5])


def test_fpgm_is_the_sum_of_distances_to_the_others(single):
    ab, ac, bc = 34**0.5, 1, 25**0.5
    np.testing.assert_allclose(scores(single(WEIGHT), "fpgm"), [ab + ac, ab + bc, ac + bc])


def test_bn_scale_is_the_absolute_gamma(plain):
    np.testing.assert_allclose(
        scores(plain, "bn_scale", "conv1"), np.abs(plain.layer("conv1").bn_scale)
    )


def test_bn_scale_without_a_batchnorm_names_the_layer(single):
    with pytest.raises(RecipeError, match="'conv'"):
        scores(single(WEIGHT, bn_scale=False), "bn_scale")


def test_random_scores_depend_on_the_seed_and_the_group(plain):
    assert (scores(plain, "random", "conv1") == scores(plain, "random", "conv1")).all()
    assert (scores(plain, "random", "conv1", 1) != scores(plain, "random", "conv1")).all()
    assert (scores(plain, "random", "conv2")[:16] != scores(plain, "random", "conv1")).all()


def test_coupled_layers_are_averaged_at_equal_weight(residual):
    one = np.abs(residual.layer("stem").weight).sum((1, 2, 3))
    two = np.abs(residual.layer("block.conv2").weight).sum((1, 2, 3))
    expected = (one / one.mean() + two / two.mean()) / 2
    np.testing.assert_allclose(scores(residual, "l1", "stem"), expected, rtol=1e-5)


def test_a_grouped_unit_adds_up_its_filters(grouped):
    each = np.abs(grouped.layer("conv2").weight).sum((1, 2, 3)).reshape(4, 4).sum(axis=0)
    np.testing.assert_allclose(scores(grouped, "l1", "conv2"), each, rtol=1e-5)
    gamma = np.abs(grouped.layer("conv2").bn_scale).reshape(4, 4).sum(axis=0)
    np.testing.assert_allclose(scores(grouped, "bn_scale", "conv2"), gamma, rtol=1e-5)


@pytest.mark.parametrize("criterion", ["l1", "l2", "fpgm"])
def test_the_order_of_filters_does_not_matter(single, criterion):
    rng = np.random.default_rng(0)
    weight, order = rng.normal(size=(10, 3, 3, 3)), rng.permutation(10)
    np.testing.assert_allclose(
        scores(single(weight[order]), criterion), scores(single(weight), criterion)[order]
    )


@pytest.mark.parametrize("criterion", ["l1", "l2", "fpgm", "bn_scale", "random"])
def test_dead_filters_give_finite_scores(single, criterion):
    assert np.isfinite(scores(single(np.zeros((3, 1, 3, 3))), criterion)).all()


def test_an_unknown_criterion_is_refused(single):
    with pytest.raises(RecipeError, match="magic"):
        scores(single(WEIGHT), "magic")


def test_group_magnitude_by_hand(single):
    """Squares of the filter and of what goes along, over the number of weights in all."""
    along = {"conv": Along(np.array([1.0, 5.0, 0.5]), 2)}
    network = replace(single(WEIGHT), along=along)
    np.testing.assert_allclose(scores(network, "group_magnitude"), [26 / 3, 6 / 3, 18.5 / 3])


def test_group_magnitude_adds_up_all_layers_of_a_coupled_group(residual):
    network = replace(residual, along={"stem": Along(np.full(16, 3.0), 4)})
    squares = [np.square(network.layer(n).weight).sum((1, 2, 3)) for n in ("stem", "block.conv2")]
    expected = (squares[0] + squares[1] + 3) / 6
    np.testing.assert_allclose(scores(network, "group_magnitude", "stem"), expected, rtol=1e-5)


def test_group_magnitude_of_an_old_reading_says_to_open_the_model_again(plain):
    with pytest.raises(RecipeError, match=r"'conv1'.*Open the model's file again"):
        scores(plain, "group_magnitude", "conv1")


def test_reconstruction_is_the_place_in_the_order_of_elimination(plain, seen_of):
    seen = seen_of(plain)
    found = importance(plain, plain.group("conv1"), "reconstruction", 0, seen)
    order = eliminate(seen.covariance["conv1"], seen.readers_gram["conv1"]).order
    assert found[list(order)].tolist() == list(range(16))


@pytest.mark.parametrize("criterion", ["taylor", "hrank", "chip"])
def test_scores_from_images_are_those_observed(plain, seen_of, criterion):
    seen = seen_of(plain)
    found = importance(plain, plain.group("conv2"), criterion, 0, seen)
    np.testing.assert_array_equal(found, seen.scores[criterion]["conv2"])


@pytest.mark.parametrize("criterion", ["taylor", "hrank", "chip", "reconstruction"])
def test_what_needs_images_says_so_without_them(plain, seen_of, criterion):
    with pytest.raises(RecipeError, match=r"observe\(model, images"):
        scores(plain, criterion, "conv1")
    bare = seen_of(plain, scores=(), without=("conv1",))
    with pytest.raises(RecipeError, match=r"'conv1'.*observe"):
        importance(plain, plain.group("conv1"), criterion, 0, bare)


def test_ranks_run_from_0_to_1_and_the_first_of_equals_wins():
    np.testing.assert_allclose(ranks(np.array([5.0, 7, 5, 1])), [2 / 3, 1, 1 / 3, 0])
    assert ranks(np.array([3.0])).tolist() == [1]
