"""Any module as an exported network: what its author's code does, kept without the code."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO

import torch
from torch import nn

from sfp_viz.errors import ModelError
from sfp_viz.nets.exported.module import ARCHITECTURE, arguments_of
from sfp_viz.nets.exported.read import read_pt2
from sfp_viz.nets.forward import copy_module
from sfp_viz.nets.model import Model


def export_program(
    module: nn.Module, input_shape: tuple[int, int, int]
) -> torch.export.ExportedProgram:
    """``module`` in evaluation mode as torch.export has it, for any number of images.

    Args:
        module: It is not changed.
        input_shape: (channels, height, width) of the images.

    Raises:
        Exception: Whatever torch.export raises at code that it cannot follow.
    """
    module = copy_module(module).cpu().eval()
    batch = torch.export.Dim("batch", min=1)
    images = torch.zeros(2, *input_shape)  # 2: a batch of 1 would be taken as fixed
    with quiet():
        return torch.export.export(module, (images,), dynamic_shapes=({0: batch},))


def as_exported(model: Model) -> Model:
    """``model`` with a copy of its module that a file can hold: its operations as torch.export
    follows them, its layers under their own names. Parts that do not run in evaluation are gone.

    Raises:
        ModelError: torch.export cannot follow the code.
    """
    content = BytesIO()
    try:
        with quiet():
            torch.export.save(export_program(model.module, model.input_shape), content)
        content.seek(0)
        network, program, _ = read_pt2(content, model.name)
    except ModelError:
        raise
    except Exception as problem:  # torch.export raises whatever its passes raise
        first = (str(problem).strip().splitlines() or [type(problem).__name__])[0][:200]
        raise ModelError(
            f"The network '{model.name}' was built by your own code, and a file holds no code. "
            f"torch.export, which writes down what the code does, cannot follow it: {first}. Keep "
            "module.state_dict() with your code, and open it with load_model(file, into=module)."
        ) from problem
    exported = replace(
        model,
        module=network,
        architecture=ARCHITECTURE,
        arguments=arguments_of(program),
        added_biases=(),
        digest="",
    )
    return exported if model.plans else replace(exported, base_digest=exported.digest)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silences the exporters' own deprecation warnings, and what torch.export says of the weights
    that recurrent layers list twice; nothing else."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The tensor attributes? .*_flat_weights")
        for module in ("torch", "onnxscript", "onnx_ir", "copyreg"):
            for kind in (DeprecationWarning, FutureWarning):
                warnings.filterwarnings("ignore", category=kind, module=rf"{module}(\.|$)")
        yield
