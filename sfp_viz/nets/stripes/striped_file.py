"""Files of networks that leave dead stripes out: the plain twin, and how each layer runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torch import nn

from sfp_viz.errors import ModelError
from sfp_viz.files import write_bytes
from sfp_viz.nets.forward import copy_module
from sfp_viz.nets.io.model_file import ENTRY as HEADER
from sfp_viz.nets.io.model_file import header_of, load_saved, model_bytes, save_model
from sfp_viz.nets.model import Model
from sfp_viz.nets.stripes.striped_model import (
    can_leave_out_stripes,
    cropped_layers,
    dense_twin,
    replace_layer,
    stripe_layers,
    with_cropped_window,
    with_skipped_stripes,
)

ENTRY = "sfp_viz_stripes"
FORMAT = 2  # 1 knew no smaller windows


def save_striped(model: Model, path: str | Path) -> None:
    """Write the dense twin as safetensors, with the names of the layers that skip stripes, and of
    those with a smaller window.

    ``load_model`` opens it as the plain network with zeros, ``load_striped`` as it is.

    Args:
        model: The network.
        path: The file; its folder is made.

    Raises:
        ModelError: As for ``save_model``.
    """
    from safetensors.torch import load, save

    path = Path(path)
    dense = dense_twin(model)
    entry = {"format": FORMAT, "layers": stripe_layers(model), "smaller": cropped_layers(model)}
    metadata = {HEADER: header_of(dense), ENTRY: json.dumps(entry)}
    content = save(load(model_bytes(dense)), metadata=metadata)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, content, durable=False)
    except OSError as problem:
        raise ModelError(
            f"The file {path} cannot be written: {problem}. Choose another folder."
        ) from problem


def save_as_it_runs(model: Model, path: str | Path) -> None:
    """Write a network, with how its layers leave stripes out where any do.

    Args:
        model: The network.
        path: The file; its folder is made.

    Raises:
        ModelError: As for ``save_model``.
    """
    changed_layers = stripe_layers(model) + cropped_layers(model)
    (save_striped if changed_layers else save_model)(model, path)


def load_striped(path: str | Path) -> Model:
    """Open a file of ``save_striped`` with the layers that leave stripes out as they were.

    Raises:
        ModelError: The file is damaged, or names layers that its network does not have.
    """
    from safetensors import safe_open

    model = load_saved(path)
    with safe_open(path, framework="numpy") as file:
        text = (file.metadata() or {}).get(ENTRY, "")
    skip, smaller = _layer_names(text, Path(path).name) if text else ((), ())
    module = copy_module(model.module)
    layers = dict(module.named_modules())
    for name in (*skip, *smaller):
        conv, layer = layers.get(name), None
        if type(conv) is nn.Conv2d and can_leave_out_stripes(conv):
            layer = with_cropped_window(conv) if name in smaller else with_skipped_stripes(conv)
        if layer is None:
            raise ModelError(
                f"The file {Path(path).name} lists a layer '{name[:100]}' with stripes that its "
                "network does not have. Save the network again."
            )
        replace_layer(module, name, layer)
    return model.with_module(module, base_digest=model.base_digest)


def _layer_names(text: str, file: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the layers that skip stripes, and of those with a smaller window."""
    try:
        entry = json.loads(text)
        if entry["format"] not in (1, FORMAT):
            raise ValueError("format")
        lists: list[list[Any]] = [entry["layers"], entry["smaller"] if entry["format"] > 1 else []]
        skip, smaller = (tuple(str(name) for name in names) for names in lists)
    except (ValueError, KeyError, TypeError, RecursionError) as problem:
        raise ModelError(
            f"The list of stripes in the file {file} cannot be read; it may come from a newer "
            "version of sfp-viz. Open it with load_model, as a plain network with zeros in place "
            "of its dead stripes."
        ) from problem
    return skip, smaller
