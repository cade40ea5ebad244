"""A network as ONNX, checked in onnxruntime."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sfp_viz.files import atomic_path
from sfp_viz.nets.exported.from_module import export_program, quiet
from sfp_viz.nets.forward import foreign_code, named_tensors, outputs_of
from sfp_viz.nets.io.parity import check_parity
from sfp_viz.nets.model import Model, check_model

_OPSET = 20


def export_onnx(model: Model, path: str | Path) -> float:
    """Write ``model`` as ONNX, with any batch size and normalized float32 images [N, C, H, W].

    The one output of a classifier is called 'logits'; several have the names of their dict or
    record, or their numbers.

    Args:
        model: The network.
        path: The file; its folder is made.

    Returns:
        The largest difference of its outputs in onnxruntime from torch's, measured on noise at
        batches of 1, 3 and 32, as a share of the outputs' scale.

    Raises:
        ModelError: The network cannot be exported, the file does not run at one of the batches, or
            the difference is above 1e-4; then no file is left.
    """
    check_model(model)
    path = Path(path)
    with as_model_error(model, "ONNX"), quiet():
        written = torch.onnx.export(
            export_program(model.module, model.input_shape),
            dynamo=True,
            input_names=["images"],
            output_names=_output_names(model),
            opset_version=_OPSET,
            verbose=False,
        )
        assert written is not None
        path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as fresh:
        with as_model_error(model, "ONNX"):
            written.save(str(fresh))
        return parity(model, fresh)


def _output_names(model: Model) -> list[str]:
    outputs = outputs_of(model.module, model.input_shape)
    if isinstance(outputs, Tensor) and outputs.ndim == 2:
        return ["logits"]
    names = named_tensors(outputs)
    return [f"output_{name}" if name == "images" else name for name in names]  # the input's name


def parity(model: Model, path: Path) -> float:
    """The largest difference of an ONNX file's outputs from the network's, see ``check_parity``.

    Args:
        model: The network.
        path: The ONNX file of it.

    Raises:
        ModelError: It does not run at one of the batches, or differs by more than 1e-4.
    """
    with as_model_error(model, "ONNX"):
        run = runner(onnx_session(path))
    return check_parity(model, run, file="ONNX file")


def onnx_session(path: Path) -> Any:
    """The file in onnxruntime, on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only
    options.intra_op_num_threads = torch.get_num_threads()
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def runner(session: Any) -> Callable[[Tensor], list[Any]]:
    """A function from normalized images, float32 [N, C, H, W], to the outputs as arrays."""
    name = session.get_inputs()[0].name
    return lambda images: session.run(None, {name: images.numpy()})


def as_model_error(model: Model, kind: str) -> contextlib.AbstractContextManager[None]:
    """Turns what exporters raise into a ModelError with a sentence.

    Args:
        model: The network.
        kind: What it is exported as.
    """
    failure = f"The network '{model.name}' cannot be exported as {kind}"
    return foreign_code(failure, "Save it as safetensors instead.")
