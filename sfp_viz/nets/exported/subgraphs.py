"""Parts of a network that torch.export wraps in a graph of their own, put back among the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sfp_viz.errors import ModelError

# under ``torch.no_grad`` and ``torch.autocast``: how many arguments come before the graph
WRAPPERS = {"wrap_with_set_grad_enabled": 1, "wrap_with_autocast": 4}
_DEEP = 8


def wrapper_of(node: Mapping[str, Any]) -> str:
    """Which of ``WRAPPERS`` a node is; '' for an operation."""
    name = str(node["target"]).removeprefix("torch.ops.higher_order.")
    return name if name in WRAPPERS else ""


def inlined(graph: Mapping[str, Any], depth: int = 0) -> tuple[list[Any], dict[str, Any]]:
    """The nodes of a graph with those of its wrapped parts in their place, and the facts about all
    values by name. Values in a part are named 'PART/NAME'.

    Args:
        graph: A graph of the program's JSON.
        depth: How deeply it is nested in others.

    Raises:
        ModelError: Parts are nested too deeply, or return what they were given.
    """
    if depth > _DEEP:
        raise ModelError("The network has contexts inside contexts, more than can be followed.")
    nodes: list[Any] = []
    facts = dict(graph["tensor_values"])
    for at, node in enumerate(graph["nodes"]):
        kind = wrapper_of(node)
        if not kind:
            nodes.append(node)
            continue
        arguments = [entry["arg"] for entry in node["inputs"]]
        part = arguments[WRAPPERS[kind]]["as_graph"]["graph"]
        inner, values = inlined(part, depth + 1)
        names = {
            _name(own): _name(outer)
            for own, outer in zip(part["inputs"], arguments[WRAPPERS[kind] + 1 :], strict=True)
        }
        for own, outer in zip(part["outputs"], node["outputs"], strict=True):
            if _name(own) in names:
                raise ModelError(
                    f"The network returns '{_name(own)[:80]}' out of a context as it went in, "
                    "which cannot be followed. Export the network without that context."
                )
            names[_name(own)] = _name(outer)
        prefix = f"{node.get('name') or at}/"
        for value in values:
            names.setdefault(value, prefix + value)
        nodes += [_renamed_node(step, names, prefix) for step in inner]
        facts = {**{names[name]: entry for name, entry in values.items()}, **facts}
    return nodes, facts


def _name(argument: Mapping[str, Any]) -> str:
    ((_, value),) = argument.items()
    if not isinstance(value, Mapping):
        raise ModelError("The network hands a list to a context, which cannot be followed.")
    return str(value["name"] if "name" in value else value["as_name"])


def _renamed_node(node: Mapping[str, Any], names: dict[str, str], prefix: str) -> dict[str, Any]:
    return {
        **node,
        "inputs": [{**entry, "arg": _renamed(entry["arg"], names, prefix)}
                   for entry in node["inputs"]],
        "outputs": [_renamed(output, names, prefix) for output in node["outputs"]],
    }  # fmt: skip


def _renamed(content: Any, names: dict[str, str], prefix: str) -> Any:
    """An argument with its values under their new names."""
    if isinstance(content, list):
        return [_renamed(item, names, prefix) for item in content]
    if not isinstance(content, Mapping):
        return content
    return {
        key: names.setdefault(value, prefix + value)
        if key in ("name", "as_name") and isinstance(value, str)
        else _renamed(value, names, prefix)
        for key, value in content.items()
    }
