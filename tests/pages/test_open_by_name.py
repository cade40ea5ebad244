"""By name: a network is found by a part of its name, and its weights come only when asked for."""

from __future__ import annotations

import urllib.request

import pytest
import torch

from sfp_viz.core.named_network import NamedNetwork, PublishedWeights
from sfp_viz.nets.io import pretrained
from sfp_viz.nets.io.load import load_model
from sfp_viz.nets.zoo import names
from tests.pages.page_words import press, said

URL = "https://download.pytorch.org/models/resnet18-f37072fd.pth"
NETWORKS = (
    NamedNetwork(
        "torchvision:resnet18", "classification", 11_689_512, (3, 64, 64),
        (PublishedWeights("IMAGENET1K_V1", URL, "69.8 % top-1 on ImageNet-1K", megabytes=44.7),),
    ),
    NamedNetwork("timm:tresnet_test", "classification", 0, (3, 32, 32)),
    NamedNetwork("torchvision:lraspp_mobilenet_v3_large", "segmentation", 3_221_538, (3, 96, 96)),
)  # fmt: skip


@pytest.fixture
def by_name(open_page, monkeypatch, tmp_path):
    """The Model page with the form 'By name', and a list of three networks."""
    monkeypatch.setattr(names, "_kept", lambda path: NETWORKS)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    app = open_page("model")
    app.button_group[0].set_value("By name").run()
    return app


def test_each_network_is_offered_with_what_its_library_states(by_name):
    offered = by_name.selectbox(key="by name").options
    assert "torchvision:resnet18, 11.7 M params, 69.8 % top-1 on ImageNet-1K" in offered
    assert "timm:tresnet_test" in offered
    words = said(by_name).replace("\\", "")
    assert "images of 3 × 64 × 64, 11.7 M params" in words
    assert "as published by torchvision" in words
    by_name.selectbox(key="by name").set_value("timm:tresnet_test").run()
    words = said(by_name).replace("\\", "")
    assert "timm does not state its params and accuracy" in words
    assert "There are no trained weights" in words


def test_nothing_is_fetched_before_the_button_and_the_weights_open(by_name, monkeypatch):
    asked = []

    def load_pretrained(network, weights, *, progress):
        asked.append((network.name, weights.name))
        progress("resnet18.pth", 0.5)
        return load_model("torchvision:resnet18", input_shape=(3, 64, 64))

    monkeypatch.setattr(pretrained, "load_pretrained", load_pretrained)
    app = by_name
    app.selectbox(key="weights torchvision:resnet18").set_value("IMAGENET1K_V1").run()
    assert asked == []
    assert "download.pytorch.org" in said(app).replace("\\", "")
    press(app, "Download and open")
    assert asked == [("torchvision:resnet18", "IMAGENET1K_V1")]
    assert not app.error
    assert len(app.session_state["session"].current.model) == 16


def test_offline_is_said_and_the_untrained_network_is_one_click_away(by_name, monkeypatch):
    def offline(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr(urllib.request, "urlopen", offline)
    app = by_name
    app.selectbox(key="weights torchvision:resnet18").set_value("IMAGENET1K_V1").run()
    press(app, "Download and open")
    assert "no route to host" in app.error[0].value.replace("\\", "")
    assert app.session_state["session"].current.model == "lenet5_digits"
    press(app, "Open it untrained")
    assert len(app.session_state["session"].current.model) == 16


def test_a_segmentation_network_opens_by_name(by_name):
    app = by_name
    app.selectbox(key="by name").set_value("torchvision:lraspp_mobilenet_v3_large").run()
    press(app, "Build")
    assert not app.error
    words = said(app).replace("\\", "")
    assert "29 of 31 groups can be pruned" in words
    assert "It gives out (21 × 96 × 96) for each image." in words
    for page in ("check", "finetune"):
        app.switch_page(f"pages/{page}.py").run()
        assert not app.exception
        assert "does not give one score per class" in said(app)
        assert not [button for button in app.button if button.label == "Start"]
    app.switch_page("pages/check.py").run()
    press(app, "Prune and measure")
    assert "Accuracy was not measured" in said(app)
