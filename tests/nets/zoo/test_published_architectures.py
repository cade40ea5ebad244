"""The literal entries are the networks of the papers: their MACs and params."""

import pytest

from sfp_viz.errors import ModelError
from sfp_viz.nets.evaluation.measure import count_macs, count_params
from sfp_viz.nets.model import Model
from sfp_viz.nets.tracing.read_network import channel_groups
from sfp_viz.nets.zoo.build import build


@pytest.mark.parametrize(
    ("architecture", "shape", "macs", "params", "free"),
    [
        ("lenet_caffe", (1, 28, 28), 2_293_000, 431_080, 3),  # SSR's README: 2.3M, 0.43M
        ("cifar_alexnet", (3, 32, 32), 43_837_440, 4_361_034, 7),
        ("cifar_vgg16", (3, 32, 32), 313_201_664, 14_728_266, 13),
        ("cifar_googlenet", (3, 32, 32), 1_447_241_728, 5_871_914, 55),
    ],
)
def test_an_entry_has_its_macs_and_params_and_all_its_groups_can_be_cut(
    architecture, shape, macs, params, free
):
    model = Model(build(architecture, {}), name=architecture, input_shape=shape)
    assert (count_macs(model), count_params(model)) == (macs, params)
    groups = channel_groups(model)
    assert len([group for group in groups if not group.problem]) == free


def test_images_too_small_for_a_lenet_are_refused_in_a_sentence():
    with pytest.raises(ModelError, match="takes 16 and more"):
        build("lenet_caffe", {"side": 8})
