"""Proximal operators against brute force, and the projection that meets a target."""

from itertools import product

import numpy as np
import pytest

from sfp_viz.core.cost.cost import cost, cost_of_widths
from sfp_viz.core.training.projection import rows_within
from sfp_viz.core.training.proximal import (
    gate_weights,
    keep_factors,
    keep_one,
    layer_weight,
    shrink_factors,
    soft_threshold,
)
from sfp_viz.errors import PlanError


def objective(penalty, rows, at):
    return penalty(rows) + ((rows - at) ** 2).sum() / 2


def rows_of(seed):
    return np.random.default_rng(seed).normal(size=(6, 3)) * np.linspace(0, 2, 6)[:, None]


def around(row, rng):
    """Candidates for the best row: itself, scaled, 0 and many near and far ones."""
    scaled = [row * factor for factor in np.linspace(0, 1.2, 241)]
    return [*scaled, *(row + rng.normal(size=(200, 3)) * 0.3), *rng.normal(size=(200, 3))]


@pytest.mark.parametrize("threshold", [0.05, 0.4, 1.1])
@pytest.mark.parametrize(
    ("factors", "penalty"),
    [
        (shrink_factors, lambda row: np.linalg.norm(row)),
        (keep_factors, lambda row: float(np.any(row != 0))),
    ],
)
def test_no_row_found_by_search_is_better_than_the_proximal_one(factors, penalty, threshold):
    rng = np.random.default_rng(1)
    for seed in range(3):
        at = rows_of(seed)
        found = at * factors(np.linalg.norm(at, axis=1), threshold)[:, None]
        for row, ours in zip(at, found, strict=True):
            best = objective(lambda r: threshold * penalty(r), ours, row)
            for other in around(row, rng):
                assert best <= objective(lambda r: threshold * penalty(r), other, row) + 1e-9


def test_no_gate_found_by_search_is_better_than_the_soft_threshold():
    rng = np.random.default_rng(0)
    gates, weights = rng.normal(size=40), rng.uniform(0, 1, 40)
    tried = np.linspace(-4, 4, 8001)
    cost_of = weights[:, None] * abs(tried) + (tried - gates[:, None]) ** 2 / 2
    assert soft_threshold(gates, weights) == pytest.approx(tried[cost_of.argmin(1)], abs=1e-3)


def test_rows_of_zeros_and_a_penalty_of_zero_make_no_trouble():
    norms = np.array([0.0, 1.0])
    assert shrink_factors(norms, 0.0).tolist()[1] == 1
    assert np.isfinite(shrink_factors(norms, 0.5)).all()
    assert keep_factors(norms, 0.1).tolist() == [0, 1]


def test_the_same_functions_take_torch_tensors():
    import torch

    norms = torch.tensor([0.0, 0.3, 2.0])
    for function in (shrink_factors, keep_factors):
        ours = function(norms.numpy().astype(float), 0.4)
        assert function(norms, 0.4).numpy() == pytest.approx(ours)
    assert soft_threshold(norms, norms * 0 + 1).tolist() == [0, 0, 1]
    assert gate_weights(norms).mean() == pytest.approx(1)


def test_a_group_never_loses_its_last_row():
    factors, saved = keep_one(np.zeros(3), np.array([1.0, 3.0, 2.0]))
    assert saved
    assert factors.tolist() == [0, 1, 0]
    assert keep_one(np.array([0.0, 0.2]), np.ones(2))[1] is False


def test_small_gates_weigh_more_and_a_layer_at_its_target_is_left_alone():
    weights = gate_weights(np.array([0.01, 0.5, 1.0]))
    assert weights[0] > weights[1] > weights[2]
    assert weights.mean() == pytest.approx(1)
    assert [layer_weight(x, 0.5) for x in (1.0, 0.75, 0.5, 0.2)] == [1, 0.5, 0, 0]
    assert layer_weight(1.0, 1.0) == 0


@pytest.mark.parametrize("target", [0.2, 0.5, 0.9])
def test_the_projection_meets_the_target_and_leaves_no_room(plain, target):
    rng = np.random.default_rng(3)
    scores = {group.name: rng.random(group.size) for group in plain.groups}
    stay = rows_within(plain, scores, target)
    kept = {name: int(part.sum()) for name, part in stay.items()}
    budget = (1 - target) * cost(plain).macs
    assert cost_of_widths(plain, kept).macs <= budget
    for name in kept:
        if kept[name] < plain.group(name).size:
            assert cost_of_widths(plain, {**kept, name: kept[name] + 1}).macs > budget
        out, inside = scores[name][~stay[name]], scores[name][stay[name]]
        assert out.size == 0 or out.max() <= inside.min()


def test_the_projection_of_one_group_is_the_nearest_of_all_supports(plain):
    """Every support of 6 rows that meets the target, tried: ours loses the least energy."""
    energy = np.full(16, 9.0)
    energy[:6] = [5.0, 1.0, 4.0, 0.5, 3.0, 2.0]
    stay = rows_within(plain, {"conv1": energy}, 0.1)["conv1"]
    budget, best = 0.9 * cost(plain).macs, -1.0
    for chosen in product([0, 1], repeat=6):
        kept = 10 + sum(chosen)
        if cost_of_widths(plain, {"conv1": kept}).macs <= budget:
            best = max(best, float(energy[6:].sum() + energy[:6] @ np.array(chosen)))
    assert energy[stay].sum() == pytest.approx(best)


def test_tied_groups_stay_whole_unless_asked_and_too_much_is_refused(residual):
    scores = {group.name: np.arange(group.size, dtype=float) for group in residual.groups}
    assert rows_within(residual, scores, 0.3)["stem"].all()
    assert not rows_within(residual, scores, 0.6, coupled=True)["stem"].all()
    with pytest.raises(PlanError, match=r"cannot be removed.*Lower the target"):
        rows_within(residual, scores, 0.99)
