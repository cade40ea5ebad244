"""The names and tensors in a file of weights; whatever else is in it is refused, never run."""

from __future__ import annotations

import pickle
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sfp_viz.errors import ModelError
from sfp_viz.nets.io.model_file import MOST_BYTES, check_size, read_header
from sfp_viz.nets.zoo.build import MOST_VALUES

_DEEP = 8  # wrappers inside wrappers that are taken off
# where files of checkpoints keep weights; a running average of them only where there is no other
_NESTS = ("state_dict", "model_state_dict", "model", "net")
_AVERAGES = ("state_dict_ema", "ema_state_dict", "model_ema", "ema_model", "ema")
_ZIP, _OLD_TORCH = b"PK\x03\x04", b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
_PREFIXES = ("module.", "_orig_mod.", "model.", "net.")
_COPIES = ("model_ema.", "ema_model.", "module_ema.", "ema.")
_COUNTS = {"n_averaged", "decay", "num_updates"}  # what keepers of averages note beside them


def read_state(path: Path) -> dict[str, Tensor]:
    """The state dict in a .safetensors file or one of torch.save, without wrappers' prefixes and
    without a running average that stands beside the weights; where it stands alone, it counts.

    Raises:
        ModelError: The file is text, damaged, a program, larger than 1 GB, or has Python objects or
            no state dict in it.
    """
    check_size(path)
    if path.suffix.lower() == ".safetensors":
        from safetensors.torch import load_file

        read_header(path)  # says in a sentence what is wrong with a damaged file
        return _tensors(load_file(path), path.name)
    return _tensors(_unpickled(path), path.name)


def _unpickled(path: Path) -> Any:
    """What a torch file holds, as tensors and plain values only; its code is never run."""
    with path.open("rb") as file:
        start = file.read(len(_OLD_TORCH))
    if start[:1] == b"\x80" and start != _OLD_TORCH:
        raise ModelError(_objects(path))
    if start[:4] != _ZIP and start != _OLD_TORCH:
        raise ModelError(
            f"The file {path.name} is not a PyTorch file, despite its name: it contains text or "
            "something else. Save the weights with torch.save(model.state_dict(), ...)."
        )
    try:
        if start[:4] == _ZIP:
            with zipfile.ZipFile(path) as archive:
                if sum(entry.file_size for entry in archive.infolist()) > 2 * MOST_BYTES:
                    raise ModelError(
                        f"The file {path.name} unpacks to more than 2 GB. Use a smaller network."
                    )
                if any(name.endswith("archive_format") for name in archive.namelist()):
                    raise ModelError(_program(path))
        with warnings.catch_warnings():  # torch's own, on how a stranger's file was written
            warnings.simplefilter("ignore", UserWarning)
            return torch.load(path, map_location="cpu", weights_only=True)
    except ModelError:
        raise
    except pickle.UnpicklingError as problem:
        if "Weights only load failed" not in str(problem):
            raise ModelError(_damaged(path)) from problem
        raise ModelError(_objects(path)) from problem
    except Exception as problem:  # torch's reader of damaged files raises whatever it meets
        if "TorchScript" in str(problem):
            raise ModelError(_program(path)) from problem
        raise ModelError(_damaged(path)) from problem


def _objects(path: Path) -> str:
    return (
        f"The file {path.name} contains Python objects or code besides weights; code is never run "
        "here. Save the weights alone with torch.save(model.state_dict(), ...)."
    )


def _program(path: Path) -> str:
    return (
        f"The file {path.name} is an exported program (TorchScript or torch.export), not weights. "
        "Save the weights alone with torch.save(model.state_dict(), ...)."
    )


def _damaged(path: Path) -> str:
    return f"The file {path.name} is damaged or incomplete. Copy or download it again."


def _tensors(content: Any, name: str) -> dict[str, Tensor]:
    """The state dict in what a file holds, without the prefixes that wrappers leave."""
    state = _named(content)
    for nest in (*_NESTS, *_AVERAGES):
        if isinstance(content, Mapping) and (inside := _named(content.get(nest))):
            state = inside
            break
    state = _without_prefixes(_without_copies(state))
    if not state:
        raise ModelError(
            f"The file {name} contains no state dict (names and tensors). Save one with "
            "torch.save(model.state_dict(), ...)."
        )
    if any(t.layout != torch.strided or t.is_complex() or t.is_quantized for t in state.values()):
        raise ModelError(
            f"The weights in {name} are sparse, complex or quantized. Save them as plain float32."
        )
    if sum(tensor.numel() for tensor in state.values()) > MOST_VALUES:
        raise ModelError(
            f"The weights in {name} have more than {MOST_VALUES:,} values. Use a smaller network."
        )
    return state


def _named(content: Any) -> dict[str, Tensor]:
    """The tensors of a mapping by name; {} for anything else."""
    entries = content.items() if isinstance(content, Mapping) else ()
    return {str(key): value for key, value in entries if isinstance(value, Tensor)}


def _without_prefixes(state: dict[str, Tensor]) -> dict[str, Tensor]:
    for _ in range(_DEEP):
        shared = (p for p in (*_PREFIXES, *_COPIES) if all(key.startswith(p) for key in state))
        if not state or not (prefix := next(shared, "")):
            break
        state = {key.removeprefix(prefix): value for key, value in state.items()}
    return state


def _without_copies(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Without a running average of the same weights beside them, and the counts it keeps."""
    state = {key: value for key, value in state.items() if key not in _COUNTS}
    for prefix in _COPIES:
        copies = {key for key in state if key.startswith(prefix)}
        others = {_bare(key) for key in state.keys() - copies}
        if copies and {_bare(key.removeprefix(prefix)) for key in copies} - _COUNTS <= others:
            return {key: value for key, value in state.items() if key not in copies}
    return state


def _bare(key: str) -> str:
    """A name without wrappers' prefixes and, as some averages are kept, without dots."""
    for _ in range(_DEEP):
        key = key.removeprefix(next((p for p in _PREFIXES if key.startswith(p)), ""))
    return key if key in _COUNTS else key.replace(".", "")
