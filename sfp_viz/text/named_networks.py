"""Networks by name in words: what torchvision and timm state of them."""

from __future__ import annotations

from sfp_viz.core.named_network import NamedNetwork, PublishedWeights
from sfp_viz.text.numbers import count


def label(network: NamedNetwork) -> str:
    """Its name, with params and published accuracy where they are stated."""
    return ", ".join(filter(None, (network.name, _params(network), _accuracy(network))))


def facts(network: NamedNetwork) -> str:
    """What it is for, its params, images and published accuracy, in sentences."""
    library = network.name.partition(":")[0]
    shape = " × ".join(str(size) for size in network.input_shape)
    accuracy, params = _accuracy(network), _params(network)
    sentences = [f"{network.task.capitalize()}, images of {shape}{', ' * bool(params)}{params}."]
    if accuracy:
        sentences.append(f"{accuracy}, as published by {library}.")
    if not params:
        sentences.append(f"{library} does not state its params and accuracy.")
    if not network.weights:
        sentences.append("There are no trained weights.")
    return " ".join(sentences)


def weights_label(weights: PublishedWeights) -> str:
    """A set of trained weights: name, published accuracy, size and license, where stated."""
    size = f"{weights.megabytes:.0f} MB" if weights.megabytes else ""
    return ", ".join(filter(None, (weights.name, weights.accuracy, size, weights.license)))


def row(network: NamedNetwork) -> tuple[str, str, str, str, str, str]:
    """A row of the list in the shell: name, task, params, images, accuracy, weights."""
    shape = "x".join(str(size) for size in network.input_shape)
    names = " ".join(weights.name for weights in network.weights[:3])
    more = f" +{len(network.weights) - 3}" if len(network.weights) > 3 else ""
    return (
        network.name, network.task, _params(network).removesuffix(" params"), shape,
        _accuracy(network), names + more,
    )  # fmt: skip


def _params(network: NamedNetwork) -> str:
    return f"{count(network.params)} params" if network.params else ""


def _accuracy(network: NamedNetwork) -> str:
    return network.weights[0].accuracy if network.weights else ""
