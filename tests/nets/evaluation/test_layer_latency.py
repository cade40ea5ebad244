import pytest
import torch

from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.cost.latency_table import estimate
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.core.plan.request import Request
from sfp_viz.core.plan.validation import kept_units
from sfp_viz.core.selection.planner import make_plan_for
from sfp_viz.errors import ModelError
from sfp_viz.nets.evaluation.layer_latency import (
    WHOLE,
    latency_table,
    layer_times,
    measure_table,
    table_tasks,
)
from sfp_viz.nets.tracing.read_network import read_network


def test_every_convolution_and_linear_layer_has_a_time_in_order_of_execution(tiny_model):
    times = layer_times(tiny_model, repeats=2)
    kinds = (torch.nn.Conv2d, torch.nn.Linear)
    layers = {n for n, part in tiny_model.module.named_modules() if isinstance(part, kinds)}
    assert set(times) == layers
    assert all(ms > 0 for ms in times.values())
    assert next(iter(times)) in ("conv1", "stem.0")


def test_measuring_layers_leaves_no_hooks_behind(plain_model):
    layer_times(plain_model, repeats=2)
    assert not plain_model.module.conv1._forward_hooks
    assert not plain_model.module.conv1._forward_pre_hooks


def test_a_table_measures_each_task_once_and_estimates_any_plan(tiny_model):
    network = read_network(tiny_model)
    todo = table_tasks(tiny_model, network)
    assert todo[0] == WHOLE
    assert len(set(todo)) == len(todo)
    points = list(measure_table(tiny_model, todo=todo, repeats=2))
    assert [tuple(task) for *task, _ in points] == list(todo)
    table = latency_table(network, points)
    assert (table.device, table.batch) == ("cpu", 1)
    assert table.threads == torch.get_num_threads()
    whole = estimate(network, table, {})
    plan = make_plan_for(Problem(network, Request(Recipe(target_reduction=0.3, coupled="shared"))))
    assert 0 < estimate(network, table, kept_units(network, plan)) <= whole


def test_whole_layers_take_in_the_table_what_they_take_in_the_network(plain_model):
    network = read_network(plain_model)
    points = [
        ("", 0, 0, 10.0),
        ("conv1", 0, 0, 3.0),
        ("conv1", 20, 3, 1.5),  # alone it is quicker: its caches are warm
        ("conv1", 10, 3, 0.5),
    ]
    table = latency_table(network, points, batch=2)
    assert table.points["conv1"] == ((10, 3, 1.0), (20, 3, 3.0))
    assert (table.rest_ms, table.whole_ms, table.batch) == (7.0, 10.0, 2)
    with pytest.raises(ModelError, match="whole network was not measured"):
        latency_table(network, points[1:])
