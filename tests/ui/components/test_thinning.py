"""What the picture of the shrinking network is told to draw."""

from __future__ import annotations

import json

from sfp_viz.core.training.sparsification import SSR, sparse_settings
from sfp_viz.figures.sparsity import sparsity_history
from sfp_viz.nets.io.samples import sample_network
from sfp_viz.ui.components.thinning import description, thinning_data
from tests.fake_refreshes import refreshes

NETWORK = sample_network("vgg11_fashion")


def data(*, stripes: bool = False, upto: int = 0) -> dict:
    method = "stripes" if stripes else "ssr_l21"
    return thinning_data(
        sparsity_history(
            NETWORK, refreshes(NETWORK, upto=upto, stripes=stripes), sparse_settings(method)
        )
    )


def test_everything_drawn_has_a_value_for_each_moment_and_can_be_sent():
    for drawn in (data(), data(stripes=True)):
        moments = len(drawn["epochs"])
        assert len(drawn["macs"]) == len(drawn["loss"]) == moments
        for layer in drawn["layers"]:
            for name in ("live", "stripes", "gates", "residual"):
                assert layer[name] is None or len(layer[name]) == moments
        assert json.loads(json.dumps(drawn)) == drawn


def test_gates_and_distances_are_there_only_where_the_method_has_them():
    pull, thin = data(), data(stripes=True)
    assert any(layer["residual"] for layer in pull["layers"])
    assert not any(layer["stripes"] or layer["gates"] for layer in pull["layers"])
    assert any(layer["gates"] for layer in thin["layers"])
    assert (pull["target"], thin["target"]) == (None, 0.5)
    assert "Gates" in thin["hint"]
    assert "Gates" not in pull["hint"]


def test_the_axis_shows_the_epochs_to_come():
    drawn = data(upto=3)
    assert drawn["total"] == 4
    assert drawn["epochs"][-1] == 1.5


def test_the_words_for_screen_readers_say_what_is_left_and_where_most_went():
    history = sparsity_history(NETWORK, refreshes(NETWORK), SSR())
    assert "Epoch 4.0 of 4: 400 of 800 filters and" in description(history)
    assert ": 16 of 32" in description(history)
    assert "Nothing has been trained" in description(sparsity_history(NETWORK, (), SSR()))
