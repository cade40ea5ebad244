"""Build an architecture again, with the widths that a file names; nothing in the file is run."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map_only

from sfp_viz.errors import ModelError
from sfp_viz.nets.forward import floating_dtype, foreign_code, logit_columns
from sfp_viz.nets.zoo import architectures

Shape = tuple[int, ...]
MOST_VALUES = 500_000_000  # learned values of one network: 2 GB in float32
_MOST_ARGUMENT = 1024
_MOST_CLASSES = 100_000
_WIDTHS = ("widths", "inner", "stem", "pixels")  # channels or positions, as many as classes may be
_MOST_PIXELS = 4_000_000  # channels * height * width of one input
_NO_ENTRY = ("weights", "pretrained", "checkpoint", "path", "cache")  # would fetch or read files


def build(architecture: str, arguments: Mapping[str, Any]) -> nn.Module:
    """An untrained module, always with the same weights (seed 0), whatever was drawn before.

    Names and arguments may come from a stranger's file: they are bounded, and the network is laid
    out without memory first.

    Args:
        architecture: See ``architectures.build``.
        arguments: See ``architectures.build``.

    Raises:
        ModelError: The architecture cannot be built, is empty, or has more than ``MOST_VALUES``
            learned values.
    """
    _check_arguments(architecture, arguments)
    sizes = [p.numel() for p in layout(architecture, arguments).parameters()]
    if 0 in sizes:
        raise ModelError(
            f"The architecture '{architecture}' with {dict(arguments)} has layers without weights. "
            "Correct its arguments."
        )
    if (values := sum(sizes)) > MOST_VALUES:
        raise ModelError(
            f"The architecture '{architecture}' with {dict(arguments)} has {values:,} learned "
            f"values. Choose a network with at most {MOST_VALUES:,}."
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return architectures.build(architecture, arguments).eval()


def layout(architecture: str, arguments: Mapping[str, Any]) -> nn.Module:
    """The architecture's names and shapes alone: its weights take no memory and no time.

    Args:
        architecture: See ``architectures.build``.
        arguments: See ``architectures.build``.

    Raises:
        ModelError: The architecture cannot be built.
    """
    _check_arguments(architecture, arguments)
    with torch.random.fork_rng(devices=[]), _EmptyOnMeta(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Initializing zero-element tensors")
        return architectures.build(architecture, arguments)


class _EmptyOnMeta(TorchFunctionMode):
    """Weights start as torch.empty: those go to 'meta'. All else stays real, because RegNet and
    others compute their widths with tensors; where it meets a weight (detectors run their backbone
    to learn its widths) it goes to 'meta' too."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = {**(kwargs or {}), **({"device": "meta"} if func is torch.empty else {})}
        tensors = [value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)]
        if len({tensor.is_meta for tensor in tensors}) > 1:
            args, kwargs = tree_map_only(Tensor, lambda tensor: tensor.to("meta"), (args, kwargs))
        return func(*args, **kwargs)


def resize(
    module: nn.Module,
    shapes: Mapping[str, Shape],
    added_biases: tuple[str, ...],
    conv_groups: Mapping[str, int] | None = None,
) -> None:
    """Give every parameter and buffer of ``module`` its shape in ``shapes``, in place.

    Values are left undefined: load them afterwards.

    Args:
        module: The uncut architecture.
        shapes: Shapes by name; names that are not there keep their shape.
        added_biases: Names of biases, such as 'layer1.0.conv2.bias', to add where the architecture
            has none.
        conv_groups: torch's ``groups`` of cut convolutions, by name, where shapes tell others.

    Raises:
        ModelError: A shape is larger anywhere than the architecture's, which no cut can give, or a
            bias cannot be added; then nothing has been allocated.
    """
    for name in added_biases:
        _add_bias(module, name, shapes)
    state = module.state_dict()
    changed = {n: shapes[n] for n in state if n in shapes and shapes[n] != tuple(state[n].shape)}
    for name, shape in changed.items():
        old = tuple(state[name].shape)
        if len(shape) != len(old) or any(not 1 <= n <= o for n, o in zip(shape, old, strict=True)):
            raise ModelError(
                f"'{name}' has the shape {shape} in the file and {old} in the uncut architecture, "
                "so the file belongs to another network. Open it with the architecture that it "
                "was trained with."
            )
    for name, shape in changed.items():
        owner, _, leaf = name.rpartition(".")
        fresh: Tensor = state[name].new_empty(shape)
        if isinstance(getattr(module.get_submodule(owner), leaf), nn.Parameter):
            fresh = nn.Parameter(fresh)
        setattr(module.get_submodule(owner), leaf, fresh)
    for owner in {name.rpartition(".")[0] for name in changed}:
        _adopt(module.get_submodule(owner), (conv_groups or {}).get(owner, 0))


def load_weights(module: nn.Module, state: Mapping[str, Tensor], name: str) -> None:
    """Load ``state`` into ``module``, every entry of it.

    It comes as this version of the module would write it: some modules read older states, or
    states without a version, in another way.

    Args:
        module: The network, with the state's shapes.
        state: Its entries.
        name: The file's, for the message.

    Raises:
        ModelError: An entry is missing, left over, or of another shape.
    """
    entries = OrderedDict(state)
    entries._metadata = getattr(module.state_dict(), "_metadata", {})  # type: ignore[attr-defined]
    try:
        module.load_state_dict(entries, strict=True)
    except RuntimeError as problem:
        reason = " ".join(str(problem).split())[:300]
        raise ModelError(
            f"The weights in {name} do not fit the architecture it names: {reason}"
        ) from problem


