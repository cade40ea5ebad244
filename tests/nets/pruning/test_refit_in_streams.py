"""The refit among norms and residual sums: what stays, and what is report up for."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sfp_viz.nets.data.datasets import Images
from sfp_viz.nets.model import Model
from sfp_viz.nets.pruning.compensation import reestimate
from sfp_viz.nets.pruning.cut_context import cut_context
from sfp_viz.nets.pruning.least_squares import FitOptions, refit
from tests.tiny import randomize


class Chain(nn.Module):
    """A stem and two residual blocks, the second of which hears of what the first one loses."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.stem_norm = nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16)
        for block in ("one", "two"):
            for part, ins, outs in (("in", 16, 24), ("out", 24, 16)):
                conv = nn.Conv2d(ins, outs, 3, padding=1, bias=False)
                self.add_module(f"{block}_{part}", conv)
                self.add_module(f"{block}_{part}_norm", nn.BatchNorm2d(outs))
        self.fc = nn.Linear(16, 5)

    def block(self, name: str, maps: Tensor) -> Tensor:
        inner = getattr(self, f"{name}_in_norm")(getattr(self, f"{name}_in")(maps))
        out = getattr(self, f"{name}_out_norm")(getattr(self, f"{name}_out")(F.relu(inner)))
        out += maps
        return F.relu(out)

    def sums(self, images: Tensor) -> Tensor:
        return self.block("two", self.block("one", F.relu(self.stem_norm(self.stem(images)))))

    def forward(self, images: Tensor) -> Tensor:
        return self.fc(self.sums(images).mean((2, 3)))


@pytest.fixture(scope="module")
def images() -> Images:
    pixels = np.random.default_rng(0).integers(0, 256, (256, 3, 8, 8), dtype=np.uint8)
    return Images("noise", "train", pixels, np.zeros(256, np.int64))


@pytest.fixture(scope="module")
def chain(images) -> Model:
    torch.manual_seed(0)
    model = Model(randomize(Chain()), name="chain", input_shape=(3, 8, 8))
    return reestimate(model, images)


REMOVED = {"one_in": tuple(range(0, 24, 2)), "two_in": tuple(range(8))}


def refitted(model: Model, removed, images: Images, **how):
    cut = cut_context(model, removed)
    report = refit(cut, images, **how)
    return model.with_module(cut.module), report


def run(model: Model, images: Images, part: str = "forward") -> Tensor:
    with torch.no_grad():
        pixels = model.normalize(torch.from_numpy(images.pixels.copy()))
        return getattr(model.module, part)(pixels)


def apart(one: Tensor, other: Tensor) -> float:
    return float((one - other).square().mean())


@pytest.mark.parametrize("window", [True, False])
def test_norms_estimated_anew_leave_a_refitted_network_as_it_was_fitted(chain, images, window):
    fitted, _ = refitted(chain, {"two_in": REMOVED["two_in"]}, images, window=window)
    again = reestimate(fitted, images)
    whole, before, after = (run(m, images) for m in (chain, fitted, again))
    assert apart(before, after) < 1e-4 * apart(before, whole)
    norm = again.module.two_out_norm
    assert torch.allclose(norm.running_mean, fitted.module.two_out_norm.running_mean, atol=1e-4)
    assert torch.allclose(norm.running_var, fitted.module.two_out_norm.running_var, rtol=1e-3)
    shrunk = norm.weight.abs() < chain.module.two_out_norm.weight.abs()
    assert shrunk.all()  # a fit puts out less variance than what it is fitted to


def test_with_nothing_removed_nothing_changes(tiny_model, chain, images):
    for model in (tiny_model, chain):
        same, report = refitted(model, {}, images)
        assert report.layers == ()
        assert torch.allclose(run(same, images), run(model, images), atol=1e-5)


