"""What a filter looks at, told for people."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sfp_viz.core.network import ConvLayer, CostTerm, FilterGroup, Network
from sfp_viz.figures.filters import windows


def network(*, factor: int = 4, inputs: int = 12, protected: bool = False) -> Network:
    """Three maps of ``factor`` pixels, flattened into a linear layer of five neurons."""
    conv = ConvLayer("conv", np.ones((3, 1, 3, 3), "float32"), (1, 1), 1, (4, 4))
    line = ConvLayer("line", np.ones((5, inputs, 1, 1), "float32"), (1, 1), 1, (1, 1), neurons=True)
    groups = FilterGroup("conv", ("conv",), 3, protected), FilterGroup("line", ("line",), 5)
    term = CostTerm("line", 1, 1, 1, (("line", 1),), (("conv", factor),))
    return Network("made", "0", (1, 8, 8), (conv, line), groups, (term,))


def window(read: Network) -> windows.Shape:
    return windows.window_of(read, read.layer("line"))


def test_the_inputs_of_a_neuron_that_are_flattened_maps_are_told_as_maps():
    read = network()
    assert window(read) == (3, 2, 2)
    assert windows.size_words(read, read.layer("line")) == "3 × 2 × 2"
    assert windows.window_of(read, read.layer("conv")) == (1, 3, 3)


def test_inputs_whose_order_was_not_checked_or_that_are_no_squares_have_no_places():
    assert window(network(protected=True)) == (12, 1, 1)
    assert window(network(factor=6, inputs=18)) == (18, 1, 1)
    assert window(network(factor=1, inputs=3)) == (3, 1, 1)
    assert window(network(inputs=16)) == (16, 1, 1)
    wide = network(factor=1, inputs=2048)
    assert windows.size_words(wide, wide.layer("line")) == "2,048 inputs"


def test_a_layer_that_reads_different_things_in_its_calls_has_no_places():
    read = network()
    again = replace(read.terms[0], ins=(("", 12),))
    assert window(replace(read, terms=(*read.terms, again))) == (12, 1, 1)
