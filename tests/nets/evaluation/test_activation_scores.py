"""Taylor, HRank and CHIP against slow plain versions."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.cost.cost import cost
from sfp_viz.core.evidence.evidence import Evidence
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.core.plan.request import Request
from sfp_viz.core.selection.planner import make_plan_for
from sfp_viz.errors import DataError, RecipeError
from sfp_viz.nets.data.datasets import Images
from sfp_viz.nets.evaluation.activation_scores import independence
from sfp_viz.nets.evaluation.observe import observe
from sfp_viz.nets.model import Model
from sfp_viz.nets.pruning.prune import prune
from sfp_viz.nets.tracing.read_network import read_network
from tests.tiny import NETS, randomize


def tiny(name):
    torch.manual_seed(0)
    return Model(randomize(NETS[name]()), name=name, input_shape=(3, 8, 8), classes=5)


@pytest.fixture(scope="module")
def images():
    draw = np.random.default_rng(0)
    pixels = draw.integers(0, 256, (24, 3, 8, 8), np.uint8)
    return Images("noise", "train", pixels, draw.integers(0, 5, 24))


def loss_with(model, images, layers, unit, factor):
    """Cross-entropy with one channel behind the named modules multiplied by ``factor``."""

    def apply(part, ins, out):
        out = out.clone()
        out[:, unit] *= factor
        return out

    hooks = [model.module.get_submodule(name).register_forward_hook(apply) for name in layers]
    with torch.no_grad():
        pixels = model.normalize(torch.from_numpy(images.pixels.copy())).double()
        found = F.cross_entropy(model.module(pixels), torch.from_numpy(images.labels.copy()))
    for hook in hooks:
        hook.remove()
    return float(found)


@pytest.mark.parametrize(
    ("name", "group", "gates"),
    [
        ("plain", "conv1", ["conv1"]),
        ("plain", "conv3", ["bn3"]),
        ("residual", "stem.0", ["stem.1", "outer.1"]),
        ("residual", "inner.0", ["inner.1"]),
    ],
)
def test_taylor_is_the_squared_slope_of_the_loss_by_a_gate(images, name, group, gates):
    model = tiny(name)
    found = observe(model, images, scores=("taylor",)).score("taylor", group)
    fine = model.with_module(model.module.double())
    slopes = [
        (loss_with(fine, images, gates, u, 1 + 1e-5) - loss_with(fine, images, gates, u, 1 - 1e-5))
        / 2e-5
        for u in range(len(found))
    ]
    np.testing.assert_allclose(found, np.square(slopes), rtol=1e-3, atol=1e-12)


def maps_into(model, layer, images):
    kept = []
    hook = model.module.get_submodule(layer).register_forward_pre_hook(
        lambda part, ins: kept.append(ins[0])
    )
    with torch.no_grad():
        model.module(model.normalize(torch.from_numpy(images.pixels.copy())))
    hook.remove()
    return kept[0].double()


def slow_chip(rows):
    whole = torch.linalg.matrix_norm(rows, "nuc")
    found = []
    for row in range(len(rows)):
        other = rows.clone()
        other[row] = 0
        found.append(float(whole - torch.linalg.matrix_norm(other, "nuc")))
    return np.array(found)


def test_hrank_is_the_mean_rank_of_the_maps_that_the_next_layer_reads(images):
    model = tiny("plain")
    seen = observe(model, images, scores=("hrank",))
    maps = maps_into(model, "conv2", images)
    expected = [np.mean([np.linalg.matrix_rank(m[u]) for m in maps.numpy()]) for u in range(20)]
    np.testing.assert_allclose(seen.score("hrank", "conv1"), expected, atol=0.05)
    flat = maps_into(model, "fc", images).unflatten(1, (8, 2, 2)).numpy()
    expected = [np.mean([np.linalg.matrix_rank(m[u]) for m in flat]) for u in range(8)]
    np.testing.assert_allclose(seen.score("hrank", "conv3"), expected, atol=0.05)


def test_maps_that_a_linear_layer_reads_with_the_channels_last_are_maps_too(images):
    class Last(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.wide = nn.Conv2d(3, 18, 3, padding=1), nn.Linear(18, 7)
            self.head = nn.Linear(7, 5)

        def forward(self, images):
            maps = F.relu(self.conv(images)).permute(0, 2, 3, 1)
            return self.head(F.relu(self.wide(maps)).mean((1, 2)))

    torch.manual_seed(0)
    model = Model(Last().eval(), name="last", input_shape=(3, 8, 8), classes=5)
    seen = observe(model, images, scores=("hrank", "chip"))
    maps = maps_into(model, "wide", images).movedim(-1, 1)
    expected = [np.mean([np.linalg.matrix_rank(m[u]) for m in maps.numpy()]) for u in range(18)]
    np.testing.assert_allclose(seen.score("hrank", "conv"), expected, atol=0.05)
    expected = np.mean([slow_chip(rows) for rows in maps.flatten(2)], axis=0)
    np.testing.assert_allclose(seen.score("chip", "conv"), expected, rtol=1e-4, atol=1e-6)


def test_chip_is_the_mean_change_of_the_nuclear_norm(images):
    model = tiny("plain")
    seen = observe(model, images, scores=("chip", "hrank"))
    maps = maps_into(model, "conv2", images).flatten(2)
    expected = np.mean([slow_chip(rows) for rows in maps], axis=0)
    np.testing.assert_allclose(seen.score("chip", "conv1"), expected, rtol=1e-4)


@pytest.mark.parametrize(("units", "positions"), [(12, 30), (30, 12), (9, 9), (1, 6), (6, 1)])
def test_independence_equals_one_decomposition_a_row(units, positions):
    torch.manual_seed(units)
    rows = torch.randn(units, positions, dtype=torch.float64).relu()
    if units > 3:
        rows[1], rows[2] = 0, 2 * rows[3]
    expected = slow_chip(rows)
    found = independence(rows).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5 * expected.max())
    assert independence(torch.zeros(3, 4, dtype=torch.float64)).tolist() == [0, 0, 0]


@pytest.mark.parametrize("name", list(NETS))
def test_every_observed_group_gets_every_score(images, name):
    model = tiny(name)
    before = {key: value.clone() for key, value in model.module.state_dict().items()}
    seen = observe(model, images, scores=("taylor", "hrank", "chip"))
    for group, covariance in seen.covariance.items():
        for score in ("taylor", "hrank", "chip"):
            found = seen.score(score, group)
            assert found.shape == (len(covariance),)
            assert np.isfinite(found).all()
            assert (found >= 0).all()
    assert all(p.requires_grad for p in model.module.parameters())
    for key, value in model.module.state_dict().items():
        assert torch.equal(value, before[key])


def test_the_same_images_give_the_same_scores(images):
    one, two = (observe(tiny("residual"), images, scores=("taylor", "chip")) for _ in range(2))
    for name in one.scores:
        for group, found in one.scores[name].items():
            np.testing.assert_array_equal(found, two.scores[name][group])


def test_labels_that_the_network_cannot_name_are_refused_for_taylor(images):
    strange = Images("strange", "train", images.pixels, np.arange(24))
    with pytest.raises(DataError, match=r"taylor.*23"):
        observe(tiny("plain"), strange, scores=("taylor",))
    assert observe(tiny("plain"), strange, scores=("chip",)).images == 24


def test_a_score_that_is_not_known_is_refused_by_name(images):
    with pytest.raises(RecipeError, match="magic"):
        observe(tiny("plain"), images, scores=("magic",))


@pytest.mark.parametrize(
    "recipe",
    [
        *(Recipe(0.3, criterion=c) for c in ("taylor", "hrank", "chip", "reconstruction")),
        Recipe(0.3, similarity="activation", dispersion="activation", cluster_rule="silhouette"),
        Recipe(0.3, criterion="group_magnitude", coupled="pacesetter", clustering="spectral"),
    ],
)
@pytest.mark.parametrize("name", ["plain", "residual", "depthwise"])
def test_what_was_seen_makes_plans_that_can_be_cut(images, recipe, name):
    model = tiny(name)
    network = read_network(model)
    seen = observe(model, images, scores=("taylor", "hrank", "chip"))
    plan = make_plan_for(Problem(network, Request(recipe), Evidence(observations=seen)))
    assert cost(network, plan).macs <= 0.7 * cost(network).macs
    pruned = prune(model, plan, network=network)
    assert pruned.module(torch.zeros(1, 3, 8, 8)).shape == (1, 5)
