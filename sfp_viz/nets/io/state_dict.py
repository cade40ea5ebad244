"""The names and tensors in a file of weights; whatever else is in it is left out, never run."""

from __future__ import annotations

import pickle
import re
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sfp_viz.errors import ModelError
from sfp_viz.nets.io.file_formats import SAVE, damaged_text, format_of, objects_text
from sfp_viz.nets.io.model_file import MOST_BYTES, check_size, read_header
from sfp_viz.nets.zoo.build import MOST_VALUES

_DEEP = 8  # wrappers inside wrappers that are taken off
# where files of checkpoints keep weights; a running average of them only where there is no other
_NESTS = (
    "state_dict", "model_state_dict", "model", "net", "weights", "params", "model_state",
    "network", "module", "state", "net_state_dict", "network_state_dict", "model_weights",
)  # fmt: skip
_AVERAGES = (
    "state_dict_ema",
    "ema_state_dict",
    "model_ema",
    "ema_model",
    "ema",
    "params_ema",
    "averaged",
)
_NO_WEIGHTS = re.compile(r"optim|sched|scaler|\bamp\b|rng|args|config|hparams|callback|loop", re.I)
_PREFIXES = ("module.", "_orig_mod.", "model.", "net.")
_COPIES = ("model_ema.", "ema_model.", "module_ema.", "ema.")
_COUNTS = {"n_averaged", "decay", "num_updates"}  # what keepers of averages note beside them
_MOST_GLOBALS = 200  # kinds of Python objects beside weights


class _LeftOut:
    """Stands for a Python object beside weights: made of nothing, with nothing of it kept."""

    def __new__(cls, *_: Any, **__: Any) -> _LeftOut:
        return object.__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        """Whatever it would be made of is dropped."""

    def __setstate__(self, _: Any) -> None:
        """Whatever it would hold is dropped."""


class _LeftOutMapping(_LeftOut):
    """Stands for a mapping of a kind of its own, such as the settings of a training."""

    def __new__(cls, *_: Any, **__: Any) -> OrderedDict:  # type: ignore[misc]
        return OrderedDict()


def read_state(path: Path) -> dict[str, Tensor]:
    """The state dict in a .safetensors file, one of torch.save, a .pt2 or an ONNX file, without
    wrappers' prefixes and without a running average that stands beside the weights; where it stands
    alone, it counts.

    Raises:
        ModelError: The file is text, damaged, a program, larger than 1 GB, or has Python objects or
            no state dict in it.
    """
    check_size(path)
    kind = format_of(path)
    if kind == "safetensors":
        from safetensors.torch import load_file

        read_header(path)  # says in a sentence what is wrong with a damaged file
        return _tensors(dict(sorted(load_file(path).items())), path.name)  # its order is lost
    if kind == "onnx":
        from sfp_viz.nets.io.onnx_weights import read_onnx

        return _tensors(read_onnx(path), path.name)
    if kind == "pt2":
        from sfp_viz.nets.exported.read import read_pt2

        return _tensors(read_pt2(path, path.name)[0].state_dict(), path.name)
    content = _unpickled(path, is_zip=kind == "torch")
    if isinstance(content, _LeftOut):
        raise ModelError(objects_text(path))
    try:
        return _tensors(content, path.name)
    except ModelError:
        if any(isinstance(value, _LeftOut) for value in _values(content)):
            raise ModelError(objects_text(path)) from None
        raise


def _unpickled(path: Path, *, is_zip: bool) -> Any:
    """What a torch file holds, as tensors, plain values and NumPy's numbers; objects of any other
    kind are left out, and no code of the file is run."""
    try:
        if is_zip:
            with zipfile.ZipFile(path) as archive:
                if sum(entry.file_size for entry in archive.infolist()) > 2 * MOST_BYTES:
                    raise ModelError(
                        f"The file {path.name} unpacks to more than 2 GB. Use a smaller network."
                    )
        with warnings.catch_warnings():  # torch's own, on how a stranger's file was written
            warnings.simplefilter("ignore", UserWarning)
            return _loaded(path)
    except ModelError:
        raise
    except pickle.UnpicklingError as problem:
        if "Weights only load failed" not in str(problem):
            raise ModelError(damaged_text(path)) from problem
        raise ModelError(objects_text(path)) from problem
    except Exception as problem:  # torch's reader of damaged files raises whatever it meets
        raise ModelError(damaged_text(path)) from problem


