"""Files for other tools: schemas that cannot drift, and widths that Torch-Pruning repeats."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
import torch

from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.interchange import (
    SCHEMAS,
    edits_from_json,
    edits_to_json,
    pruning_ratio_dict,
    schema,
    schema_json,
)
from sfp_viz.core.plan.plan import Plan, Removal, plan_to_json, recipe_to_json
from sfp_viz.core.plan.reason import Reason
from sfp_viz.core.plan.recipe import CHOICES, NAMED, Recipe
from sfp_viz.core.plan.request import Request
from sfp_viz.core.plan.validation import kept_units
from sfp_viz.core.selection.planner import make_plan_for
from sfp_viz.errors import PlanError
from sfp_viz.nets.model import Model
from sfp_viz.nets.tracing.read_network import read_network
from tests import tiny

DOCS = Path(__file__).resolve().parents[3] / "docs" / "schemas"


def read(kind: str) -> tuple[Model, object]:
    torch.manual_seed(0)
    model = Model(tiny.randomize(tiny.NETS[kind]()), kind, (3, 8, 8))
    return model, read_network(model)


def full_edits(digest: str) -> Edits:
    return Edits(
        digest,
        ratios=(("conv1", 0.25),),
        protected=("conv2",),
        clusters=(("conv1", tuple(i % 4 for i in range(20))),),
        keep=(("conv1", 2),),
        remove=(("conv1", 3),),
        least=(("conv3", 2),),
        most=(("conv3", 20),),
        makeup=False,
    )


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_committed_schemas_are_those_of_the_code(name):
    committed = (DOCS / f"{name}.schema.json").read_text()
    assert committed == schema_json(name), f"run: sfp-viz schema {name} -o docs/schemas/{name}..."
    jsonschema.Draft202012Validator.check_schema(schema(name))


def valid(name: str, text: str) -> bool:
    return jsonschema.Draft202012Validator(schema(name)).is_valid(json.loads(text))


@pytest.mark.parametrize("name", NAMED)
def test_real_recipes_edits_and_plans_are_valid(name):
    recipe = NAMED[name](target_reduction=0.1)
    _, network = read("plain")
    edits = full_edits(network.digest)
    assert valid("recipe", recipe_to_json(recipe))
    assert valid("edits", edits_to_json(edits))
    plan = make_plan_for(Problem(network, Request.of(Recipe(target_reduction=0.1), edits)))
    assert valid("plan", plan_to_json(replace(plan, recipe=recipe)))


def test_each_choice_is_valid_and_what_the_readers_refuse_is_not():
    recipe = json.loads(recipe_to_json(Recipe()))
    for name, choices in CHOICES.items():
        assert all(valid("recipe", json.dumps({**recipe, name: choice})) for choice in choices)
        assert not valid("recipe", json.dumps({**recipe, name: "tea leaves"}))
    assert valid("recipe", json.dumps({"format": 1, "gamma": 1}))  # the rest is as by default
    assert not valid("recipe", json.dumps({**recipe, "format": 2}))
    assert not valid("recipe", json.dumps({**recipe, "color": "red"}))
    assert not valid("recipe", json.dumps({**recipe, "gamma": "much"}))
    edits = json.loads(edits_to_json(full_edits("ab")))
    assert not valid("edits", json.dumps({**edits, "ratios": [["conv1"]]}))
    assert not valid("edits", json.dumps({**edits, "ratios": [["conv1", 0.5, 1]]}))
    assert not valid("edits", json.dumps({**edits, "keep": [["conv1", 0.5]]}))
    assert not valid("plan", json.dumps({"format": 1, "digest": "ab"}))


def test_edits_are_read_back_as_they_were_and_others_refused():
    edits = full_edits("ab")
    assert edits_from_json(edits_to_json(edits)) == edits
    assert edits_from_json('{"format": 1, "digest": "ab"}') == Edits("ab")
    for text in (
        "{",
        "[]",
        '{"format": 9}',
        '{"format": 1}',
        '{"format": 1, "digest": "", "x": 1}',
    ):
        with pytest.raises(PlanError):
            edits_from_json(text)


def torch_pruned(model: Model, ratios: dict[str, float]) -> dict[str, int]:
    """Filters that Torch-Pruning leaves each convolution, used as its documentation says."""
    import torch_pruning as tp

    modules = dict(model.module.named_modules())
    pruner = tp.pruner.MagnitudePruner(
        model.module,
        torch.zeros(1, *model.input_shape),
        importance=tp.importance.MagnitudeImportance(p=1),
        pruning_ratio=0.0,
        pruning_ratio_dict={modules[name]: ratio for name, ratio in ratios.items()},
        ignored_layers=[modules["fc"]],
    )
    pruner.step()
    convolutions = {n: m for n, m in modules.items() if isinstance(m, torch.nn.Conv2d)}
    return {name: part.out_channels for name, part in convolutions.items()}


@pytest.mark.parametrize("kind", ["plain", "residual"])
def test_torch_pruning_comes_to_the_same_widths(kind):
    model, network = read(kind)
    plan = make_plan_for(Problem(network, Request(Recipe(target_reduction=0.45, coupled="shared"))))
    ratios = pruning_ratio_dict(network, plan)
    kept = kept_units(network, plan)
    assert set(ratios) == {n for g in network.groups if kept[g.name] < g.size for n in g.layers}
    wanted = {layer: kept[g.name] for g in network.groups for layer in g.layers}
    assert torch_pruned(model, json.loads(json.dumps(ratios))) == wanted


def test_every_share_of_a_layer_comes_to_the_very_filter():
    _, network = read("plain")
    for removed in range(1, 20):
        gone = Removal("conv1", tuple(range(removed)), (Reason("by_hand"),) * removed)
        plan = Plan(network.digest, Recipe(), Edits(network.digest), (gone,))
        ratio = pruning_ratio_dict(network, plan)["conv1"]
        assert int(20 * (1 - ratio)) == 20 - removed
        assert ratio == pytest.approx(removed / 20)


def test_a_plan_of_other_weights_has_no_ratios():
    _, network = read("plain")
    plan = make_plan_for(Problem(network, Request(Recipe(target_reduction=0.2))))
    with pytest.raises(PlanError, match="other weights"):
        pruning_ratio_dict(replace(network, digest="0" * 16), plan)


def test_a_file_of_edits_that_is_far_too_long_is_not_read():
    with pytest.raises(PlanError, match="longer than"):
        edits_from_json(" " * 4_000_001)
