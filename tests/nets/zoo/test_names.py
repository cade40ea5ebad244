"""The list of networks by name: what the libraries state, and nothing else."""

import json

from sfp_viz.core.named_network import NamedNetwork
from sfp_viz.nets.zoo import names


def test_the_list_says_what_the_libraries_state_and_is_kept(tmp_path):
    networks = names.named_networks(tmp_path)
    by_name = {network.name: network for network in networks}
    resnet = by_name["torchvision:resnet50"]
    assert (resnet.task, resnet.params, resnet.input_shape) == (
        "classification", 25_557_032, (3, 224, 224),
    )  # fmt: skip
    assert [(w.name, w.accuracy) for w in resnet.weights] == [
        ("IMAGENET1K_V2", "80.9 % top-1 on ImageNet-1K"),
        ("IMAGENET1K_V1", "76.1 % top-1 on ImageNet-1K"),
    ]
    assert by_name["torchvision:fcn_resnet50"].task == "segmentation"
    assert by_name["torchvision:ssdlite320_mobilenet_v3_large"].input_shape == (3, 320, 320)
    lite = by_name["timm:efficientnet_lite0"]
    assert (lite.params, lite.weights[0].accuracy, lite.weights[0].name) == (0, "", "ra_in1k")
    (file,) = tmp_path.iterdir()
    assert names.named_networks(tmp_path) == networks
    file.write_text("{")
    assert names.named_networks(tmp_path) == networks
    assert json.loads(file.read_text())


def test_parts_of_a_name_find_it_in_any_order_and_case():
    networks = [NamedNetwork(name, "classification", 0, (3, 8, 8)) for name in (
        "timm:resnet50d", "torchvision:resnet50", "timm:efficientnet_lite0"
    )]  # fmt: skip
    assert [n.name for n in names.find_named("50 ResNet", networks)] == [
        "timm:resnet50d", "torchvision:resnet50",
    ]  # fmt: skip
    assert [n.name for n in names.find_named("lite timm", networks)] == ["timm:efficientnet_lite0"]
    assert names.find_named("nothing of the kind", networks) == ()
