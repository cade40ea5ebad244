"""Layers among the operations of an exported network: which steps are a layer of torch.nn, under
the path of its own weights, and how the layer is built."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from sfp_viz.errors import ModelError
from sfp_viz.nets.exported.program import Layer, State

Shape = tuple[int, ...]

# class -> the bounds of nothing but its numbers: what a file may ask to be built
KINDS: Mapping[str, type[nn.Module]] = {
    kind.__name__: kind
    for kind in (
        nn.Conv1d, nn.Conv2d, nn.Conv3d,
        nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d,
        nn.Linear, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d,
        nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d,
        nn.GroupNorm, nn.LayerNorm, nn.PReLU,
        nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout,
        nn.FeatureAlphaDropout,
    )
}  # fmt: skip
DROPOUTS = {
    f"aten.{operator}{place}.default": kind
    for operator, kind in (
        ("dropout", "Dropout"), ("feature_dropout", "Dropout2d"), ("alpha_dropout", "AlphaDropout"),
        ("feature_alpha_dropout", "FeatureAlphaDropout"),
    )
    for place in ("", "_")
}  # fmt: skip
_MOST = 1_000_000  # channels, or pixels of a kernel, of one layer


def layer_of(
    target: str, named: Mapping[str, Any], shapes: Mapping[str, Shape], rank: int
) -> Layer | None:
    """The layer that an operation is; None for one that stays an operation.

    Args:
        target: The operator's name.
        named: Its arguments by name, with the defaults of its schema.
        shapes: Shapes of the parameters and buffers by path.
        rank: Number of dimensions of its input.
    """
    reader = _READERS.get(target)
    return reader(target, named, shapes, rank) if reader else None


def build_layer(layer: Layer) -> nn.Module:
    """The layer, on the device of torch.empty; its values are to be loaded.

    Raises:
        ModelError: The file asks for a layer that does not exist.
    """
    kind = KINDS.get(layer.kind)
    numbers = [n for value in layer.arguments.values() for n in _flat(value)]
    sizes = [n for n in numbers if isinstance(n, int | float) and not isinstance(n, bool)]
    problem: Exception | None = None
    if kind is not None and all(math.isfinite(n) and abs(n) <= _MOST for n in sizes):
        try:
            return kind(**layer.arguments)
        except (TypeError, ValueError, RuntimeError) as error:
            problem = error
    raise ModelError(
        f"The layer '{layer.path[:80]}' of an exported network cannot be built: "
        f"{layer.kind[:40]}({str(dict(layer.arguments))[:200]}). The file is damaged; export the "
        "network again."
    ) from problem


def _flat(value: Any) -> list[Any]:
    return (
        [n for item in value for n in _flat(item)] if isinstance(value, tuple | list) else [value]
    )


def _owner(named: Mapping[str, Any], *leaves: tuple[str, str]) -> str | None:
    """The path of the module that holds all of an operation's weights under the names that torch.nn
    gives them; None where there is no such module."""
    owners = set()
    for argument, leaf in leaves:
        value = named.get(argument)
        if value is None:
            continue
        if not isinstance(value, State):
            return None
        owner, _, name = value.name.rpartition(".")
        owners.add(owner if name == leaf else "")
    (owner, *others) = owners or {""}
    return owner if owner and not others else None


def _is_plain(*values: Any) -> bool:
    """Whether arguments are numbers and words that the file holds, not what was computed."""
    return all(isinstance(n, int | float | str | None) for value in values for n in _flat(value))


def _convolution(
    target: str, named: Mapping[str, Any], shapes: Mapping[str, Shape], rank: int
) -> Layer | None:
    owner = _owner(named, ("weight", "weight"), ("bias", "bias"))
    settings = [named.get(k) for k in ("stride", "padding", "dilation", "output_padding", "groups")]
    if owner is None or not _is_plain(*settings):
        return None
    shape, groups = shapes[named["weight"].name], int(named.get("groups", 1))
    dimensions = len(shape) - 2
    transposed = "transpose" in target or bool(named.get("transposed"))
    if rank and rank != dimensions + 2:  # of one image, without a batch
        return None
    ins, outs = (shape[0], shape[1] * groups) if transposed else (shape[1] * groups, shape[0])
    arguments = {
        "in_channels": ins, "out_channels": outs, "kernel_size": shape[2:],
        "stride": _tuple(named["stride"], dimensions),
        "padding": named["padding"] if isinstance(named["padding"], str)
        else _tuple(named["padding"], dimensions),
        "dilation": _tuple(named["dilation"], dimensions),
        "groups": groups, "bias": named.get("bias") is not None,
    }  # fmt: skip
    if transposed:
        arguments["output_padding"] = _tuple(named["output_padding"], dimensions)
    return Layer(owner, f"Conv{'Transpose' if transposed else ''}{dimensions}d", arguments)


def _tuple(value: Any, dimensions: int) -> tuple[int, ...]:
    numbers = tuple(value) if isinstance(value, tuple | list) else (value,)
    return numbers * dimensions if len(numbers) == 1 else numbers


def _linear(
    target: str, named: Mapping[str, Any], shapes: Mapping[str, Shape], rank: int
) -> Layer | None:
    owner = _owner(named, ("weight", "weight"), ("bias", "bias"))
    if owner is None or len(shape := shapes[named["weight"].name]) != 2:
        return None
    arguments = {"in_features": shape[1], "out_features": shape[0]}
    return Layer(owner, "Linear", {**arguments, "bias": named.get("bias") is not None})


_NORM = (("weight", "weight"), ("bias", "bias"), ("running_mean", "running_mean"),
         ("running_var", "running_var"))  # fmt: skip


def _batch_norm(
    target: str, named: Mapping[str, Any], shapes: Mapping[str, Shape], rank: int
) -> Layer | None:
    owner, tracked = _owner(named, *_NORM), named["running_mean"] is not None
    affine = named["weight"] is not None
    if owner is None or affine != (named["bias"] is not None) or not 2 <= rank <= 5:
        return None
    if not tracked and not affine:
        return None
    state = named["running_mean"] if tracked else named["weight"]
    momentum = named["momentum"]
    arguments = {
        "num_features": shapes[state.name][0], "eps": named["eps"],
        "momentum": momentum, "affine": affine, "track_running_stats": tracked,
    }  # fmt: skip
    return Layer(owner, f"BatchNorm{max(1, rank - 2)}d", arguments)


def _instance_norm(
    target: str, named: Mapping[str, Any], shapes: Mapping[str, Shape], rank: int
) -> Layer | None:
    owner, tracked = _owner(named, *_NORM), named["running_mean"] is not None
    affine = named["weight"] is not None
    if owner is None or affine != (named["bias"] is not None) or not 3 <= rank <= 5:
        return None
    state = named["running_mean"] if tracked else named["weight"]
    arguments = {
        "num_features": shapes[state.name][0], "eps": named["eps"],
        "momentum": named["momentum"], "affine": affine, "track_running_stats": tracked,
    }  # fmt: skip
    return Layer(owner, f"InstanceNorm{rank - 2}d", arguments)


def _group_norm(
    target: str, named: Mapping[str, Any], shapes: Mapping[str, Shape], rank: int
) -> Layer | None:
    owner = _owner(named, ("weight", "weight"), ("bias", "bias"))
    if owner is None or named["weight"] is None or named["bias"] is None:
        return None
    arguments = {"num_groups": named["num_groups"], "eps": named["eps"]}
    return Layer(owner, "GroupNorm", {**arguments, "num_channels": shapes[named["weight"].name][0]})


def _layer_norm(
    target: str, named: Mapping[str, Any], shapes: Mapping[str, Shape], rank: int
) -> Layer | None:
    owner, bias = _owner(named, ("weight", "weight"), ("bias", "bias")), named.get("bias")
    shape = named["normalized_shape"]
    if owner is None or named["weight"] is None or not _is_plain(shape):
        return None
    arguments = {"normalized_shape": tuple(shape), "eps": named["eps"], "bias": bias is not None}
    return Layer(owner, "LayerNorm", arguments)


def _prelu(
    target: str, named: Mapping[str, Any], shapes: Mapping[str, Shape], rank: int
) -> Layer | None:
    owner = _owner(named, ("weight", "weight"))
    if owner is None:
        return None
    return Layer(owner, "PReLU", {"num_parameters": shapes[named["weight"].name][0]})


_Reader = Callable[[str, Mapping[str, Any], Mapping[str, Shape], int], Layer | None]
_READERS: Mapping[str, _Reader] = {
    **{f"aten.conv{n}d.{kind}": _convolution for n in (1, 2, 3) for kind in ("default", "padding")},
    "aten.conv_transpose1d.default": _convolution,
    "aten.conv_transpose2d.input": _convolution,
    "aten.conv_transpose3d.input": _convolution,
    "aten.convolution.default": _convolution,
    "aten.linear.default": _linear,
    "aten.batch_norm.default": _batch_norm,
    "aten._native_batch_norm_legit_no_training.default": _batch_norm,
    "aten.instance_norm.default": _instance_norm,
    "aten.group_norm.default": _group_norm,
    "aten.layer_norm.default": _layer_norm,
    "aten.prelu.default": _prelu,
}


def leaves_of(layer: Layer) -> dict[str, Shape]:
    """Names and shapes of a layer's own parameters and buffers."""
    with torch.device("meta"):
        return {name: tuple(t.shape) for name, t in build_layer(layer).state_dict().items()}