def _loaded(path: Path) -> Any:
    """``torch.load`` with ``weights_only``; each kind of object it refuses is left out in turn."""
    names: list[str] = []
    stand_in: type = _LeftOut
    while True:
        # torch names built-in kinds without their module
        left: list[Any] = [(stand_in, n if "." in n else f"builtins.{n}") for n in names]
        try:
            with torch.serialization.safe_globals([*_numpy(), *left]):
                return torch.load(path, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as problem:
            text = str(problem)
            refused = re.search(r"Unsupported global: GLOBAL (\S+) ", text)
            if "Can only SETITEM" in text and stand_in is _LeftOut:
                stand_in = _LeftOutMapping
            elif refused and refused[1] not in names and len(names) < _MOST_GLOBALS:
                names.append(refused[1])
            else:
                raise


def _numpy() -> list[Any]:
    """What NumPy's arrays and numbers are written with: best accuracies, and weights."""
    from numpy._core import multiarray

    kinds = {type(np.dtype(kind)) for kind in "?bBhHiIlLqQefd"}
    old = [(multiarray._reconstruct, "numpy.core.multiarray._reconstruct"),
           (multiarray.scalar, "numpy.core.multiarray.scalar")]  # fmt: skip
    return [multiarray._reconstruct, multiarray.scalar, np.ndarray, np.dtype, *kinds, *old]


def _values(content: Any, depth: int = 0) -> Iterator[Any]:
    """All values inside wrappers."""
    yield content
    if depth < _DEEP and isinstance(content, Mapping | list | tuple):
        for value in content.values() if isinstance(content, Mapping) else content:
            yield from _values(value, depth + 1)


def _tensors(content: Any, name: str) -> dict[str, Tensor]:
    """The state dict in what a file holds, without the prefixes that wrappers leave."""
    state = _without_prefixes(_without_copies(_state_in(content)))
    if not state:
        raise ModelError(
            f"The file {name} contains no state dict (names and tensors). Save one with {SAVE}."
        )
    if any(t.layout != torch.strided or t.is_complex() or t.is_quantized for t in state.values()):
        raise ModelError(
            f"The weights in {name} are sparse, complex or quantized. Save them as plain float32."
        )
    if sum(tensor.numel() for tensor in state.values()) > MOST_VALUES:
        raise ModelError(
            f"The weights in {name} have more than {MOST_VALUES:,} values. Use a smaller network."
        )
    return _plain_weights(state)


def _plain_weights(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights as layers use them, where torch keeps them in parts: masked by its pruning
    ('weight_orig', 'weight_mask'), or as length and direction (weight_norm)."""
    plain: dict[str, Tensor] = {}
    joined: set[str] = set()
    for key, tensor in state.items():
        plain[key] = tensor
        for (first, second), join in _PAIRS.items():
            name = key.removesuffix(first)
            other = state.get(f"{name}{second}")
            if name == key or other is None or not 1 < tensor.ndim == other.ndim:
                continue
            if tensor.shape != other.shape and tensor.numel() != len(other):
                continue
            del plain[key]
            joined.add(f"{name}{second}")
            plain[f"{name}.weight" if first.startswith(".") else name] = join(tensor, other)
            break
    return {key: tensor for key, tensor in plain.items() if key not in joined}


def _directed(length: Tensor, direction: Tensor) -> Tensor:
    """Rows of ``direction`` with the ``length`` of each (Salimans & Kingma 2016, equation 2)."""
    rows = direction.float().flatten(1)
    scale = length.float().flatten() / rows.norm(dim=1)
    return (rows * scale[:, None]).view(direction.shape)


_PAIRS: Mapping[tuple[str, str], Callable[[Tensor, Tensor], Tensor]] = {
    ("_orig", "_mask"): lambda whole, mask: whole * mask,
    ("_g", "_v"): _directed,
    (".parametrizations.weight.original0", ".parametrizations.weight.original1"): _directed,
}


def _state_in(content: Any, depth: int = 0) -> dict[str, Tensor]:
    """The state dict inside wrappers: under a usual name, else the largest; {} for none."""
    if isinstance(content, list | tuple):
        content = {str(index): value for index, value in enumerate(content)}
    if not isinstance(content, Mapping) or depth > _DEEP:
        return {}
    direct = _named(content)
    for nest in (*_NESTS, *_AVERAGES):
        if isinstance(content.get(nest), Mapping | list | tuple) and (
            inside := _state_in(content[nest], depth + 1)
        ):
            return inside
    nested = {}
    for key, value in content.items():
        if isinstance(value, Mapping | list | tuple) and not _NO_WEIGHTS.search(str(key)):
            nested[str(key)] = _state_in(value, depth + 1)
    nested = {key: state for key, state in nested.items() if state}
    if _has_filters(direct) or not nested:
        return direct
    if len(nested) == 1 and not direct:
        return next(iter(nested.values()))
    # several networks, or a mapping of layers: one state with longer names
    return direct | {f"{k}.{n}": t for k, state in nested.items() for n, t in state.items()}


def _has_filters(state: Mapping[str, Tensor]) -> bool:
    return any(tensor.ndim == 4 for tensor in state.values())


def _named(content: Mapping) -> dict[str, Tensor]:
    """The tensors and arrays of a mapping by name."""
    return {
        str(key): torch.from_numpy(value) if isinstance(value, np.ndarray) else value
        for key, value in content.items()
        if isinstance(value, Tensor)
        or (isinstance(value, np.ndarray) and value.dtype.kind in "fiub" and value.ndim)
    }


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
