"""How layers become sparse, as values to draw."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sfp_viz.core.cost.cost import cost
from sfp_viz.core.training.sparsification import SSR, SSRProjection, Stripes
from sfp_viz.figures.sparsity import (
    kept_share,
    live_filters,
    sparsity_history,
    target_share,
    thinning_layers,
)
from sfp_viz.nets.io.samples import sample_network
from tests.fake_refreshes import refreshes

ASKED = SSR(epochs=4, finish="target", target_reduction=0.6)


@pytest.fixture(scope="module")
def network():
    return sample_network("resnet20_cifar10")


def test_a_story_begins_with_the_whole_network_and_ends_with_the_last_line(network):
    lines = refreshes(network)
    history = sparsity_history(network, lines, ASKED)
    assert history.epochs == (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0)
    assert (history.macs[0], history.macs[-1]) == (cost(network).macs, lines[-1].macs)
    assert history.whole == history.macs[0]
    assert history.loss[0] is None
    assert history.accuracy == ((1.0, 0.9), (2.0, 0.9), (3.0, 0.9), (4.0, 0.9))
    for layer in history.layers:
        assert len(layer.live) == len(history.epochs)
        assert layer.live[0] == layer.filters


def test_each_layer_has_a_band_and_only_those_of_trained_groups_thin(network):
    history = sparsity_history(network, refreshes(network), ASKED)
    assert [layer.layer for layer in history.layers] == [conv.name for conv in network.layers]
    prunable = {layer.layer for layer in history.layers if layer.prunable}
    assert prunable == {g.layers[0] for g in network.free if len(g.layers) == 1}
    for layer in history.layers:
        assert layer.live[-1] == (layer.filters // 2 if layer.prunable else layer.filters)
        assert bool(layer.residual) == layer.prunable


def test_stripes_thin_all_layers_and_what_acts_is_filters_times_stripes(network):
    history = sparsity_history(network, refreshes(network, stripes=True), Stripes())
    assert [word for _, word in history.marks] == ["stripes", "fixed"]
    thin = [layer for layer in history.layers if layer.stripes]
    assert len(thin) == sum(layer.weight.shape[2] > 1 for layer in network.layers)
    halved = next(layer for layer in thin if layer.live[-1] == layer.filters // 2)
    assert kept_share(halved)[-1] == pytest.approx(0.25)
    assert halved.gates[0] is None
    assert halved.gates[-1] == (0.25, 0.5, 0.5, 1.0, 1.1)


def test_the_end_of_the_pull_is_marked_once_where_the_settling_begins(network):
    assert sparsity_history(network, refreshes(network), ASKED).marks == ((3.0, "fixed"),)
    layers = [replace(one, phase="a" if one.step <= 40 else "b") for one in refreshes(network)]
    assert sparsity_history(network, layers, ASKED).marks == ((2.0, "b"),)


def test_a_long_history_is_thinned_but_keeps_its_last_moment_and_all_accuracies(network):
    lines = refreshes(network, 1000, epochs=10)
    history = sparsity_history(network, lines, ASKED)
    assert len(history.epochs) <= 121
    assert history.epochs[-1] == 10
    assert history.macs[-1] == lines[-1].macs
    assert len(history.accuracy) == 10


def test_only_methods_with_a_target_aim_at_a_share_of_the_macs():
    assert target_share(ASKED) == pytest.approx(0.4)
    assert target_share(SSR(target_reduction=0.6)) is None
    assert target_share(SSRProjection()) == 0.5


def test_before_the_first_line_there_is_the_whole_network_alone(network):
    history = sparsity_history(network, (), ASKED)
    assert history.epochs == (0.0,)
    assert history.total == 4
    assert not any(layer.prunable for layer in history.layers)


def test_layers_keep_the_filters_of_their_groups(network):
    group = network.free[-1]
    kept = live_filters(network, {group.name: 0.5})
    assert kept[group.layers[0]] == network.layer(group.layers[0]).filters // 2
    others = [layer for layer in network.layers if layer.name not in group.layers]
    assert all(kept[layer.name] == layer.filters for layer in others)


def test_the_chart_for_notebooks_has_a_row_for_each_layer_that_thins(network):
    (rows,) = thinning_layers(network, refreshes(network)).data
    assert len(rows.y) == sum(len(g.layers) == 1 for g in network.free)
    assert rows.z[0][-1] == pytest.approx(0.5)
    assert "yet" in thinning_layers(network, ()).layout.annotations[0].text
