"""Our own file: weights and everything needed to build their network again, as safetensors.

The header's entry 'sfp_viz' is one JSON text: format number, architecture and arguments, input
shape, preprocessing, digests, the chain of plans, added biases, the conv_groups of cut layers, and
how the network was put together from somebody's file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sfp_viz.core.json_format import MALFORMED
from sfp_viz.core.plan.plan import plan_from_json, plan_to_json
from sfp_viz.errors import ModelError
from sfp_viz.files import write_bytes

if TYPE_CHECKING:
    from sfp_viz.nets.model import Model, Source

FORMAT = 1
ENTRY = "sfp_viz"
MOST_BYTES = 1_000_000_000
_MOST_PLANS = 100


def save_model(model: Model, path: str | Path) -> None:
    """Write ``model`` to one safetensors file; the whole file appears at once. A network of the
    caller's own code is written down with torch.export.

    Args:
        model: The network.
        path: The file; its folder is made.

    Raises:
        ModelError: The network is no longer what its architecture builds, torch.export cannot
            follow the caller's code, or the file cannot be written.
    """
    from sfp_viz.nets.model import check_model

    check_model(model)
    path = Path(path)
    content = model_bytes(model)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, content, durable=False)
    except OSError as problem:
        raise ModelError(
            f"The file {path} cannot be written: {problem}. Choose another folder."
        ) from problem


def model_bytes(model: Model) -> bytes:
    """What ``save_model`` writes, for a download. Raises ModelError as it does."""
    import torch
    from safetensors.torch import load, save

    from sfp_viz.nets.exported.from_module import as_exported

    if model.architecture is None:
        model = as_exported(model)
    state = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in model.module.state_dict().items()
    }
    _check_names(model, state)
    header = header_of(model)
    content = save(state, metadata={ENTRY: header})
    try:
        again = _rebuilt(load(content), json.loads(header), model.name)
    except ModelError as problem:
        raise ModelError(
            f"The network '{model.name}' was not saved, because its file could not be opened "
            f"again: {problem} Keep module.state_dict() with your own code."
        ) from problem
    if again.digest != model.digest:
        raise ModelError(
            f"The network '{model.name}' was not saved, because its weights are no longer those "
            f"it was made with (digest {again.digest}, not {model.digest}). Make a new one of it: "
            "model.with_module(module)."
        )
    return content


def _check_names(model: Model, state: Mapping[str, Any]) -> None:
    """ModelError when the architecture has other entries than the network."""
    from sfp_viz.nets.zoo.bare_weights import BARE
    from sfp_viz.nets.zoo.build import layout

    if model.architecture is None or model.architecture == BARE:
        return
    known = {*layout(model.architecture, model.arguments).state_dict(), *model.added_biases}
    if differences := sorted(known ^ set(state)):
        raise ModelError(
            f"The network '{model.name}' is no longer what '{model.architecture}' builds: "
            f"only one of them has '{differences[0]}', so its file could not be opened again. Keep "
            "module.state_dict() with your own code."
        )


def model_facts(model: Model) -> dict[str, Any]:
    """What a file or card says of ``model`` itself, as plain values."""
    return {
        "name": model.name,
        "architecture": model.architecture,
        "arguments": dict(model.arguments),
        "input_shape": list(model.input_shape),
        "mean": list(model.mean),
        "std": list(model.std),
        "classes": model.classes,
        "data": model.data,
        "digest": model.digest,
    }


def header_of(model: Model) -> str:
    """The header's JSON text."""
    from sfp_viz.nets.model import Source

    history: dict[str, Any] = {
        "format": FORMAT,
        "base_digest": model.base_digest,
        "plans": [json.loads(plan_to_json(plan)) for plan in model.plans],
        "added_biases": list(model.added_biases),
    }
    if groups := _changed_groups(model):
        history["conv_groups"] = groups
    if model.source != Source():
        history["source"] = asdict(model.source)
    return json.dumps(model_facts(model) | history, sort_keys=True)


def _changed_groups(model: Model) -> dict[str, int]:
    """torch's ``groups`` of cut convolutions, by name, where shapes alone tell others."""

    from sfp_viz.nets.zoo.bare_weights import BARE
    from sfp_viz.nets.zoo.build import groups_by_shape, layout

    if not model.plans or not model.architecture or model.architecture == BARE:
        return {}
    whole: dict[str, Any] = dict(layout(model.architecture, model.arguments).named_modules())
    return {
        name: layer.groups
        for name, layer in model.module.named_modules()
        if hasattr(layer, "groups")
        and hasattr(layer, "in_channels") and name in whole
        and layer.groups != groups_by_shape(whole[name], len(layer.weight))  # type: ignore[arg-type]
    }  # type: ignore[return-value]  # fmt: skip


