"""What each group feeds forward."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from sfp_viz.errors import DataError, RecipeError
from sfp_viz.nets.data.datasets import Images
from sfp_viz.nets.evaluation.observe import observe
from sfp_viz.nets.model import Model
from sfp_viz.nets.zoo import architectures


@pytest.fixture(scope="module")
def lenet():
    torch.manual_seed(0)
    return Model(architectures.build("lenet5", {}), name="lenet", input_shape=(1, 8, 8))


@pytest.fixture(scope="module")
def images():
    draw = np.random.default_rng(0)
    return Images("noise", "train", draw.integers(0, 256, (200, 1, 8, 8), np.uint8), np.arange(200))


def test_means_and_covariances_are_those_of_the_values_that_the_next_layer_reads(lenet, images):
    seen = observe(lenet, images)
    with torch.no_grad():
        pixels = lenet.normalize(torch.from_numpy(images.pixels.copy()))
        maps = F.max_pool2d(F.relu(lenet.module.conv1(pixels)), 2)
    values = maps.movedim(1, 0).flatten(1).double().numpy()
    assert np.allclose(seen.mean["conv1"], values.mean(1), atol=1e-6)
    assert np.allclose(seen.covariance["conv1"], np.cov(values, bias=True), atol=1e-5)


def test_reach_is_the_gram_matrix_of_the_next_layers_weights(lenet, images):
    seen = observe(lenet, images)
    weight = lenet.module.conv2.weight.detach().double().numpy()
    assert np.allclose(seen.readers_gram["conv1"], np.einsum("oihw,ojhw->ij", weight, weight))
    columns = lenet.module.fc1.weight.detach().double().numpy().reshape(64, 48, 4)
    assert np.allclose(seen.readers_gram["conv2"], np.einsum("oip,ojp->ij", columns, columns))


def test_a_limit_of_images_is_kept_and_told(lenet, images):
    assert observe(lenet, images, most=50).images == 50


def test_progress_is_told_after_each_batch_and_taylor_looks_twice(lenet, images):
    told: list[tuple[int, int]] = []
    labeled = Images(images.name, "train", images.pixels, images.labels % 10)
    observe(lenet, labeled, most=200, progress=lambda *at: told.append(at))
    assert told == [(128, 200), (200, 200)]
    told.clear()
    observe(lenet, labeled, most=200, scores=("taylor",), progress=lambda *at: told.append(at))
    assert told == [(128, 400), (200, 400), (328, 400), (400, 400)]


def test_a_group_that_was_not_observed_names_the_call_to_make(lenet, images):
    with pytest.raises(RecipeError, match="observe"):
        observe(lenet, images, most=10).of("conv9")


def test_images_of_another_shape_are_refused_with_both_shapes(lenet):
    wide = Images("wide", "train", np.zeros((4, 1, 8, 9), np.uint8), np.zeros(4, np.int64))
    with pytest.raises(DataError, match=r"\(1, 8, 8\).*\(1, 8, 9\)"):
        observe(lenet, wide)


class Paired(nn.Module):
    """A convolution whose channels are read in two conv_groups."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 20, 3), nn.Conv2d(20, 12, 3, groups=2)
        self.fc = nn.Linear(12, 5)

    def forward(self, images):
        return self.fc(F.relu(self.second(F.relu(self.first(images)))).mean((2, 3)))


def test_a_grouped_reader_is_observed_by_units_of_one_offset():
    torch.manual_seed(0)
    model = Model(Paired(), name="paired", input_shape=(3, 8, 8))
    draw = np.random.default_rng(0)
    noise = Images("noise", "train", draw.integers(0, 256, (9, 3, 8, 8), np.uint8), np.arange(9))
    seen = observe(model, noise)
    with torch.no_grad():
        maps = F.relu(model.module.first(model.normalize(torch.from_numpy(noise.pixels.copy()))))
    values = maps.unflatten(1, (2, 10)).permute(2, 1, 0, 3, 4).flatten(1).double().numpy()
    np.testing.assert_allclose(seen.covariance["first"], np.cov(values, bias=True), atol=1e-5)
    weight = model.module.second.weight.detach().double().numpy().reshape(2, 6, 10, 9)
    expected = np.einsum("goip,gojp->ij", weight, weight)
    np.testing.assert_allclose(seen.readers_gram["first"], expected)


def test_observations_are_equal_only_to_themselves_and_eliminate_once(lenet, images):
    seen = observe(lenet, images, most=20)
    assert seen != observe(lenet, images, most=20)
    assert {seen: 1}[seen] == 1
    assert seen.elimination("conv1") is seen.elimination("conv1")
    assert sorted(seen.elimination("conv1").order) == list(range(len(seen.mean["conv1"])))


def test_the_stream_that_the_last_layer_feeds_is_that_of_its_answers(lenet, images):
    seen = observe(lenet, images)
    with torch.no_grad():
        answers = lenet.module(lenet.normalize(torch.from_numpy(images.pixels.copy()))).double()
    assert seen.power["fc1"] == pytest.approx(float(answers.var(0, correction=0).sum()), rel=1e-4)
    _, covariance, readers_gram = seen.of("fc1")  # so what fc1 feeds is all of that stream
    assert np.sum(readers_gram * covariance) / seen.power["fc1"] == pytest.approx(1, rel=1e-3)


class Projected(nn.Module):
    """A block whose shortcut is a convolution, which runs after the block's own."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 3, padding=1)
        self.first = nn.Conv2d(4, 6, 3, padding=1)
        self.second = nn.Conv2d(6, 5, 3, padding=1)
        self.shortcut = nn.Conv2d(4, 5, 1)
        self.next = nn.Conv2d(5, 3, 3)
        self.head = nn.Linear(3, 2)

    def summed(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x).relu()
        return (self.second(self.first(x).relu()) + self.shortcut(x)).relu()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.next(self.summed(x)).relu().mean((2, 3)))


def test_past_a_shortcut_convolution_the_stream_is_the_sum_that_the_next_block_reads(images):
    torch.manual_seed(0)
    module = Projected().eval()
    model = Model(module, "projected", images.pixels.shape[1:])
    seen = observe(model, images)
    with torch.no_grad():
        stream = module.summed(model.normalize(torch.from_numpy(images.pixels.copy()))).double()
    variance = float(stream.movedim(1, 0).flatten(1).var(1, correction=0).sum())
    assert seen.power["first"] == pytest.approx(variance, rel=1e-4)
