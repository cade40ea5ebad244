"""Fixtures for all tests: four tiny torch networks as Models. torch is loaded when asked for."""

from __future__ import annotations

import os

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:  # several at once: one thread each, before torch is loaded
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def _model(name: str):
    import torch

    from sfp_viz.nets.model import Model
    from tests.tiny import NETS, randomize

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = NETS[name]()
    return Model(randomize(module), name=name, input_shape=(3, 8, 8))


@pytest.fixture(scope="session")
def plain_model():
    """Convolutions in a row, one followed by BatchNorm, then flattened; 8x8 images, 5 classes."""
    return _model("plain")


@pytest.fixture(scope="session")
def residual_model():
    """A residual add around two convolutions, and one with a projection."""
    return _model("residual")


@pytest.fixture(scope="session")
def depthwise_model():
    """A depthwise convolution, squeeze-and-excite, and a convolution with two conv_groups."""
    return _model("depthwise")


@pytest.fixture(scope="session")
def concat_model():
    """Branches joined by concatenation, and a layer that is used twice."""
    return _model("concat")


@pytest.fixture(scope="session", params=["plain", "residual", "depthwise", "concat"])
def tiny_model(request):
    """Each of the four tiny networks in turn."""
    return _model(request.param)
