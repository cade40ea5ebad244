"""Build an architecture again, with the widths that a file names; nothing in the file is run."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from sfp_viz.errors import ModelError
from sfp_viz.nets.zoo import architectures

Shape = tuple[int, ...]
MOST_VALUES = 500_000_000  # learned values of one network: 2 GB in float32
_MOST_ARGUMENT = 1024
_MOST_CLASSES = 100_000
_MOST_PIXELS = 4_000_000  # channels * height * width of one input
_NO_ENTRY = ("weights", "pretrained", "checkpoint", "path", "cache")  # would fetch or read files


def build(architecture: str, arguments: Mapping[str, Any]) -> nn.Module:
    """An untrained module, always with the same weights (seed 0), whatever was drawn before.

    Names and arguments may come from a stranger's file: they are bounded, and the network is
    laid out without memory first. Raises ModelError when it would be absurdly large.
    """
    _check_arguments(architecture, arguments)
    sizes = [p.numel() for p in layout(architecture, arguments).parameters()]
    if 0 in sizes:
        raise ModelError(f"The architecture '{architecture}' with {dict(arguments)} is empty.")
    if (values := sum(sizes)) > MOST_VALUES:
        raise ModelError(
            f"The architecture '{architecture}' with {dict(arguments)} has {values:,} learned "
            f"values; networks of up to {MOST_VALUES:,} are opened."
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return architectures.build(architecture, arguments).eval()


def layout(architecture: str, arguments: Mapping[str, Any]) -> nn.Module:
    """The architecture's names and shapes alone: its weights take no memory and no time."""
    _check_arguments(architecture, arguments)
    with torch.random.fork_rng(devices=[]), _EmptyOnMeta(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Initializing zero-element tensors")
        return architectures.build(architecture, arguments)


class _EmptyOnMeta(TorchFunctionMode):
    """Weights start as torch.empty: those go to 'meta'. All else stays real, because RegNet and
    others compute their widths with tensors."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = {**(kwargs or {}), **({"device": "meta"} if func is torch.empty else {})}
        return func(*args, **kwargs)


def resize(module: nn.Module, shapes: Mapping[str, Shape], added_biases: tuple[str, ...]) -> None:
    """Give every parameter and buffer of ``module`` its shape in ``shapes``, in place.

    Cuts only make a network smaller, so a shape that is larger anywhere than the architecture's
    raises ModelError before anything is allocated. ``added_biases`` ('layer1.0.conv2.bias') are
    put where the architecture has none. Values are left undefined: load them afterwards.
    """
    for name in added_biases:
        _add_bias(module, name, shapes)
    state = module.state_dict()
    changed = {n: shapes[n] for n in state if n in shapes and shapes[n] != tuple(state[n].shape)}
    for name, shape in changed.items():
        old = tuple(state[name].shape)
        if len(shape) != len(old) or any(not 1 <= n <= o for n, o in zip(shape, old, strict=True)):
            raise ModelError(
                f"The file's '{name}' has the shape {shape}, and the uncut architecture's "
                f"is {old}: a cut network cannot have it. The file is of another network."
            )
    for name, shape in changed.items():
        owner, _, leaf = name.rpartition(".")
        fresh: Tensor = state[name].new_empty(shape)
        if isinstance(getattr(module.get_submodule(owner), leaf), nn.Parameter):
            fresh = nn.Parameter(fresh)
        setattr(module.get_submodule(owner), leaf, fresh)
    for owner in {name.rpartition(".")[0] for name in changed}:
        _adopt(module.get_submodule(owner))


def try_forward(module: nn.Module, input_shape: tuple[int, int, int]) -> Tensor:
    """The output of one black image, float32 [1, classes]; ModelError when it does not work."""
    shape = tuple(input_shape)
    if len(shape) != 3 or min(shape) < 1 or shape[0] * shape[1] * shape[2] > _MOST_PIXELS:
        raise ModelError(
            f"The input shape {shape} is not (channels, height, width) of an image with up to "
            f"{_MOST_PIXELS:,} values."
        )
    was = module.training
    try:
        with torch.inference_mode():
            output = module.eval()(torch.zeros(1, *shape))
    except Exception as problem:  # whatever a network's own forward may raise
        first = str(problem).strip().splitlines() or [type(problem).__name__]
        raise ModelError(
            f"The network does not run on an image of {shape} (channels, height, width): "
            f"{first[0][:200]}. Give the input shape it was made for."
        ) from problem
    finally:
        module.train(was)
    if not isinstance(output, Tensor) or output.ndim != 2:
        raise ModelError(
            "The network's output is not one row of class scores an image. Only classification "
            "networks can be opened."
        )
    return output


def _adopt(owner: nn.Module) -> None:
    """Set the channel counts that a module keeps beside its weights."""
    weight = getattr(owner, "weight", None)
    if isinstance(owner, nn.Conv2d):
        outs, block_width = owner.weight.shape[:2]
        if owner.groups == owner.in_channels and owner.groups > 1:  # depthwise
            owner.groups = outs // (owner.out_channels // owner.in_channels)
        owner.out_channels, owner.in_channels = outs, block_width * owner.groups
    elif isinstance(owner, nn.ConvTranspose2d):
        ins, block_width = owner.weight.shape[:2]
        owner.in_channels, owner.out_channels = ins, block_width * owner.groups
    elif isinstance(owner, nn.Linear):
        owner.out_features, owner.in_features = owner.weight.shape
    elif isinstance(owner, nn.BatchNorm1d | nn.BatchNorm2d | nn.InstanceNorm2d):
        if owner.running_mean is not None or weight is not None:
            held = owner.running_mean if owner.running_mean is not None else owner.weight
            owner.num_features = len(held)
    elif isinstance(owner, nn.GroupNorm) and weight is not None:
        owner.num_channels = len(weight)
    elif isinstance(owner, nn.LayerNorm) and weight is not None:
        owner.normalized_shape = tuple(weight.shape)
    elif isinstance(owner, nn.PReLU):
        owner.num_parameters = len(owner.weight)


def _add_bias(module: nn.Module, name: str, shapes: Mapping[str, Shape]) -> None:
    owner, _, leaf = name.rpartition(".")
    layer = dict(module.named_modules()).get(owner)
    if not isinstance(layer, nn.Conv2d | nn.Linear) or leaf != "bias" or name not in shapes:
        raise ModelError(f"The file adds a bias '{name}' that its network cannot have.")
    if layer.bias is None:
        layer.bias = nn.Parameter(layer.weight.new_zeros(len(layer.weight)))


def _check_arguments(architecture: str, arguments: Mapping[str, Any]) -> None:
    if len(architecture) > 200 or len(arguments) > 32:
        raise ModelError("The architecture's name or arguments are too long to be one of ours.")
    for name, whole in arguments.items():
        parts = whole if isinstance(whole, list | tuple) and len(whole) <= 64 else [whole]
        most = _MOST_CLASSES if "classes" in name else _MOST_ARGUMENT
        if any(word in name for word in _NO_ENTRY) or not all(_plain(p, most) for p in parts):
            raise ModelError(
                f"The architecture '{architecture}' is not built with {name} = {str(whole)[:100]}."
            )


def _plain(value: Any, most: int) -> bool:
    """None, a number that is not absurd, or a short word."""
    if isinstance(value, str):
        return len(value) <= 100
    return value is None or (isinstance(value, bool | int | float) and -most <= value <= most)
