import numpy as np
import pytest

from sfp_viz.errors import PlanError


def test_names_are_looked_up_and_unknown_ones_named(plain):
    assert plain.layer("conv2").filters == 24
    assert plain.group("conv3").width == 32
    with pytest.raises(PlanError, match="no layer called 'conv9'"):
        plain.layer("conv9")
    with pytest.raises(PlanError, match="no group called 'conv9'"):
        plain.group("conv9")


def test_the_group_of_a_layer_knows_members_and_followers(depthwise, residual):
    assert depthwise.group_of("dw").name == "expand"
    assert residual.group_of("block.conv2").name == "stem"
    assert residual.group_of("fc") is None


def test_free_groups_are_those_that_may_be_cut(concat):
    assert [group.name for group in concat.free] == ["stem", "left", "right"]


def test_weights_are_read_only(plain):
    with pytest.raises(ValueError, match="read-only"):
        plain.layer("conv1").weight[0] = 0


def test_the_width_of_a_grouped_unit_counts_every_conv_group(grouped):
    assert grouped.group("conv2").width == 16
    assert np.all([len(grouped.layer(g.name).weight) == g.width for g in grouped.groups])
