"""A refitted layer keeps its scale through the BatchNorm behind it, however that is estimated."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from sfp_viz.nets.pruning.norm_rescaling import output_moments, rescale_norm


def norm_of(mean, variance, gamma=None, beta=None, **how) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(len(mean), eps=1e-9, **how).eval()
    norm.running_mean.copy_(torch.tensor(mean))
    norm.running_var.copy_(torch.tensor(variance))
    with torch.no_grad():
        if gamma is not None:
            norm.weight.copy_(torch.tensor(gamma))
        if beta is not None:
            norm.bias.copy_(torch.tensor(beta))
    return norm


def test_the_scale_is_held_by_hand():
    # y -> 3 (y + 0.5 - 1) / 2 + 0.25; y now has the mean 5 and the variance 9
    before = norm_of([1.0], [4.0], [3.0], [0.25])
    norm = norm_of([0.5], [4.0], [3.0], [0.25])
    rescale_norm(
        norm, before, torch.tensor([5.0]).double(), torch.tensor([9.0]), torch.tensor([0.5])
    )
    assert norm.weight.item() == pytest.approx(4.5)  # 3 * 3 / 2
    assert norm.bias.item() == pytest.approx(0.25 + 3 / 2 * (5 + 0.5 - 1))
    assert (norm.running_mean.item(), norm.running_var.item()) == (5.0, 9.0)


def test_the_function_stays_and_statistics_estimated_anew_change_nothing():
    torch.manual_seed(0)
    values = torch.randn(64, 3, 5, 5) * torch.tensor([1.0, 0.3, 2.0]).view(1, 3, 1, 1) + 1
    before = norm_of([0.2, 0.1, -0.4], [2.0, 0.5, 1.0], [1.5, -0.7, 0.0], [0.1, 0.2, 0.3])
    norm = norm_of([0.2, 0.1, -0.4], [2.0, 0.5, 1.0], [1.5, -0.7, 0.0], [0.1, 0.2, 0.3])
    constant = torch.tensor([0.3, -0.2, 0.1])
    mean, variance = output_moments(nn.Identity(), values.split(16))
    assert torch.allclose(mean, values.mean((0, 2, 3)).double(), atol=1e-6)
    assert torch.allclose(variance, values.double().var((0, 2, 3), correction=0), atol=1e-6)
    rescale_norm(norm, before, mean, variance, constant)
    with torch.no_grad():
        wanted = before(values + constant.view(1, 3, 1, 1))
        assert torch.allclose(norm(values), wanted, atol=1e-5)
        assert torch.allclose(norm.train()(values), wanted, atol=1e-5)


@pytest.mark.parametrize(
    "norm",
    [
        norm_of([0.0], [1.0], affine=False),
        norm_of([0.0], [1.0], [2.0], bias=False),
    ],
)
def test_norms_without_scale_or_shift_stay_as_they_are(norm):
    held = {name: value.clone() for name, value in norm.state_dict().items()}
    one = torch.ones(1, dtype=torch.float64)
    rescale_norm(norm, norm_of([0.0], [1.0]), one, 4 * one, one)
    assert all(torch.equal(held[name], value) for name, value in norm.state_dict().items())


def test_a_norm_that_kept_no_statistics_has_no_scale_to_hold():
    before = nn.BatchNorm2d(1, track_running_stats=False)
    norm = nn.BatchNorm2d(1)
    one = torch.ones(1, dtype=torch.float64)
    rescale_norm(norm, before, one, 4 * one, one)
    assert norm.weight.item() == 1
    assert norm.running_var.item() == 1