def read_header(path: str | Path) -> dict[str, Any]:
    """Our header of a safetensors file; empty for a file that is not ours. Loads no torch.

    Raises:
        ModelError: It is no safetensors file, larger than 1 GB, or of a newer format.
    """
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    check_size(path)
    try:
        with safe_open(path, framework="numpy") as file:
            text = (file.metadata() or {}).get(ENTRY)
        header = json.loads(text) if text else {}
    except (SafetensorError, OSError, ValueError, RecursionError) as problem:
        raise ModelError(
            f"The file {path.name} cannot be read as safetensors: {problem}. It may be incomplete "
            "or of another kind. Copy or download it again."
        ) from problem
    if header and (not isinstance(header, dict) or header.get("format") != FORMAT):
        raise ModelError(
            f"The header of the file {path.name} is not of format {FORMAT}; it may come from a "
            "newer version of sfp-viz. Update sfp-viz to open it."
        )
    return header


def load_saved(path: str | Path) -> Model:
    """Open a file written by ``save_model``: build, replay the widths, load strictly, try it.

    Raises:
        ModelError: The file is damaged or not ours, or its weights do not fit.
    """
    path = Path(path)
    header = read_header(path)
    if not header:
        raise ModelError(
            f"The file {path.name} was not written by sfp-viz: its header names no architecture. "
            "Open it with load_model(path, architecture=...)."
        )
    from safetensors.torch import load_file

    model = _rebuilt(load_file(path), header, path.name)
    if model.digest != header.get("digest"):
        raise ModelError(
            f"The weights in {path.name} changed after it was written (digest {model.digest}, "
            f"header {header.get('digest')}). Copy or download it again."
        )
    return model


def _rebuilt(state: Mapping[str, Any], header: Mapping[str, Any], name: str) -> Model:
    """The network of a file's weights and header; ``name`` is the file's, for messages."""
    from sfp_viz.nets.model import Model
    from sfp_viz.nets.zoo import build
    from sfp_viz.nets.zoo.bare_weights import BARE, BareWeights

    facts = facts_of(header, name)
    if facts["architecture"] == BARE:
        reason = " ".join(facts["source"].assumptions)
        return Model(BareWeights(state, reason), **facts)
    shapes = {entry: tuple(tensor.shape) for entry, tensor in state.items()}
    module = build.build(facts["architecture"], facts["arguments"])
    build.resize(module, shapes, facts["added_biases"], _groups(header, name))
    build.load_weights(module, state, name)
    classes = build.count_classes(module, facts["input_shape"])
    return Model(module, **{**facts, "classes": classes})


def _groups(header: Mapping[str, Any], name: str) -> dict[str, int]:
    """The conv_groups in a header."""
    try:
        return {str(layer): int(count) for layer, count in header.get("conv_groups", {}).items()}
    except MALFORMED as problem:
        raise ModelError(f"The conv_groups in the header of {name} are wrong.") from problem


def check_size(path: Path) -> None:
    """ModelError when there is no such file, or it is empty or larger than 1 GB."""
    if not path.is_file():
        raise ModelError(f"There is no file {path}. Check the name and the folder.")
    size = path.stat().st_size
    if size == 0:
        raise ModelError(f"The file {path.name} is empty. Copy or download it again.")
    if size > MOST_BYTES:
        raise ModelError(
            f"The file {path.name} has {size / 1e9:.1f} GB, and at most 1 GB is opened. Use a "
            "smaller network."
        )


def facts_of(header: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The header's entries as arguments of Model, each of the type that Model wants.

    Args:
        header: The header of a safetensors file.
        name: What messages call the file.
    """
    try:
        channels, height, width = (int(n) for n in header["input_shape"])
        mean, std = (tuple(float(x) for x in header[key]) for key in ("mean", "std"))
        plans = list(header["plans"])
        if not len(mean) == len(std) == channels or min(std) <= 0 or len(plans) > _MOST_PLANS:
            raise ValueError("mean, std or plans")
        return {
            "name": _word(header["name"]),
            "architecture": _word(header["architecture"]),
            "arguments": dict(header["arguments"]),
            "input_shape": (channels, height, width),
            "mean": mean,
            "std": std,
            "data": _word(header["data"]),
            "base_digest": _word(header["base_digest"]),
            "plans": tuple(plan_from_json(json.dumps(plan)) for plan in plans),
            "added_biases": tuple(str(bias) for bias in header["added_biases"]),
            "source": _source(header.get("source") or {}),
        }
    except MALFORMED as problem:
        raise ModelError(
            f"The header of {name} is incomplete or wrong: {problem!r}. Save the network again."
        ) from problem


def _source(entries: Mapping[str, Any]) -> Source:
    """How a network was put together from somebody's file."""
    from sfp_viz.nets.model import Source

    return Source(
        keys=tuple((_word(old), _word(new)) for old, new in entries.get("keys", ())),
        left_out=tuple(_word(key) for key in entries.get("left_out", ())),
        assumptions=tuple(_word(text, 1000) for text in entries.get("assumptions", ())),
        known=bool(entries.get("known", True)),
        nearest=_word(entries.get("nearest", "")),
        differences=tuple((_word(k), _word(what)) for k, what in entries.get("differences", ())),
    )


def _word(value: Any, most: int = 200) -> str:
    """A text out of a stranger's file: what can be printed on one line, ``most`` characters."""
    return "".join(letter for letter in str(value)[:most] if letter.isprintable())
