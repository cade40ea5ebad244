"""Convolutions with a smaller window against their masked dense twins, whatever was dead."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from sfp_viz.nets.model import digest_of
from sfp_viz.nets.stripes.cropped_conv import CroppedConv
from sfp_viz.nets.stripes.striped_model import live_mask, with_cropped_window


def cut_window(conv, window, seed=0):
    """Leaves random positions alive inside of ``window`` (rows, columns), and its corners."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((conv.out_channels, *conv.kernel_size), dtype=bool)
    inside = (slice(None), *(slice(*ends) for ends in window))
    mask[inside] = rng.random(mask[inside].shape) < 0.5
    (top, bottom), (left, right) = window
    mask[0, top, left] = mask[-1, bottom - 1, right - 1] = True
    with torch.no_grad():
        conv.weight.masked_fill_(~torch.from_numpy(mask)[:, None], 0)
    return conv


def parts(size):
    """All parts of an axis, as (first, last + 1)."""
    return [(a, b) for a in range(size) for b in range(a + 1, size + 1)]


@pytest.mark.parametrize("stride", [1, (2, 1), 3])
@pytest.mark.parametrize("padding", [0, (2, 1), 4])
@pytest.mark.parametrize("dilation", [1, (1, 3)])
@pytest.mark.parametrize("groups", [1, 2, 6])
def test_a_smaller_window_equals_its_masked_dense_twin(stride, padding, dilation, groups):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        maps = torch.randn(2, 6, 11, 12)
        for seed, window in enumerate(itertools.product(parts(3), parts(3))):
            conv = nn.Conv2d(6, 12, 3, stride, padding, dilation, groups, bias=seed % 2 == 0)
            smaller = with_cropped_window(cut_window(conv, window, seed))
            if window == ((0, 3), (0, 3)):
                assert smaller is None
                continue
            assert smaller.window == window
            assert smaller.weight.numel() < conv.weight.numel()
            assert smaller(maps).shape == conv(maps).shape
            assert torch.allclose(smaller(maps), conv(maps), atol=1e-5, rtol=1e-5)
            assert torch.equal(smaller.dense().weight, conv.weight)
            assert digest_of(smaller.dense()) == digest_of(conv)


@pytest.mark.parametrize("size", [1, 2, 5])
@pytest.mark.parametrize("window", list(itertools.product(parts(5), parts(3)))[::3])
def test_maps_smaller_than_the_window_keep_their_outputs(size, window):
    conv = cut_window(nn.Conv2d(2, 3, (5, 3), 2, (4, 2), 2), window)
    smaller = CroppedConv(conv, window)
    maps = torch.arange(4.0 * size * size).view(2, 2, size, size)
    assert torch.allclose(smaller(maps), conv(maps), atol=1e-4, rtol=1e-5)


def test_a_digest_tells_where_the_window_lay():
    first, last = (nn.Conv2d(2, 2, 3, bias=False) for _ in range(2))
    with torch.no_grad():
        first.weight.zero_()[:, :, 0] = 1
        last.weight.zero_()[:, :, 2] = 1
    found = [digest_of(with_cropped_window(conv)) for conv in (first, last)]
    assert found[0] != found[1]


def test_the_twin_keeps_precision_and_what_is_frozen_or_training():
    conv = cut_window(nn.Conv2d(2, 4, 3, padding=1), ((0, 2), (0, 3))).double().eval()
    conv.requires_grad_(False)
    twin = with_cropped_window(conv).eval().dense()
    assert twin.weight.dtype == torch.float64
    assert torch.equal(twin.weight, conv.weight)
    assert not twin.training
    assert not any(p.requires_grad for p in twin.parameters())


@pytest.mark.parametrize(
    "padding", [{"padding": "same"}, {"padding": 1, "padding_mode": "circular"}]
)
def test_padding_that_is_not_zeros_in_numbers_is_refused(padding):
    conv = cut_window(nn.Conv2d(2, 4, 3, **padding), ((0, 2), (0, 3)))
    assert not live_mask(conv).all()
    with pytest.raises(ValueError, match="zero padding"):
        CroppedConv(conv, ((0, 2), (0, 3)))
