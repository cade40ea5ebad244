"""What is said of BatchNorm is said of networks that have it."""

import pytest
import torch
from torch import nn

from sfp_viz.nets.model import Model
from sfp_viz.nets.tracing.read_network import read_network
from sfp_viz.ui.check.compensation_view import has_batch_norm


class LayerNorm2d(nn.LayerNorm):
    def forward(self, maps):
        return super().forward(maps.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


@pytest.mark.parametrize(
    ("norm", "there"),
    [
        (nn.BatchNorm2d(20), True),
        (nn.Sequential(nn.ReLU(), nn.BatchNorm2d(20)), True),
        (nn.BatchNorm2d(20, affine=False), True),
        (nn.GroupNorm(1, 20), False),
        (LayerNorm2d(20), False),
        (nn.PReLU(20), False),
        (nn.Identity(), False),
    ],
)
def test_only_batch_norm_has_statistics(norm, there):
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(3, 20, 3, padding=1), norm, nn.ReLU(), nn.Conv2d(20, 8, 3), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5),
    )  # fmt: skip
    network = read_network(Model(module.eval(), name="n", input_shape=(3, 8, 8)))
    assert has_batch_norm(network) is there
