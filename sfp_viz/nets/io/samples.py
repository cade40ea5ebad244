"""The sample networks that come along: weights, card and shipped maps. Loads no torch to read.

``sample_models/`` holds three files a sample: ``NAME.safetensors``, ``NAME.json`` (its card, with
the network's reading) and ``NAME.maps.json`` (UMAP coordinates, clusters and dispersions).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sfp_viz.core.network import Network
from sfp_viz.core.network_json import network_from_json, network_to_json
from sfp_viz.errors import ModelError
from sfp_viz.files import write_text
from sfp_viz.nets.io.model_file import model_facts, save_model

if TYPE_CHECKING:
    from sfp_viz.nets.model import Model

FOLDER = Path(__file__).resolve().parents[3] / "sample_models"
FIRST = "lenet5_digits"  # on the screen when the app opens


def sample_names() -> tuple[str, ...]:
    """Names of the samples that are there, the default one first."""
    cards = [p.stem for p in FOLDER.glob("*.json") if not p.stem.endswith(".maps")]
    names = [name for name in cards if (FOLDER / f"{name}.safetensors").is_file()]
    return tuple(sorted(names, key=lambda name: (name != FIRST, name)))


def sample_path(name: str) -> Path:
    """The sample's safetensors file."""
    names = sample_names()
    if name not in names:
        raise ModelError(
            f"There is no sample '{name}'. Choose one of {', '.join(names) or 'none here'}."
        )
    return FOLDER / f"{name}.safetensors"


def sample_card(name: str) -> dict[str, Any]:
    """What a reader wants to know about a sample: title, data, training, accuracy, license."""
    return _read_json(sample_path(name).with_suffix(".json"))


def sample_network(name: str) -> Network:
    """The sample's reading, with its weights; needs no torch."""
    path = sample_path(name)
    return network_from_json(json.dumps(sample_card(name).get("reading")), read_arrays(path))


def sample_maps(name: str) -> dict[str, Any]:
    """What was computed beforehand: 'coordinates' ({group: [[x, y], ...]}, UMAP), 'clusters'
    ({group: labels}), 'dispersion' ({group: 0..1}) and the 'recipe' they belong to.
    """
    path = sample_path(name).with_suffix(".maps.json")
    empty = {"coordinates": {}, "clusters": {}, "dispersion": {}, "recipe": {}}
    return {**empty, **(_read_json(path) if path.is_file() else {})}


def write_sample(
    model: Model,
    network: Network,
    card_facts: Mapping[str, Any],
    maps: Mapping[str, Any],
    folder: str | Path,
) -> None:
    """Write a sample's three files; each appears at once, the card last.

    Args:
        model: The network.
        network: Its reading, which the card contains.
        card_facts: Further entries of the card for people: title, accuracy, license ...
        maps: What ``sample_maps`` returns.
        folder: Where to write; it is made.

    Raises:
        ModelError: ``network`` is the reading of another network, or ``model`` cannot be saved.
    """
    check_reading(network, model)
    folder = Path(folder)
    save_model(model, folder / f"{model.name}.safetensors")
    reading = json.loads(network_to_json(network))
    card = {**card_facts, **model_facts(model), "reading": reading}
    write_text(folder / f"{model.name}.maps.json", json.dumps(maps, sort_keys=True), parents=True)
    write_text(
        folder / f"{model.name}.json", json.dumps(card, sort_keys=True, indent=1), parents=True
    )


def check_reading(network: Network, model: Model) -> None:
    """Raise ModelError unless ``network`` is the reading of ``model``.

    Args:
        network: A reading.
        model: The network that it should belong to.

    Raises:
        ModelError: Their digests differ.
    """
    if network.digest != model.digest:
        raise ModelError(
            f"The reading ({network.digest}) is not that of the network '{model.name}' "
            f"({model.digest}). Read the network again."
        )


def read_arrays(path: Path) -> dict[str, Any]:
    """The arrays of a safetensors file by name; needs no torch."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as problem:
        raise ModelError(
            f"The file {path.name} cannot be read as safetensors: {problem}. Copy it again."
        ) from problem


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise ModelError(
            f"The sample's file {path.name} cannot be read: {problem}. Install the samples again, "
            "or make them with scripts/make_sample_models.py."
        ) from problem
    if not isinstance(value, dict):
        raise ModelError(
            f"The sample's file {path.name} is not a JSON object. Install the samples again."
        )
    return value
