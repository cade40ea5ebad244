"""Model: a torch module with everything needed to feed it, name it and rebuild it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sfp_viz.core.plan.plan import Plan


@dataclass(frozen=True)
class Source:
    """How a network was put together from somebody's file.

    Args:
        keys: (entry of the file, entry of the module), where the names differ; else empty.
        left_out: Entries of the file that are no part of the network.
        assumptions: What the file does not tell and was taken as usual, as phrases.
        known: Whether the preprocessing is known; False: it is a guess until it is measured.
    """

    keys: tuple[tuple[str, str], ...] = ()
    left_out: tuple[str, ...] = ()
    assumptions: tuple[str, ...] = ()
    known: bool = True


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
        channels = self.input_shape[0]
        if not self.mean:
            object.__setattr__(self, "mean", (0.5,) * channels)
            object.__setattr__(self, "std", (0.5,) * channels)
        if not self.classes:
            linear = [m for m in self.module.modules() if isinstance(m, nn.Linear)]
            object.__setattr__(self, "classes", linear[-1].out_features if linear else 0)
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
        return (pixels - mean) / std

    def with_module(self, module: nn.Module, **changes: Any) -> Model:
        """The same network with other weights; the digest is worked out again."""
        return replace(self, module=module, digest="", **changes)


def digest_of(module: nn.Module) -> str:
    """SHA-256 over the names, types, shapes and bytes of the state, shortened to 16 digits."""
    state = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        state.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)};".encode())
        array = tensor.detach().cpu().contiguous().numpy()
        state.update(array.reshape(-1).view(np.uint8).data)
    return state.hexdigest()[:16]
