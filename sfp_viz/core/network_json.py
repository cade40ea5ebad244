"""A reading as versioned JSON, without its weights, so that it opens without torch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, get_args

import numpy as np

from sfp_viz.core.json_format import format_json, read_json, reading
from sfp_viz.core.network import (
    Along,
    Cause,
    CauseKind,
    ConvLayer,
    CostTerm,
    FilterGroup,
    Network,
    Width,
    filters_first,
)
from sfp_viz.errors import ModelError

FORMAT = 1
# 1: convolutions alone; 2: hidden linear layers too; 3: and which those are; 4: the filters of
# transposed convolutions; 5: channels through views, buffers, norms by group, uneven groups
COVERS = 5
_NOW_FOLLOWED = (  # causes of COVERS 4 that the present tracer may do without
    "rearranged", "misaligned", "untraceable_network", "trial_cut", "joint_norm", "conv_groups",
    "single_unit", "text",
)  # fmt: skip
_MOST = 64_000_000  # characters; the reading of a ResNet-152 has about two million


def network_to_json(network: Network) -> str:
    """The reading as JSON: all but the weights, whose shapes it keeps; keys sorted.

    BatchNorm scales stay in the text, as the shortest decimals that give the same float32 back;
    what goes along with the groups is rounded to 7 digits.
    """
    value = {
        "covers": COVERS,
        "name": network.name,
        "digest": network.digest,
        "input_shape": list(network.input_shape),
        "classes": network.classes,
        "data": network.data,
        "layers": [_layer_entry(layer) for layer in network.layers],
        "groups": [_group_entry(group) for group in network.groups],
        "terms": [_term_entry(term) for term in network.terms],
        "along": {name: _along_entry(along) for name, along in network.along.items()},
    }
    if network.outputs:
        value["outputs"] = [[name, list(shape)] for name, shape in network.outputs]
    if network.only_other_norms:
        value["only_other_norms"] = True
    return format_json(value, FORMAT, indent=None)


def covers_all(text: str) -> bool:
    """Whether a reading was made by a version that met every layer this one meets."""
    if '"along"' not in text:
        return False
    if '"covers": 4,' in text:
        return not any(f'"kind": "{kind}"' in text for kind in _NOW_FOLLOWED)
    return f'"covers": {COVERS},' in text


def network_from_json(text: str, weights: Mapping[str, np.ndarray]) -> Network:
    """Put a reading and its weights together again.

    Args:
        text: What ``network_to_json`` wrote.
        weights: Arrays as torch stores them, by their names in a state dict
            ('layer1.0.conv1.weight', or the path of the layer alone); other names are ignored,
            other float types become float32.

    Raises:
        ModelError: The text is no reading, or an array is missing or of another shape.
    """
    value = read_json(text, "reading", FORMAT, most=_MOST, error=ModelError)
    with reading("reading", error=ModelError, hint="Read the model again."):
        network = Network(
            name=str(value["name"]),
            digest=str(value["digest"]),
            input_shape=_triple(value["input_shape"]),
            layers=tuple(_layer(entry, weights) for entry in value["layers"]),
            groups=tuple(_group(entry) for entry in value["groups"]),
            terms=tuple(_term(entry) for entry in value["terms"]),
            classes=int(value["classes"]),
            data=str(value["data"]),
            along=_along(value.get("along", {}), value["groups"]),
            outputs=tuple(
                (str(name), tuple(int(n) for n in shape))
                for name, shape in value.get("outputs", ())
            ),
            only_other_norms=bool(value.get("only_other_norms", False)),
        )
    _check(network)
    return network


def _check(network: Network) -> None:
    """Every name that a group or a term uses must exist."""
    layers = {layer.name for layer in network.layers}
    groups = {group.name for group in network.groups}
    for group in network.groups:
        unknown = set(group.layers) - layers
        if unknown or group.size < 1 or group.repeats < 1 or not group.layers:
            raise ModelError(
                f"The reading's group '{group.name}' is incomplete. Read the model again."
            )
    for term in network.terms:
        for name, _ in (*term.outs, *term.ins, *term.conv_groups):
            if name and name not in groups:
                raise ModelError(
                    f"The reading counts a group '{name}' that it does not list. "
                    "Read the model again."
                )


def _layer_entry(layer: ConvLayer) -> dict[str, Any]:
    return {
        "name": layer.name,
        "shape": list(layer.weight.shape),
        "stride": list(layer.stride),
        "conv_groups": layer.conv_groups,
        "output_size": list(layer.output_size),
        "scale": _numbers(layer.scale),
        "bn_scale": _numbers(layer.bn_scale),
        "neurons": layer.neurons,
        "transposed": layer.transposed,
    }


def _layer(entry: Mapping[str, Any], weights: Mapping[str, np.ndarray]) -> ConvLayer:
    name, shape = str(entry["name"]), tuple(int(n) for n in entry["shape"])
    weight = weights.get(f"{name}.weight", weights.get(name))
    if weight is None:
        raise ModelError(f"The weights of the layer '{name}' are missing.")
    if weight.ndim == 2:  # a linear layer applied at every position: a 1x1 convolution
        weight = weight[:, :, None, None]
    transposed, conv_groups = bool(entry.get("transposed", False)), int(entry["conv_groups"])
    if transposed and weight.ndim == 4:
        weight = filters_first(weight, conv_groups)
    if tuple(weight.shape) != shape or len(shape) != 4:
        raise ModelError(
            f"The weights of the layer '{name}' are {tuple(weight.shape)}; the reading says "
            f"{shape}."
        )
    return ConvLayer(
        name=name,
        weight=np.array(weight, dtype=np.float32),  # a copy: ours is made read-only
        stride=_pair(entry["stride"]),
        conv_groups=conv_groups,
        output_size=_pair(entry["output_size"]),
        scale=_array(entry["scale"], shape[0]),
        bn_scale=_array(entry["bn_scale"], shape[0]),
        neurons=bool(entry.get("neurons", False)),
        transposed=transposed,
    )


def _group_entry(group: FilterGroup) -> dict[str, Any]:
    return {
        "name": group.name,
        "layers": list(group.layers),
        "size": group.size,
        "protected": group.protected,
        "cause": _cause_entry(group.cause),
        "repeats": group.repeats,
        "followers": list(group.followers),
        **({"spans": {n: list(units) for n, units in group.spans}} if group.spans else {}),
    }


def _group(entry: Mapping[str, Any]) -> FilterGroup:
    return FilterGroup(
        name=str(entry["name"]),
        layers=tuple(str(name) for name in entry["layers"]),
        size=int(entry["size"]),
        protected=bool(entry["protected"]),
        cause=_cause(entry["cause"]) if "cause" in entry else _cause_of_sentence(entry["why"]),
        repeats=int(entry["repeats"]),
        followers=tuple(str(name) for name in entry["followers"]),
        spans=tuple(
            (str(name), tuple(int(unit) for unit in units))
            for name, units in entry.get("spans", {}).items()
        ),
    )


def _cause_entry(cause: Cause | None) -> dict[str, Any] | None:
    if cause is None:
        return None
    return {name: value for name, value in asdict(cause).items() if value}


def _cause(value: Mapping[str, Any] | None) -> Cause | None:
    if value is None:
        return None
    kinds = {name: name for name in get_args(CauseKind)}
    return Cause(
        kinds[value["kind"]],
        operation=str(value.get("operation", "")),
        place=str(value.get("place", "")),
        channels=int(value.get("channels", 0)),
        conv_groups=int(value.get("conv_groups", 0)),
        text=str(value.get("text", "")),
    )


# Version 0.1 kept causes as sentences, under "why". These are its sentences.
_SENTENCES: Mapping[str, Cause] = {
    "Its filters are the outputs of the network, so their number is fixed.": Cause(
        "network_output"
    ),
    "It cannot be traced: its channels are rearranged on their way, so whole filters cannot be "
    "followed.": Cause("misaligned"),
    "It has a single unit, which has to stay.": Cause("single_unit"),
    "Cutting it on a trial copy changed more than its own channels (they are moved or mixed on "
    "their way), so it stays whole.": Cause("trial_cut"),
    "The tracer did not meet this layer, so it stays whole.": Cause("untraced_layer"),
}
_PLACE = r"(?:'(?P<place>.*)'|the top of the network)"
_PATTERNS: tuple[tuple[CauseKind, str], ...] = (
    ("residual_add", "Tied by a residual add with .*"),
    ("product", "Tied by a product with .*"),
    ("shared_channels", "Tied by a shared channels with .*"),
    (
        "joint_norm",
        r"(?P<operation>\w+) '(?P<place>.*)' normalizes its channels together, so cutting one "
        "would change all the others.",
    ),
    (
        "transposed_conv_groups",
        r"It cannot be traced: the (?P<conv_groups>\d+) conv_groups of the transposed convolution "
        "'(?P<place>.*)' are not followed.",
    ),
    (
        "shared_parameters",
        "The parameters of '(?P<place>.*)' are also those of another layer, so cutting one would "
        "cut both.",
    ),
    (
        "coupled_module",
        r"It is tied to (?P<operation>\w+) '(?P<place>.*)', which is not cut here.",
    ),
    (
        "rearranged",
        "It cannot be traced: its channels are padded with zero channels "
        rf"\((?P<operation>.+) at {_PLACE}\), which shifts those that would have to go together, "
        "so it stays whole.",
    ),
    (
        "rearranged",
        rf"It cannot be traced: (?P<operation>.+) at {_PLACE} moves or mixes its channels on their "
        "way, so it stays whole.",
    ),
    (
        "misaligned",
        "It cannot be traced: at '(?P<place>.*)' its channels do not line up with whole filters.",
    ),
    (
        "conv_groups",
        r"Its (?P<channels>\d+) channels cannot go one by one: they lie in the "
        r"(?P<conv_groups>\d+) conv_groups of '(?P<place>.*)', which stay alike.",
    ),
    (
        "narrow_input",
        "It starts with the layer that reads the image, which has only "
        r"(?P<channels>\d+) filters.",
    ),
    (
        "untraceable_network",
        "This network can be explored but not cut; it cannot be traced: "
        rf"(?P<operation>.+) at {_PLACE} moves or mixes channels.",
    ),
    (
        "untraceable_network",
        "This network can be explored but not cut[;:] (?:it cannot be traced: )?(?P<text>.*).",
    ),
)
_OPERATIONS = {
    "slicing": "slice",
    "padding": "pad",
    "a matrix product": "matmul",
    "concatenation": "cat",
}


def _cause_of_sentence(sentence: Any) -> Cause | None:
    """The cause that a sentence of version 0.1 gives; kind 'text' where it is none of them."""
    if not sentence:
        return None
    if known := _SENTENCES.get(str(sentence)):
        return known
    for kind, pattern in _PATTERNS:
        if match := re.fullmatch(pattern, str(sentence)):
            texts = {name: text for name, text in match.groupdict().items() if text}
            if operation := texts.get("operation"):
                texts["operation"] = _OPERATIONS.get(operation, operation)
            return _cause({"kind": kind, **texts})
    return Cause("text", text=str(sentence))


def _term_entry(term: CostTerm) -> dict[str, Any]:
    return {
        "owner": term.owner,
        "macs": term.macs,
        "params": term.params,
        "bias": term.bias,
        "outs": [list(pair) for pair in term.outs],
        "ins": [list(pair) for pair in term.ins],
        "conv_groups": [list(pair) for pair in term.conv_groups],
        "map_size": term.map_size,
        "in_map_size": term.in_map_size,
    }


def _term(entry: Mapping[str, Any]) -> CostTerm:
    return CostTerm(
        owner=str(entry["owner"]),
        macs=int(entry["macs"]),
        params=int(entry["params"]),
        bias=int(entry["bias"]),
        outs=_width(entry["outs"]),
        ins=_width(entry["ins"]),
        conv_groups=_width(entry["conv_groups"]),
        map_size=int(entry["map_size"]),
        in_map_size=int(entry["in_map_size"]),
    )


def _along_entry(along: Along) -> dict[str, Any]:
    return {"parts": along.parts, "squares": [float(f"{x:.7g}") for x in along.squares]}


def _along(value: Mapping[str, Any], groups: Any) -> dict[str, Along]:
    """What goes along with each group; readings of older versions say nothing of it."""
    sizes = {str(entry["name"]): int(entry["size"]) for entry in groups}
    along = {}
    for name, entry in value.items():
        squares = np.array(entry["squares"], dtype=np.float64)
        if squares.shape != (sizes[name],) or not np.isfinite(squares).all():
            raise ValueError(f"weights along with '{name}' that are not one for each unit")
        along[str(name)] = Along(squares, int(entry["parts"]))
    return along


def _width(value: Any) -> Width:
    return Width((str(name), int(factor)) for name, factor in value)


def _pair(value: Any) -> tuple[int, int]:
    first, second = value
    return int(first), int(second)


def _triple(value: Any) -> tuple[int, int, int]:
    channels, height, width = value
    return int(channels), int(height), int(width)


def _numbers(array: np.ndarray | None) -> list[float] | None:
    return None if array is None else [float(str(x)) for x in array.astype(np.float32)]


def _array(values: Any, length: int) -> np.ndarray | None:
    if values is None:
        return None
    array = np.array(values, dtype=np.float32)
    if array.shape != (length,):
        raise ValueError(f"a scale of {array.shape}, not of {length} filters")
    return array
