"""A network out of the caller's own code, named on the command line; the app never does this."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

from torch import nn

from sfp_viz.errors import ModelError
from sfp_viz.nets.exported.from_module import as_exported
from sfp_viz.nets.io.state_dict import read_state
from sfp_viz.nets.model import Model
from sfp_viz.nets.zoo import build

_LIBRARIES = ("torchvision", "timm")  # 'torchvision:resnet18' names an architecture


def is_factory(name: str) -> bool:
    """Whether a name is one of own code: 'package.module:factory'."""
    module, _, factory = name.partition(":")
    words = r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*"
    parts = re.fullmatch(words, module) and re.fullmatch(words, factory)
    return bool(parts) and module not in _LIBRARIES


def model_from_factory(
    name: str, *, weights: Path | None = None, input_shape: tuple[int, int, int]
) -> Model:
    """The network that own code builds, written down by torch.export. This runs the code.

    Args:
        name: 'package.module:factory'; the module is looked for in the current folder too. The
            factory is a function or class that is called without arguments, or a module.
        weights: A state dict for it.
        input_shape: (channels, height, width) of its images.

    Raises:
        ModelError: The code, the weights or the export fail.
    """
    path, _, factory = name.partition(":")
    sys.path.insert(0, str(Path.cwd()))
    try:
        target: object = importlib.import_module(path)
        for word in factory.split("."):
            target = getattr(target, word)
        module = target if isinstance(target, nn.Module) else target()  # type: ignore[operator]
    except Exception as problem:  # own code may raise anything
        raise ModelError(
            f"'{name}' cannot be built: {type(problem).__name__}: {str(problem)[:300]}. Name a "
            "function or class that is called without arguments, as package.module:factory."
        ) from problem
    finally:
        sys.path.remove(str(Path.cwd()))
    if not isinstance(module, nn.Module):
        raise ModelError(f"'{name}' gives a {type(module).__name__}, not a torch.nn.Module.")
    if weights is not None:
        _load(module, weights)
    classes = build.count_classes(module.cpu().eval(), input_shape)
    title = factory.rpartition(".")[2]
    model = Model(module, name=title, input_shape=input_shape, classes=classes)
    return as_exported(model)


def _load(module: nn.Module, weights: Path) -> None:
    """Load a state dict strictly; what is missing or unexpected is named."""
    state, own = read_state(weights), module.state_dict()
    missing = [n for n in own if n not in state and not n.endswith("num_batches_tracked")]
    unexpected = [n for n in state if n not in own]
    other = [n for n in own if n in state and own[n].shape != state[n].shape]
    listed = [
        f"{word}: {', '.join(names[:3])}{' ...' if len(names) > 3 else ''}"
        for word, names in (("missing", missing), ("unexpected", unexpected), ("shape", other))
        if names
    ]
    if listed:
        raise ModelError(
            f"The weights in {weights.name} are not of this network ({'; '.join(listed)}). Give "
            "the file that was saved from it."
        )
    module.load_state_dict({**{n: own[n] for n in own if n not in state}, **state})
