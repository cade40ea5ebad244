"""A network of two groups for the figures, built from numbers alone."""

from __future__ import annotations

import numpy as np
import pytest

from sfp_viz.core.network import ConvLayer, CostTerm, FilterGroup, Network


@pytest.fixture
def two_groups() -> Network:
    draw = np.random.default_rng(0)
    first = ConvLayer("a", draw.normal(size=(8, 1, 3, 3)).astype("float32"), (1, 1), 1, (8, 8))
    second = ConvLayer("b", draw.normal(size=(6, 8, 3, 3)).astype("float32"), (1, 1), 1, (4, 4))
    return Network(
        name="two",
        digest="0" * 16,
        input_shape=(1, 8, 8),
        layers=(first, second),
        groups=(FilterGroup("a", ("a",), 8), FilterGroup("b", ("b",), 6)),
        terms=(
            CostTerm("a", 9 * 64, 9, 1, (("a", 1),), (("", 1),)),
            CostTerm("b", 9 * 16, 9, 1, (("b", 1),), (("a", 1),)),
        ),
    )
