"""What is known of each layer, as node data for Google's Model Explorer."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from sfp_viz.core.cost.cost import cost_of_widths
from sfp_viz.core.network import Network
from sfp_viz.core.redundancy.dispersion import group_dispersion
from sfp_viz.errors import ModelError
from sfp_viz.files import write_text
from sfp_viz.nets.export.onnx_file import as_model_error
from sfp_viz.nets.exported.from_module import export_program
from sfp_viz.nets.model import Model, check_model
from sfp_viz.nets.stripes.striped_model import dense_twin
from sfp_viz.nets.tracing.read_network import read_network

QUANTITIES = ("kept_share", "redundancy", "macs")
GRAPH = "graph"  # the name that Model Explorer gives the graph of a .pt2 file
_LOW, _HIGH = "#ffffff", "#2a9d8f"


@dataclass(frozen=True)
class NodeData:
    """Values of the layers of a network, for its graph as a .pt2 file.

    Attributes:
        nodes: Names of the nodes of each layer in the .pt2 file's graph, by layer.
        values: For each of ``QUANTITIES`` the value of each layer that has one.
    """

    nodes: Mapping[str, tuple[str, ...]]
    values: Mapping[str, Mapping[str, float]]

    def to_json(self, quantity: str) -> str:
        """One quantity in Model Explorer's format for custom node data: for each graph by name,
        'results' (the value of each node) and 'gradient' (its colors from the least value, 0, to
        the greatest, 1).

        Args:
            quantity: One of ``QUANTITIES``.
        """
        results = {
            node: {"value": value}
            for layer, value in self.values[quantity].items()
            for node in self.nodes.get(layer, ())
        }
        gradient = [{"stop": 0, "bgColor": _LOW}, {"stop": 1, "bgColor": _HIGH}]
        return json.dumps({GRAPH: {"results": results, "gradient": gradient}}, indent=1)


def node_data(model: Model) -> NodeData:
    """The kept share, redundancy and MACs of each layer of ``model``.

    Kept share: filters of the layer as a share of those that it had before all prunings.
    Redundancy: 1 - Kernel Dispersion of its group, 0..1; 1 where all filters are duplicates. MACs:
    of one image.

    Args:
        model: The network; layers that leave stripes out count as plain ones.

    Raises:
        ModelError: The network cannot be exported as a .pt2 program.
    """
    plain = dense_twin(model)
    network = read_network(plain)
    return NodeData(
        _nodes(plain),
        {
            "kept_share": _kept_shares(model, network),
            "redundancy": _redundancies(network),
            "macs": _macs(network),
        },
    )


def export_node_data(model: Model, folder: str | Path) -> tuple[Path, ...]:
    """Write one JSON file for each of ``QUANTITIES``, for the .pt2 file of ``model`` in Model
    Explorer; returns the files.

    Args:
        model: The network.
        folder: Where to write; it is made.

    Raises:
        ModelError: As for ``node_data``, or the files cannot be written.
    """
    check_model(model)
    data, files = node_data(model), []
    for quantity in QUANTITIES:
        files.append(Path(folder) / f"{quantity}.json")
        try:
            write_text(files[-1], data.to_json(quantity), durable=False, parents=True)
        except OSError as problem:
            raise ModelError(f"The file {files[-1]} cannot be written: {problem}.") from problem
    return tuple(files)


def _nodes(model: Model) -> dict[str, tuple[str, ...]]:
    """The nodes that read the weight of each layer, by layer."""
    with as_model_error(model, "torch.export"):
        program = export_program(model.module, model.input_shape)
    weights = {
        argument: name.removesuffix(".weight")
        for argument, name in program.graph_signature.inputs_to_parameters.items()
        if name.endswith(".weight")
    }
    nodes: dict[str, tuple[str, ...]] = {}
    for node in program.graph.nodes:
        for source in node.all_input_nodes:
            if layer := weights.get(source.name):
                nodes[layer] = (*nodes.get(layer, ()), node.name)
    return nodes


def _kept_shares(model: Model, network: Network) -> dict[str, float]:
    removed: Counter[str] = Counter()
    for plan in model.plans:
        for removal in plan.removals:
            removed[removal.group] += len(removal.filters)
    return {
        layer: group.size / (group.size + removed[group.name])
        for group in network.groups
        for layer in (*group.layers, *group.followers)
    }


def _redundancies(network: Network) -> dict[str, float]:
    values = {}
    for group in network.groups:
        redundancy = 1 - group_dispersion(network, group)
        values |= dict.fromkeys(group.layers, redundancy)
    return values


def _macs(network: Network) -> dict[str, float]:
    terms: dict[str, list] = {}
    for term in network.terms:
        terms.setdefault(term.owner, []).append(term)
    macs = {
        name: cost_of_widths(replace(network, terms=tuple(own)), {}).macs
        for name, own in terms.items()
    }
    return {name: count for name, count in macs.items() if count}
