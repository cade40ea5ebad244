"""Model: a torch module with everything needed to feed it, name it and rebuild it."""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter

from sfp_viz.core.plan.plan import Plan
from sfp_viz.errors import ModelError
from sfp_viz.nets.forward import class_count, floating_dtype, foreign_code


@dataclass(frozen=True)
class Source:
    """How a network was put together from somebody's file.

    Args:
        keys: (entry of the file, entry of the module), where the names differ; else empty.
        left_out: Entries of the file that are no part of the network.
        assumptions: What the file does not tell and was taken as usual, as phrases.
        known: Whether the preprocessing is known; False: it is a guess until it is measured.
        nearest: For weights that fit no architecture: the nearest one, with its arguments.
        differences: (entry, 'missing', 'unexpected' or 'of another shape') for each that differs.
    """

    keys: tuple[tuple[str, str], ...] = ()
    left_out: tuple[str, ...] = ()
    assumptions: tuple[str, ...] = ()
    known: bool = True
    nearest: str = ""
    differences: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Model:
    """A network ready for use; ``module`` is shared and must not be written to: copy it first.

    ``input_shape`` is (channels, height, width). ``mean`` and ``std``, one a channel, normalize
    pixels scaled to 0..1. ``architecture`` and ``arguments`` rebuild the module (see zoo.build);
    None for a module built by the caller's own code. ``plans`` is the chain of cuts made so far,
    ``widths`` the channels left by them, ``base_digest`` the uncut network's digest.
    ``added_biases`` names biases that compensation put where the architecture has none.
    ``digest`` identifies the weights; it is worked out when left empty. ``source`` says how it
    was put together from somebody's file.
    """

    module: nn.Module
    name: str
    input_shape: tuple[int, int, int]
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    classes: int = 0
    architecture: str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    data: str = ""
    plans: tuple[Plan, ...] = ()
    added_biases: tuple[str, ...] = ()
    base_digest: str = ""
    digest: str = ""
    source: Source = Source()

    def __post_init__(self) -> None:
        object.__setattr__(self, "module", _checked_module(self.module))
        object.__setattr__(self, "input_shape", _checked_shape(self.input_shape))
        channels = self.input_shape[0]
        for name in ("mean", "std"):
            values = tuple(getattr(self, name)) or (0.5,) * channels
            if len(values) != channels or (name == "std" and not all(values)):
                raise ModelError(
                    f"The network takes images of {channels} channels, so '{name}' needs "
                    f"{channels} numbers{' other than 0' * (name == 'std')}, not {values}."
                )
            object.__setattr__(self, name, values)
        if not self.classes:
            object.__setattr__(self, "classes", class_count(self.module, self.input_shape))
        if not self.digest:
            object.__setattr__(self, "digest", digest_of(self.module))
        if not self.base_digest:
            object.__setattr__(self, "base_digest", self.digest)

    def normalize(self, pixels: Tensor) -> Tensor:
        """uint8 pixels [N, C, H, W] -> float32 input of the network. Color becomes gray for
        a network with one channel (ITU-R BT.601)."""
        pixels = pixels.float() / 255
        if pixels.shape[1] == 3 and self.input_shape[0] == 1:
            weights = torch.tensor((0.299, 0.587, 0.114), device=pixels.device).view(1, 3, 1, 1)
            pixels = (pixels * weights).sum(1, keepdim=True)
        shape = (1, -1, 1, 1)
        mean = torch.tensor(self.mean, device=pixels.device).view(shape)
        std = torch.tensor(self.std, device=pixels.device).view(shape)
        return ((pixels - mean) / std).to(floating_dtype(self.module))

    def with_module(self, module: nn.Module, **changes: Any) -> Model:
        """The same network with other weights; the digest is worked out again."""
        return replace(self, module=module, digest="", **changes)


def check_model(model: Any) -> None:
    """Raise ModelError where something else than a Model was passed."""
    if not isinstance(model, Model):
        raise ModelError(
            f"This takes a Model, not {type(model).__name__}. Wrap a module, "
            "Model(module, name=..., input_shape=(channels, height, width)), or open a file with "
            "load_model."
        )


def _checked_module(module: Any) -> nn.Module:
    """The module, without the wrapper of torch.compile; ModelError where it is none to work on."""
    module = getattr(module, "_orig_mod", module)  # torch.compile wraps it
    if isinstance(module, torch.jit.ScriptModule):
        raise ModelError(
            "The network is a TorchScript program, whose layers cannot be pruned. Build the module "
            "from its Python code, or export it with torch.export."
        )
    if not isinstance(module, nn.Module):
        raise ModelError(
            f"Model takes a torch.nn.Module, not {type(module).__name__}. To open a file or a "
            "network by name, call load_model."
        )
    if lazy := [n for n, p in module.named_parameters() if isinstance(p, UninitializedParameter)]:
        raise ModelError(
            f"The parameter '{lazy[0]}' has no shape yet. Run the module once on an image first."
        )
    return module


def _checked_shape(shape: Any) -> tuple[int, int, int]:
    """The input shape as three whole numbers; ModelError where it is something else."""
    try:
        sizes = tuple(operator.index(size) for size in shape)
    except TypeError:
        sizes = ()
    if len(sizes) != 3 or min(sizes) < 1:
        batch = " Leave the batch out." if len(sizes) == 4 else ""
        raise ModelError(
            "The input shape is (channels, height, width) in whole numbers above 0, not "
            f"{shape!r}.{batch}"
        )
    return sizes[0], sizes[1], sizes[2]


def digest_of(module: nn.Module) -> str:
    """SHA-256 over the names, types, shapes and bytes of the state, shortened to 16 digits."""
    state = hashlib.sha256()
    with foreign_code(f"The state of the module {type(module).__name__} cannot be read"):
        for name, value in sorted(module.state_dict().items()):
            if not isinstance(value, Tensor):  # packed weights of quantized layers, and the like
                state.update(f"{name}:{value!r};".encode())
                continue
            state.update(f"{name}:{value.dtype}:{tuple(value.shape)};".encode())
            values = value.dequantize() if value.is_quantized else value.resolve_conj()
            values = values.detach().cpu().contiguous().reshape(-1)
            state.update(values.view(torch.uint8).numpy().data)
    return state.hexdigest()[:16]
