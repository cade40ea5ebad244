"""A state_dict for use without this package, with the module code that loads it."""

from __future__ import annotations

import io
import tempfile
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from sfp_viz.errors import ModelError
from sfp_viz.files import write_bytes, write_text
from sfp_viz.nets.export.module_code import module_code, names_in_file, needs_own_code
from sfp_viz.nets.forward import copy_module, foreign_code
from sfp_viz.nets.io.parity import check_parity
from sfp_viz.nets.model import Model, check_model
from sfp_viz.nets.stripes.striped_model import dense_twin

Kind = Literal["pt", "safetensors"]
LARGEST_DIFFERENCE = 1e-6  # the same operations on the same weights
_PICKLED = (".pt", ".pth", ".bin")


def export_state_dict(model: Model, path: str | Path, code: str | Path | None = None) -> float:
    """Write the plain state_dict of ``model``, and the Python file that builds its network.

    Entries have the names of the file that the network was opened from. Layers that leave stripes
    out are written as plain ones, with zeros.

    Args:
        model: The network.
        path: The weights: .pt, .pth or .bin for torch.load, .safetensors for safetensors.
        code: The Python file with ``load_network(path)``; None writes none.

    Returns:
        The largest difference between the outputs of the loaded network and of ``model``, measured
        at batches of 1, 3 and 32, as a share of the outputs' scale.

    Raises:
        ModelError: The suffix is another one, these are weights without a network, or it differs;
            then nothing is written.
    """
    check_model(model)
    path = Path(path)
    if path.suffix not in (*_PICKLED, ".safetensors"):
        raise ModelError(
            f"A state_dict is not written to {path.name}. End the name in .pt or .safetensors."
        )
    kind: Kind = "safetensors" if path.suffix == ".safetensors" else "pt"
    content = state_dict_bytes(model, kind)
    text = module_code(model, stem=path.stem)
    difference = check_module_code(model, text, content, kind)
    try:
        write_bytes(path, content, durable=False, parents=True)
        if code:
            write_text(Path(code), text, durable=False, parents=True)
    except OSError as problem:
        raise ModelError(
            f"The file {path} cannot be written: {problem}. Choose another folder."
        ) from problem
    return difference


def state_dict_bytes(model: Model, kind: Kind) -> bytes:
    """The state_dict as a file for ``torch.load(..., weights_only=True)`` or
    ``safetensors.torch.load_file``.

    Args:
        model: The network; layers that leave stripes out are written as plain ones.
        kind: The format.
    """
    state, names = dense_twin(model).module.state_dict(), names_in_file(model)
    tensors = OrderedDict(
        (_renamed(name, names), tensor.detach().cpu().clone(memory_format=torch.contiguous_format))
        for name, tensor in state.items()
    )
    if kind == "safetensors":
        from safetensors.torch import save

        return save(tensors, metadata={"format": "pt"})
    metadata = getattr(state, "_metadata", {})
    tensors._metadata = {  # type: ignore[attr-defined]
        names.get(layer, layer): version for layer, version in metadata.items()
    }
    file = io.BytesIO()
    torch.save(tensors, file)
    return file.getvalue()


def _renamed(entry: str, names: Mapping[str, str]) -> str:
    layer, _, leaf = entry.rpartition(".")
    return ".".join(filter(None, (names.get(layer, layer), leaf)))


def _without_weights(model: Model) -> nn.Module:
    """The network with zeros for its weights."""
    module = copy_module(dense_twin(model).module)
    with torch.no_grad():
        for tensor in module.state_dict().values():
            tensor.zero_()
    return module


def check_module_code(model: Model, code: str, content: bytes, kind: Kind) -> float:
    """The largest difference between the network that the code loads and ``model``, as for
    ``check_parity``. The code is run here; it holds nothing from a stranger's file but checked
    names and numbers.

    Args:
        model: The network.
        code: Its ``module_code``.
        content: Its ``state_dict_bytes``.
        kind: The format of ``content``.

    Raises:
        ModelError: The code does not load the weights, or the networks differ by more than 1e-6.
    """
    namespace: dict[str, Any] = {"__name__": "network"}
    with tempfile.TemporaryDirectory() as folder, torch.random.fork_rng(devices=[]):
        path = Path(folder) / f"weights.{kind}"
        path.write_bytes(content)
        own = (_without_weights(model),) if needs_own_code(model) else ()
        with foreign_code(f"The module code of '{model.name}' does not load its state_dict"):
            exec(compile(code, "network.py", "exec"), namespace)
            network = namespace["load_network"](path, *own)
    return check_parity(model, network, file="module code", largest=LARGEST_DIFFERENCE)
