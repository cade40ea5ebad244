import json
from dataclasses import replace

import numpy as np
import pytest

from sfp_viz.core.cost.latency_table import (
    FIXED,
    LatencyTable,
    estimate,
    latency_from_json,
    latency_to_json,
    widths_to_measure,
)
from sfp_viz.errors import PlanError


def table_for(network, time, *, rest=0.0):
    """A table whose layers take ``time(outs, ins)`` milliseconds."""
    points = {
        term.owner: tuple((a, b, time(a, b)) for a, b in widths_to_measure(network, term))
        for term in network.terms
        if term.macs
    }
    return LatencyTable(network.digest, "cpu", 1, 1, points, rest, rest)


def test_a_side_that_no_plan_changes_is_measured_at_one_width(plain):
    term = plain.terms[0]  # conv1 reads the image
    assert {ins for _, ins in widths_to_measure(plain, term)} == {3}
    assert [outs for outs, _ in widths_to_measure(plain, term)] == [16, 12, 8, 4, 2]
    assert len(widths_to_measure(plain, plain.terms[2])) == 25


def test_a_depthwise_layer_has_as_many_inputs_as_outputs(depthwise):
    term = next(t for t in depthwise.terms if t.owner == "dw")
    assert all(outs == ins for outs, ins in widths_to_measure(depthwise, term))
    assert len(widths_to_measure(depthwise, term)) == 5


def test_bilinear_times_are_met_everywhere(plain):
    table = table_for(plain, lambda outs, ins: outs * ins + 2 * outs)
    for kept in ({}, {"conv1": 7}, {"conv1": 7, "conv2": 13, "conv3": 20}):
        a, b, c = (kept.get(n, s) for n, s in (("conv1", 16), ("conv2", 24), ("conv3", 32)))
        wanted = a * 3 + 2 * a + b * a + 2 * b + c * b + 2 * c + 10 * 4 * c + 20
        assert estimate(plain, table, kept) == pytest.approx(wanted)


def test_a_depthwise_time_lies_on_the_line_between_its_neighbors(depthwise):
    table = table_for(depthwise, lambda outs, ins: float(outs))
    assert table.layer_ms("dw", 15, 15) == pytest.approx(15)


def test_noise_never_makes_a_narrower_plan_slower(plain):
    draw = np.random.default_rng(0)
    table = table_for(plain, lambda outs, ins: 5 + outs / 9 + draw.normal())
    for name, size in (("conv1", 16), ("conv2", 24), ("conv3", 32)):
        times = [estimate(plain, table, {name: k}) for k in range(1, size + 1)]
        assert (np.diff(times) >= -1e-9).all()
        assert times[-1] > times[0]


def test_the_rest_is_partly_fixed_and_partly_follows_the_maps(plain):
    table = table_for(plain, lambda outs, ins: 0.0, rest=10.0)
    assert estimate(plain, table, {}) == pytest.approx(10)
    maps = [64 * 16, 64 * 24, 64 * 32, 10]
    left = sum(maps[1:]) + 64 * 8
    wanted = 10 * (FIXED + (1 - FIXED) * left / sum(maps))
    assert estimate(plain, table, {"conv1": 8}) == pytest.approx(wanted)


def test_a_table_of_other_weights_is_refused(plain):
    table = replace(table_for(plain, lambda outs, ins: 1.0), digest="else")
    with pytest.raises(PlanError, match="other weights"):
        estimate(plain, table, {})


def test_json_goes_both_ways(plain):
    table = table_for(plain, lambda outs, ins: outs / 8, rest=0.25)
    text = latency_to_json(table)
    assert latency_from_json(text) == table
    assert latency_to_json(latency_from_json(text)) == text


@pytest.mark.parametrize(
    "change",
    [
        {"format": 9},
        {"points": {"conv1": []}},
        {"points": {"conv1": [[0, 3, 1.0]]}},
        {"points": {"conv1": [[8, 3, -1.0]]}},
        {"points": {"conv1": [[8, 3]]}},
        {"points": 5},
        {"rest_ms": "NaN"},
        {"whole_ms": None},
        {"threads": "two"},
    ],
)
def test_other_json_is_refused_in_words(plain, change):
    value = json.loads(latency_to_json(table_for(plain, lambda outs, ins: 1.0)))
    with pytest.raises(PlanError):
        latency_from_json(json.dumps({**value, **change}))
