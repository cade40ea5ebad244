"""Checkpoint files: the tensors of a training and a JSON record, as safetensors with a checksum."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sfp_viz.errors import RunError


def save_checkpoint(path: Path, state: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """Write a checkpoint.

    Args:
        path: The file; its folder must exist.
        state: Tensors by name.
        facts: A record of plain values, kept as JSON in the header.

    Raises:
        OSError: It cannot be written.
    """
    from safetensors.torch import save_file

    copies = {name: tensor.clone() for name, tensor in state.items()}  # tied weights lie twice
    header = {**facts, "checksum": _checksum(copies)}
    save_file(copies, str(path), metadata={"facts": json.dumps(header, sort_keys=True)})


def load_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the record of a file that ``save_checkpoint`` wrote.

    Raises:
        RunError: The file is broken or of another kind.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="pt") as file:
            facts = json.loads((file.metadata() or {})["facts"])
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if facts.pop("checksum", None) not in (None, _checksum(state)):  # None: of an older version
            raise ValueError("its content is not what was written")
        return state, facts
    except (SafetensorError, OSError, KeyError, ValueError) as problem:
        raise RunError(
            f"The checkpoint {path.name} cannot be read: {problem}. Delete it to start the run "
            "from its first epoch."
        ) from problem


def _checksum(state: dict[str, Tensor]) -> int:
    """CRC-32 of all values, in the order of their names."""
    total = 0
    for name in sorted(state):
        values = state[name].detach().cpu().contiguous().flatten().view(torch.uint8)
        total = zlib.crc32(values.numpy().data, total)
    return total