def test_filters_that_feed_nothing_are_not_missed(chain, images):
    model = Model(copy.deepcopy(chain.module), name="chain", input_shape=(3, 8, 8))
    with torch.no_grad():
        for name, units in REMOVED.items():
            norm = model.module.get_submodule(f"{name}_norm")
            norm.weight[list(units)] = 0
            norm.bias[list(units)] = -1  # never passes the ReLU
    some = images.first(128)  # one batch, so that its statistics are those of the norms
    model = reestimate(Model(model.module, name="chain", input_shape=(3, 8, 8)), some)
    fitted, report = refitted(model, REMOVED, some)
    assert [layer.name for layer in report.layers] == ["one_out", "two_out"]
    assert torch.allclose(run(fitted, some), run(model, some), atol=1e-3)
    assert torch.allclose(run(reestimate(fitted, some), some), run(model, some), atol=1e-3)


def test_following_the_stream_makes_up_for_an_earlier_block(chain, images):
    whole = run(chain, images, "sums")
    fitted, report = refitted(chain, REMOVED, images)
    alone, plain = refitted(chain, REMOVED, images, options=FitOptions(follow_streams=False))
    # nothing was lost before the first block, but for norms that use each batch's own statistics
    assert report.layers[0].before == pytest.approx(plain.layers[0].before, rel=1e-3)
    assert report.layers[1].before > 1.1 * plain.layers[1].before  # the stream's loss is counted
    errors = [apart(run(model, images, "sums"), whole) for model in (fitted, alone)]
    assert errors[0] < 0.95 * errors[1]
    errors = [apart(run(reestimate(m, images), images, "sums"), whole) for m in (fitted, alone)]
    assert errors[0] < 0.95 * errors[1]


def test_memory_changes_nothing(chain, images):
    held, _ = refitted(chain, REMOVED, images)
    streamed, _ = refitted(chain, REMOVED, images, options=FitOptions(max_kept=0))
    assert held.digest == streamed.digest


def test_several_readers_share_a_pass_of_the_whole_network(chain, images, monkeypatch):
    passes = []
    ran = Chain.forward

    def counted(self, batch):
        passes.append(len(batch))
        return ran(self, batch)

    monkeypatch.setattr(Chain, "forward", counted)
    refitted(chain, REMOVED, images)
    dry = [count for count in passes if count != 128]
    assert len(passes) - len(dry) == 2 * (1 + 2)  # two batches; the whole once, and each reader


def test_outputs_that_are_cut_themselves_stay_silent(chain, images):
    removed = {**REMOVED, "stem": (1, 5)}
    fitted, report = refitted(chain, removed, images)
    assert {"one_in", "two_in", "one_out", "two_out", "fc"} == {r.name for r in report.layers}
    assert not run(fitted, images, "sums")[:, [1, 5]].any()
    assert run(fitted, images, "sums")[:, [0, 2]].any()


class Later(nn.Module):
    """The first norm's output is added to what is computed from it, as in MobileNetV2."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.first, self.norm = (
            nn.Conv2d(3, 20, 1),
            nn.Conv2d(20, 8, 1),
            nn.BatchNorm2d(8),
        )
        self.inner, self.outer = nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.fc = nn.Linear(8, 5)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.norm(self.first(F.relu(self.stem(images))))
        maps = maps + self.outer(self.inner(F.relu(maps)))
        return self.fc(maps.mean((2, 3)))


def test_a_sum_with_what_depends_on_the_layer_is_no_stream(images):
    torch.manual_seed(0)
    model = Model(randomize(Later()), name="later", input_shape=(3, 8, 8))
    fitted, _ = refitted(model, {"stem": (0, 1, 2)}, images)
    alone, _ = refitted(
        model, {"stem": (0, 1, 2)}, images, options=FitOptions(follow_streams=False)
    )
    assert fitted.digest == alone.digest


def test_outputs_without_a_norm_that_are_cut_stay_silent_too(plain_model, images):
    fitted, report = refitted(plain_model, {"conv1": (0, 3), "conv2": (2, 5)}, images)
    assert [layer.name for layer in report.layers] == ["conv2", "conv3"]
    part = fitted.module.conv2
    assert not part.weight[[2, 5]].any()
    assert not part.bias[[2, 5]].any()
    assert part.weight[[0, 1]].any()