def count_classes(module: nn.Module, input_shape: tuple[int, int, int]) -> int:
    """Run the network on one black image: the columns of its output [1, classes], or 0 where it
    gives something else (maps, boxes, several outputs).

    Args:
        module: The network.
        input_shape: Channels, height and width of its images.

    Raises:
        ModelError: The shape is not that of an image or is too large, or the network does not run
            on it.
    """
    shape = tuple(input_shape)
    if len(shape) != 3 or min(shape) < 1 or shape[0] * shape[1] * shape[2] > _MOST_PIXELS:
        raise ModelError(
            f"The input shape {shape} is not usable. Give channels, height and width of an image "
            f"with up to {_MOST_PIXELS:,} values."
        )
    training = module.training
    failure = f"The network does not run on an image of {shape} (channels, height, width)"
    try:
        with (
            foreign_code(failure, "Give the input shape that it was made for."),
            torch.inference_mode(),
        ):
            return logit_columns(
                module.eval()(torch.zeros(1, *shape, dtype=floating_dtype(module)))
            )
    finally:
        module.train(training)


def groups_by_shape(uncut: Any, filters: int) -> int:
    """torch's ``groups`` of a convolution that keeps so many filters: a depthwise one loses
    channels with them; others keep their groups.

    Args:
        uncut: The convolution before the cut.
        filters: How many filters it keeps.
    """
    if uncut.groups == uncut.in_channels and uncut.groups > 1 and isinstance(uncut, nn.Conv2d):
        return filters // (uncut.out_channels // uncut.in_channels)
    return uncut.groups


def _adopt(owner: nn.Module, conv_groups: int = 0) -> None:
    """Set the channel counts that a module keeps beside its weights; ``conv_groups`` are those of
    a cut convolution, 0 where they are not known."""
    weight = getattr(owner, "weight", None)
    if isinstance(owner, nn.Conv2d):
        outs, block_width = owner.weight.shape[:2]
        if conv_groups:
            if not 1 <= conv_groups <= outs or outs % conv_groups:
                raise ModelError(f"A layer of {outs} filters has no {conv_groups} conv_groups.")
            owner.groups = conv_groups
        else:
            owner.groups = groups_by_shape(owner, outs)
        owner.out_channels, owner.in_channels = outs, block_width * owner.groups
    elif isinstance(owner, nn.ConvTranspose2d):
        ins, block_width = owner.weight.shape[:2]
        owner.in_channels, owner.out_channels = ins, block_width * owner.groups
    elif isinstance(owner, nn.Linear):
        owner.out_features, owner.in_features = owner.weight.shape
    elif isinstance(owner, nn.BatchNorm1d | nn.BatchNorm2d | nn.InstanceNorm2d):
        if owner.running_mean is not None or weight is not None:
            by_channel = owner.running_mean if owner.running_mean is not None else owner.weight
            owner.num_features = len(by_channel)
    elif isinstance(owner, nn.GroupNorm) and weight is not None:
        each = owner.num_channels // owner.num_groups
        owner.num_channels, owner.num_groups = len(weight), len(weight) // each
    elif isinstance(owner, nn.LayerNorm) and weight is not None:
        owner.normalized_shape = tuple(weight.shape)
    elif isinstance(owner, nn.PReLU):
        owner.num_parameters = len(owner.weight)


def _add_bias(module: nn.Module, name: str, shapes: Mapping[str, Shape]) -> None:
    owner, _, leaf = name.rpartition(".")
    layer = dict(module.named_modules()).get(owner)
    if not isinstance(layer, nn.Conv2d | nn.Linear) or leaf != "bias" or name not in shapes:
        raise ModelError(
            f"The file adds a bias '{name}', but its network has no such layer. Save the network "
            "again."
        )
    if layer.bias is None:
        layer.bias = nn.Parameter(layer.weight.new_zeros(len(layer.weight)))


def _check_arguments(architecture: str, arguments: Mapping[str, Any]) -> None:
    if architecture == architectures.EXPORTED:  # checked where its program is read
        return
    if len(architecture) > 200 or len(arguments) > 32:
        raise ModelError(
            "The architecture's name or arguments are too long. Give a name of up to 200 "
            "characters and up to 32 arguments."
        )
    for name, argument in arguments.items():
        is_short = isinstance(argument, list | tuple) and len(argument) <= 64
        values = argument if is_short else [argument]
        is_wide = "classes" in name or name in _WIDTHS
        most = _MOST_CLASSES if is_wide else _MOST_ARGUMENT
        if any(word in name for word in _NO_ENTRY) or not all(_plain(v, most) for v in values):
            raise ModelError(
                f"The architecture '{architecture}' is not built with {name} = "
                f"{str(argument)[:100]}, which is not allowed here. Leave it out."
            )


def _plain(value: Any, most: int) -> bool:
    """None, a number that is not absurd, or a short word."""
    if isinstance(value, str):
        return len(value) <= 100
    return value is None or (isinstance(value, bool | int | float) and -most <= value <= most)
