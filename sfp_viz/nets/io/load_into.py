"""Open the weights of a file into a module of the caller's own code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from sfp_viz.errors import ModelError
from sfp_viz.nets.forward import copy_module
from sfp_viz.nets.io.exported_file import load_exported
from sfp_viz.nets.io.file_formats import format_of
from sfp_viz.nets.io.model_file import check_size, facts_of, read_header
from sfp_viz.nets.io.state_dict import read_state
from sfp_viz.nets.model import Model
from sfp_viz.nets.zoo import build


def load_into(path: Path, module: nn.Module, input_shape: tuple[int, int, int] | None) -> Model:
    """The network of a file as a copy of ``module`` with the file's weights and widths.

    Args:
        path: A state dict, a .pt2 file, or a file of ``save_model``.
        module: The caller's network; it is not changed.
        input_shape: (channels, height, width) of its images; None takes those in the file.

    Raises:
        ModelError: The weights do not belong to the module, or nothing says the input shape.
    """
    state, facts = _weights_of(path)
    shape = input_shape or facts.get("input_shape")
    if shape is None:
        raise ModelError(
            f"The file {path.name} does not say for which images its network is. Add input_shape: "
            "(channels, height, width)."
        )
    module = copy_module(module).cpu().eval()
    own = module.state_dict()
    biases = facts.get("added_biases", ())
    missing = sorted(n for n in own.keys() - state.keys() if not n.endswith("num_batches_tracked"))
    unexpected = sorted(state.keys() - own.keys() - set(biases))
    if missing or unexpected:
        listed = "; ".join(
            f"{word}: {', '.join(names[:3])}{' ...' if len(names) > 3 else ''}"
            for word, names in (("missing", missing), ("unexpected", unexpected)) if names
        )  # fmt: skip
        raise ModelError(
            f"The weights in {path.name} are not of this module ({listed}). Give the module that "
            "they were saved from."
        )
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    build.resize(module, shapes, biases)
    try:
        module.load_state_dict({**{n: own[n] for n in own.keys() - state.keys()}, **state})
    except RuntimeError as problem:
        reason = " ".join(str(problem).split())[:300]
        raise ModelError(f"The weights in {path.name} do not fit the module: {reason}") from problem
    classes = build.count_classes(module, shape)
    known = {"name": path.stem, **facts, "input_shape": shape, "classes": classes}
    return Model(module, **{**known, "architecture": None, "arguments": {}})


def _weights_of(path: Path) -> tuple[Mapping[str, Tensor], dict[str, Any]]:
    """The tensors of a file, and what it says of its network."""
    check_size(path)
    kind = format_of(path)
    if kind == "pt2":
        model = load_exported(path)
        fields = ("name", "input_shape", "mean", "std", "data", "plans", "base_digest")
        return model.module.state_dict(), {f: getattr(model, f) for f in fields}
    header = read_header(path) if kind == "safetensors" else {}
    return read_state(path), facts_of(header, path.name) if header else {}
