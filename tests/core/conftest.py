"""Tiny networks as readings, written by hand from numpy: plain, residual, depthwise, concat."""

from dataclasses import replace

import numpy as np
import pytest

from sfp_viz.core.evidence.observations import Observations
from sfp_viz.core.network import Cause, ConvLayer, CostTerm, FilterGroup, Network


def conv(name, filters, channels, size=3, *, side=8, conv_groups=1, seed=None, weight=None):
    rng = np.random.default_rng(sum(map(ord, name)) if seed is None else seed)
    shape = (filters, channels // conv_groups, size, size)
    if weight is None:
        weight = rng.normal(size=shape).astype(np.float32)
    gamma = rng.uniform(0.5, 1.5, filters).astype(np.float32)
    return ConvLayer(name, weight, (1, 1), conv_groups, (side, side), gamma * 2, gamma)


def conv_term(name, outs, ins, size=3, *, side=8, conv_groups=(("", 1),)):
    kernel = size * size
    return CostTerm(name, kernel * side**2, kernel, 0, outs, ins, conv_groups, side * side)


def norm_term(name, outs):
    return CostTerm(name, 0, 0, 2, outs, (("", 0),))


def whole(name, filters):
    return FilterGroup(name, (name,), filters)


def const(number):
    return (("", number),)


def of(*groups):
    return tuple((group, 1) for group in groups)


def plain_network(seed=0, widths=(16, 24, 32), weights=None):
    """conv1 -> conv2 -> conv3 -> flatten of 2x2 -> linear of 10; 3x3 kernels, BatchNorm after."""
    names, ins = ("conv1", "conv2", "conv3"), (3, *widths[:-1])
    weights = weights or {}
    layers = tuple(
        conv(n, f, c, seed=seed + i, weight=weights.get(n))
        for i, (n, f, c) in enumerate(zip(names, widths, ins, strict=True))
    )
    terms = (
        conv_term("conv1", of("conv1"), const(3)),
        norm_term("bn1", of("conv1")),
        conv_term("conv2", of("conv2"), of("conv1")),
        norm_term("bn2", of("conv2")),
        conv_term("conv3", of("conv3"), of("conv2")),
        norm_term("bn3", of("conv3")),
        CostTerm("fc", 1, 1, 1, const(10), (("conv3", 4),), map_size=1),
    )
    groups = tuple(whole(n, f) for n, f in zip(names, widths, strict=True))
    return Network("plain", f"plain{seed}", (3, 8, 8), layers, groups, terms, classes=10)


@pytest.fixture
def plain():
    return plain_network()


@pytest.fixture
def residual():
    """Stem + block(conv1, conv2) with an add: stem and block.conv2 are one coupled group."""
    layers = (
        conv("stem", 16, 3),
        conv("block.conv1", 16, 16),
        conv("block.conv2", 16, 16),
        conv("head", 20, 16),
    )
    tied = FilterGroup("stem", ("stem", "block.conv2"), 16, cause=Cause("residual_add"))
    groups = (tied, whole("block.conv1", 16), whole("head", 20))
    terms = (
        conv_term("stem", of("stem"), const(3)),
        norm_term("bn", of("stem")),
        conv_term("block.conv1", of("block.conv1"), of("stem")),
        conv_term("block.conv2", of("stem"), of("block.conv1")),
        conv_term("head", of("head"), of("stem")),
        CostTerm("fc", 1, 1, 1, const(10), of("head"), map_size=1),
    )
    return Network("residual", "residual0", (3, 8, 8), layers, groups, terms, classes=10)


@pytest.fixture
def depthwise():
    """1x1 expand -> depthwise 3x3 -> 1x1 project; the depthwise layer follows its producer."""
    layers = (
        conv("expand", 24, 8, 1),
        conv("dw", 24, 24, 3, conv_groups=24),
        conv("project", 8, 24, 1),
    )
    groups = (
        FilterGroup("expand", ("expand",), 24, followers=("dw",)),
        FilterGroup("project", ("project",), 8, protected=True, cause=Cause("network_output")),
    )
    terms = (
        conv_term("expand", of("expand"), const(8), 1),
        conv_term("dw", of("expand"), of("expand"), 3, conv_groups=of("expand")),
        conv_term("project", of("project"), of("expand"), 1),
    )
    return Network("depthwise", "depthwise0", (8, 8, 8), layers, groups, terms)


@pytest.fixture
def concat():
    """Two branches of the same stem, joined: the head reads both."""
    layers = (
        conv("stem", 12, 3),
        conv("left", 8, 12, 1),
        conv("right", 16, 12, 3),
        conv("head", 10, 24, 1),
    )
    groups = (
        whole("stem", 12),
        whole("left", 8),
        whole("right", 16),
        FilterGroup("head", ("head",), 10, protected=True, cause=Cause("network_output")),
    )
    terms = (
        conv_term("stem", of("stem"), const(3)),
        conv_term("left", of("left"), of("stem"), 1),
        conv_term("right", of("right"), of("stem"), 3),
        conv_term("head", of("head"), of("left", "right"), 1),
    )
    return Network("concat", "concat0", (3, 8, 8), layers, groups, terms)


@pytest.fixture
def grouped():
    """conv1 -> grouped conv2 of 4 conv_groups -> head; a unit is an offset in all conv_groups."""
    layers = (
        conv("conv1", 8, 3),
        conv("conv2", 16, 8, conv_groups=4),
        conv("head", 10, 16, 1),
    )
    groups = (
        FilterGroup("conv1", ("conv1",), 2, repeats=4),
        FilterGroup("conv2", ("conv2",), 4, repeats=4),
        FilterGroup("head", ("head",), 10, protected=True, cause=Cause("network_output")),
    )
    terms = (
        conv_term("conv1", of("conv1"), const(3)),
        conv_term("conv2", of("conv2"), of("conv1"), conv_groups=const(4)),
        conv_term("head", of("head"), of("conv2"), 1),
    )
    return Network("grouped", "grouped0", (3, 8, 8), layers, groups, terms)


@pytest.fixture
def plain_of():
    """The builder of the plain network: seed, widths, weights by name."""
    return plain_network


@pytest.fixture
def single():
    """A builder: one layer with the given weight [filters, channels, height, width]."""

    def build(weight, *, bn_scale=True, protected=False):
        weight = np.asarray(weight, np.float32)
        layer = conv("conv", len(weight), weight.shape[1], weight.shape[2], weight=weight)
        if not bn_scale:
            layer = replace(layer, scale=None, bn_scale=None)
        group = FilterGroup("conv", ("conv",), len(weight), protected, Cause("network_output"))
        terms = (
            conv_term("conv", of("conv"), const(weight.shape[1]), weight.shape[2]),
            CostTerm("fc", 1, 1, 1, const(10), of("conv"), map_size=1),
        )
        return Network("single", "single0", (3, 8, 8), (layer,), (group,), terms)

    return build


def observations_of(network, seed=0, scores=("taylor", "hrank", "chip"), without=()):
    """Observations of every free group, drawn: covariances of full rank and uneven scores."""
    draw = np.random.default_rng(seed)
    sizes = {g.name: g.size for g in network.free if g.name not in without}
    parts = {name: draw.normal(size=(2, size, 3 * size)) for name, size in sizes.items()}
    return Observations(
        digest=network.digest,
        data="drawn, train",
        images=100,
        mean={name: draw.normal(size=size) for name, size in sizes.items()},
        covariance={name: one @ one.T for name, (one, _) in parts.items()},
        readers_gram={name: two @ two.T for name, (_, two) in parts.items()},
        power={name: float(draw.uniform(50, 100)) for name in sizes},
        scores={s: {name: draw.random(size) for name, size in sizes.items()} for s in scores},
    )


@pytest.fixture
def seen_of():
    """The builder of drawn observations: network, seed, scores, without."""
    return observations_of
