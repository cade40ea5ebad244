"""Train the sample networks and write them to sample_models/.

    python scripts/make_sample_models.py [--read] [NAME ...]

With --read nothing is trained: the samples that are there are read again, and their cards' reading
and the shipped clusters and dispersions are written anew, for a newer version of either.

Seeded; resumes from the last finished epoch after a stop. Fashion-MNIST and CIFAR-10 must be on
the machine (SFP_VIZ_DATA, or Debian's dataset-fashion-mnist).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from sfp_viz.core.network import Network
from sfp_viz.core.network_json import network_to_json
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.core.redundancy.embedding import umap_map
from sfp_viz.core.redundancy.similarity import filter_matrix
from sfp_viz.core.selection.analysis import Analysis, analyze
from sfp_viz.core.training.distillation import Augmentation, Distillation
from sfp_viz.files import write_text
from sfp_viz.nets.data.datasets import load_data
from sfp_viz.nets.evaluation.measure import measure_accuracy
from sfp_viz.nets.io.load import load_model
from sfp_viz.nets.io.samples import sample_card, sample_maps, sample_path, write_sample
from sfp_viz.nets.model import Model
from sfp_viz.nets.tracing.read_network import read_network
from sfp_viz.nets.training.distill import Training
from sfp_viz.nets.zoo import architectures

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / ".sfp_viz" / "samples"  # checkpoints; not shipped


@dataclass(frozen=True)
class Sample:
    """What is trained: an architecture, its data, its pixels' mean and spread, the settings."""

    title: str
    architecture: str
    arguments: dict
    data: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    settings: Distillation


def _settings(epochs: int, augmentation: Augmentation, **changes) -> Distillation:
    common = {"learning_rate": 0.1, "alpha": 0.0, "warmup": 0.15, "precision": "bf16-mixed"}
    return Distillation(epochs=epochs, augmentation=augmentation, **{**common, **changes})


_RGB = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
_FASHION = {"mean": (0.286,), "std": (0.353,)}

SAMPLES = {
    "lenet5_digits": Sample(
        "LeNet-5-like on digits",
        "lenet5",
        {"channels": 1, "side": 8, "classes": 10},
        "digits",
        (0.3055,),
        (0.376,),
        _settings(30, "shift", learning_rate=0.05, batch_size=64, precision="32-true"),
    ),
    "vgg11_fashion": Sample(
        "VGG-11-BN (slim) on Fashion-MNIST",
        "slim_vgg11",
        {"channels": 1, "classes": 10},
        "fashion_mnist",
        **_FASHION,
        settings=_settings(25, "crop_flip"),
    ),
    "resnet20_cifar10": Sample(
        "ResNet-20 on CIFAR-10",
        "cifar_resnet",
        {"blocks": 3, "shortcut": "projection", "channels": 3, "classes": 10},
        "cifar10",
        **_RGB,
        settings=_settings(50, "crop_flip", learning_rate=0.2),
    ),
    "resnet20_fashion": Sample(
        "ResNet-20 on Fashion-MNIST",
        "cifar_resnet",
        {"blocks": 3, "shortcut": "projection", "channels": 1, "classes": 10},
        "fashion_mnist",
        **_FASHION,
        settings=_settings(14, "crop_flip", learning_rate=0.2),
    ),
}


def trained(name: str, sample: Sample) -> Model:
    """Train ``sample``, going on from its checkpoint where there is one."""
    torch.manual_seed(sample.settings.seed)
    model = Model(
        architectures.build(sample.architecture, sample.arguments),
        name=name,
        input_shape=load_data(sample.data, "test").pixels.shape[1:],
        mean=sample.mean,
        std=sample.std,
        architecture=sample.architecture,
        arguments=sample.arguments,
        data=sample.data,
    )
    training = Training(
        model,
        teacher=None,
        train=load_data(sample.data, "train"),
        test=load_data(sample.data, "test"),
        settings=sample.settings,
    )
    checkpoint = WORK / f"{name}.safetensors"
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    if checkpoint.exists():
        training.load_state_dict(load_file(checkpoint))
    while training.done < sample.settings.epochs:
        epoch = training.epoch()
        save_file(training.state_dict(), checkpoint.with_suffix(".part"))
        checkpoint.with_suffix(".part").replace(checkpoint)
        print(name, json.dumps(epoch.__dict__), flush=True)
    return training.model()


def card(sample: Sample, model: Model) -> dict:
    """What a reader wants to know: data, training, measured accuracy, licence."""
    images = load_data(sample.data, "test")
    measured = measure_accuracy(model, images)
    return {
        "title": sample.title,
        "trained_on": f"{sample.data}, {len(load_data(sample.data, 'train')):,} training images",
        "settings": asdict(sample.settings),
        "accuracy": round(measured.accuracy or 0.0, 6),
        "interval": [round(bound, 6) for bound in measured.interval or ()],
        "test_images": measured.images,
        "test_data": measured.data,
        "made_by": f"python scripts/make_sample_models.py {model.name}",
        "licence": "Apache-2.0",
    }


def maps(network: Network, analysis: Analysis) -> dict:
    """UMAP coordinates, and the default recipe's clusters and dispersions, one a group."""
    return {"coordinates": coordinates(network, {}), **clusters_and_dispersions(analysis)}


def coordinates(network: Network, known: Mapping[str, list]) -> dict[str, list]:
    """UMAP coordinates by group, worked out for those that are not ``known``."""
    groups = [group for group in network.groups if group.size >= 4]
    return {
        group.name: known.get(group.name)
        or umap_map(filter_matrix(network, group), seed=0).round(4).tolist()
        for group in groups
    }


def clusters_and_dispersions(analysis: Analysis) -> dict:
    """By group, under the recipe of ``analysis``."""
    return {
        "recipe": asdict(analysis.recipe),
        "clusters": {name: list(part.clusters.labels) for name, part in analysis.groups.items()},
        "dispersion": {name: part.dispersion for name, part in analysis.groups.items()},
    }


def read_again(name: str) -> None:
    """Write the reading in a sample's card, its clusters and its dispersions anew; coordinates of
    groups that were there, weights and measured facts stay."""
    model, path = load_model(name), sample_path(name)
    network = read_network(model)
    card, old = sample_card(name), sample_maps(name)
    card["reading"] = json.loads(network_to_json(network))
    analysis = analyze(network, Recipe())
    places = {"coordinates": coordinates(network, old["coordinates"])}
    new = {**old, **places, **clusters_and_dispersions(analysis)}
    write_text(path.with_suffix(".maps.json"), json.dumps(new, sort_keys=True))
    write_text(path.with_suffix(".json"), json.dumps(card, sort_keys=True, indent=1))
    print(name, "read again")


def main(arguments: list[str]) -> None:
    names = [name for name in arguments if name != "--read"] or list(SAMPLES)
    if "--read" in arguments:
        for name in names:
            read_again(name)
        return
    for name in names:
        sample = SAMPLES[name]
        model = trained(name, sample)
        network = read_network(model)
        analysis = analyze(network, Recipe())
        facts = card(sample, model)
        write_sample(model, network, facts, maps(network, analysis), ROOT / "sample_models")
        print(name, f"{facts['accuracy']:.4f} on {facts['test_images']} test images")


if __name__ == "__main__":
    main(sys.argv[1:])
