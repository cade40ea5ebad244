"""The weights in an ONNX file, under the names of a state dict, in the order of its layers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sfp_viz.errors import ModelError

_LAYERS = ("Conv", "ConvTranspose", "Gemm", "MatMul", "BatchNormalization")
_ROLES = ("weight", "bias", "running_mean", "running_var")  # inputs of a BatchNormalization


def read_onnx(path: Path) -> dict[str, Tensor]:
    """The weights of convolutions, linear layers and norms, by name; nothing of it is run.

    Raises:
        ModelError: It is not readable as ONNX, or keeps its weights in a file beside it.
    """
    import onnx
    from google.protobuf.message import DecodeError
    from onnx import TensorProto, numpy_helper

    try:
        graph = onnx.load(str(path), load_external_data=False).graph
    except (DecodeError, OSError, ValueError, RuntimeError) as problem:
        raise ModelError(
            f"The file {path.name} is no readable ONNX file; it may be cut off. Copy it again."
        ) from problem
    held: dict[str, Any] = {tensor.name: tensor for tensor in graph.initializer}
    held |= {
        node.output[0]: node.attribute[0].t
        for node in graph.node
        if node.op_type == "Constant" and len(node.attribute) == 1 and node.output
    }
    state: dict[str, Tensor] = {}
    for number, node in enumerate(n for n in graph.node if n.op_type in _LAYERS):
        tensors = [held.get(name) for name in node.input[1:]]
        if not tensors or tensors[0] is None:
            continue
        if any(t is not None and t.data_location == TensorProto.EXTERNAL for t in tensors):
            raise ModelError(
                f"The ONNX file {path.name} keeps its weights in another file beside it. Save it "
                "as one file: onnx.save(onnx.load(FILE), 'one.onnx')."
            )
        first = node.input[1]
        owner = first.removesuffix(".weight") if first.endswith(".weight") else f"layer{number}"
        for role, tensor in zip(_ROLES, tensors, strict=False):
            if tensor is None or f"{owner}.{role}" in state:
                continue
            try:
                value = torch.from_numpy(numpy_helper.to_array(tensor).copy())
            except (ValueError, TypeError, RuntimeError) as problem:
                raise ModelError(
                    f"The weights in {path.name} are not readable: {problem}. Export it again."
                ) from problem
            is_linear = role == "weight" and node.op_type in ("Gemm", "MatMul")
            if is_linear and not _is_transposed(node):
                value = value.T.contiguous()
            state[f"{owner}.{role}"] = value
    return state


def _is_transposed(node: Any) -> bool:
    """Whether a Gemm holds its weight as torch does, [outputs, inputs]."""
    return any(entry.name == "transB" and entry.i for entry in node.attribute)
