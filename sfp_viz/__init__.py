"""See which filters of a convolutional network are redundant, prune them, fine-tune the rest.

    import sfp_viz as sfp

The public names below are imported when they are first used, so this import is instant and
loads no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# public name -> the module that holds it, or is it
_HOMES = {
    "SfpError": "errors",
    "ModelError": "errors",
    "DataError": "errors",
    "RecipeError": "errors",
    "PlanError": "errors",
    "SurgeryError": "errors",
    "RunError": "errors",
    "Network": "core.network",
    "Recipe": "core.plan.recipe",
    "recipes": "core.plan.recipe",
    "Edits": "core.plan.edits",
    "Plan": "core.plan.plan",
    "Cost": "core.cost.cost",
    "cost": "core.cost.cost",
    "Evidence": "core.evidence.evidence",
    "Observations": "core.evidence.observations",
    "observe": "nets.evaluation.observe",
    "analyze": "core.selection.analysis",
    "make_plan": "core.selection.planner",
    "Distillation": "core.training.distillation",
    "Epoch": "core.training.history",
    "Measured": "core.measurement",
    "Model": "nets.model",
    "load_model": "nets.io.load",
    "save_model": "nets.io.model_file",
    "read_network": "nets.tracing.read_network",
    "load_data": "nets.data.datasets",
    "Images": "nets.data.datasets",
    "prune": "nets.pruning.prune",
    "finetune": "nets.training.finetune",
    "measure_accuracy": "nets.evaluation.measure",
    "measure_latency": "nets.evaluation.measure",
    "export_node_data": "nets.export.node_data",
    "export_onnx": "nets.export.onnx_file",
    "export_onnx_int8": "nets.export.onnx_int8",
    "export_pt2": "nets.io.exported_file",
    "export_state_dict": "nets.export.state_dict_file",
    "export_torch": "nets.io.exported_file",
    "figures": "figures",
}
_MODULES = {"recipes", "figures"}
__all__ = [
    "Cost",
    "DataError",
    "Distillation",
    "Edits",
    "Epoch",
    "Evidence",
    "Images",
    "Measured",
    "Model",
    "ModelError",
    "Network",
    "Observations",
    "Plan",
    "PlanError",
    "Recipe",
    "RecipeError",
    "RunError",
    "SfpError",
    "SurgeryError",
    "analyze",
    "cost",
    "export_node_data",
    "export_onnx",
    "export_onnx_int8",
    "export_pt2",
    "export_state_dict",
    "export_torch",
    "figures",
    "finetune",
    "load_data",
    "load_model",
    "make_plan",
    "measure_accuracy",
    "measure_latency",
    "observe",
    "prune",
    "read_network",
    "recipes",
    "save_model",
]

if TYPE_CHECKING:
    from sfp_viz import figures
    from sfp_viz.core.cost.cost import Cost, cost
    from sfp_viz.core.evidence.evidence import Evidence
    from sfp_viz.core.evidence.observations import Observations
    from sfp_viz.core.measurement import Measured
    from sfp_viz.core.network import Network
    from sfp_viz.core.plan import recipe as recipes
    from sfp_viz.core.plan.edits import Edits
    from sfp_viz.core.plan.plan import Plan
    from sfp_viz.core.plan.recipe import Recipe
    from sfp_viz.core.selection.analysis import analyze
    from sfp_viz.core.selection.planner import make_plan
    from sfp_viz.core.training.distillation import Distillation
    from sfp_viz.core.training.history import Epoch
    from sfp_viz.errors import (
        DataError,
        ModelError,
        PlanError,
        RecipeError,
        RunError,
        SfpError,
        SurgeryError,
    )
    from sfp_viz.nets.data.datasets import Images, load_data
    from sfp_viz.nets.evaluation.measure import measure_accuracy, measure_latency
    from sfp_viz.nets.evaluation.observe import observe
    from sfp_viz.nets.export.node_data import export_node_data
    from sfp_viz.nets.export.onnx_file import export_onnx
    from sfp_viz.nets.export.onnx_int8 import export_onnx_int8
    from sfp_viz.nets.export.state_dict_file import export_state_dict
    from sfp_viz.nets.io.exported_file import export_pt2, export_torch
    from sfp_viz.nets.io.load import load_model
    from sfp_viz.nets.io.model_file import save_model
    from sfp_viz.nets.model import Model
    from sfp_viz.nets.pruning.prune import prune
    from sfp_viz.nets.tracing.read_network import read_network
    from sfp_viz.nets.training.finetune import finetune


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"sfp_viz has no public name '{name}'")
    module = import_module(f"sfp_viz.{_HOMES[name]}")
    return module if name in _MODULES else getattr(module, name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
