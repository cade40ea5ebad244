"""Networks by name: those of torchvision and timm, with what these libraries state of each.

The list is made once from the libraries' own metadata, without the network, and kept in a file
that names their versions. Nothing is stated that the libraries do not state.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sfp_viz.core.named_network import NamedNetwork, PublishedWeights, Task
from sfp_viz.files import write_text

_METRICS = {  # torchvision's name of a metric -> how it is written
    "acc@1": "{:.1f} % top-1 on {}",
    "miou": "{:.1f} mean IoU on {}",
    "box_map": "{:.1f} box AP on {}",
}


def named_networks(folder: Path) -> tuple[NamedNetwork, ...]:
    """All networks of torchvision and timm; the first call of a version imports both (15 s).

    Args:
        folder: Where the list is kept.
    """
    versions = f"torchvision-{version('torchvision')}-timm-{version('timm')}"
    path = folder / f"networks-by-name-{versions}.json"
    return _kept(path) or _listed(path)


def find_named(part: str, networks: Iterable[NamedNetwork]) -> tuple[NamedNetwork, ...]:
    """The networks whose name has every word of ``part``, in any case.

    Args:
        part: Words, such as 'resnet 50' or 'timm lite'.
        networks: Where to look.
    """
    words = part.lower().split()
    return tuple(n for n in networks if all(word in n.name.lower() for word in words))


def _kept(path: Path) -> tuple[NamedNetwork, ...]:
    """The list in a file; empty where there is none, or where it is damaged."""
    try:
        return _read(path, path.stat().st_mtime_ns)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ()


@cache
def _read(path: Path, written: int) -> tuple[NamedNetwork, ...]:
    return tuple(
        NamedNetwork(
            str(row["name"]), row["task"], int(row["params"]), tuple(row["input_shape"]),
            tuple(PublishedWeights(**weights) for weights in row["weights"]),
        )
        for row in json.loads(path.read_text())
    )  # fmt: skip


def _listed(path: Path) -> tuple[NamedNetwork, ...]:
    networks = (*_of_torchvision(), *_of_timm())
    write_text(path, json.dumps([asdict(network) for network in networks]), parents=True)
    return networks


def _of_torchvision() -> list[NamedNetwork]:
    from torchvision import models

    networks = []
    for name, task in torchvision_tasks().items():
        enum = models.get_model_weights(name)
        sets = sorted(enum, key=lambda weights: weights is not enum["DEFAULT"])
        weights = tuple(
            PublishedWeights(
                w.name, w.url, _accuracy(w.meta), megabytes=w.meta.get("_file_size", 0.0)
            )
            for w in sets
        )
        params = sets[0].meta.get("num_params", 0) if sets else 0
        shape = torchvision_input(name)
        networks.append(NamedNetwork(f"torchvision:{name}", task, params, shape, weights))
    return networks


@cache
def torchvision_tasks() -> Mapping[str, Task]:
    """What each of torchvision's networks for images is for, by name."""
    from torchvision import models
    from torchvision.models import detection, segmentation

    modules: Mapping[Task, Any] = {
        "classification": models, "segmentation": segmentation, "detection": detection,
    }  # fmt: skip
    return {name: task for task in modules for name in models.list_models(module=modules[task])}


def torchvision_input(name: str) -> tuple[int, int, int]:
    """Channels, height and width of the images of a network of torchvision."""
    from torchvision import models

    task = torchvision_tasks()[name]
    if task == "detection":  # its own first step resizes whatever comes
        side = 320 if "320" in name else 300 if "300" in name else 800
        return 3, side, side
    transforms: Any = models.get_model_weights(name)["DEFAULT"].transforms()
    side = (transforms.crop_size if task == "classification" else transforms.resize_size)[0]
    return 3, side, side


def _accuracy(meta: Mapping[str, Any]) -> str:
    for data, metrics in meta.get("_metrics", {}).items():
        for metric, text in _METRICS.items():
            if metric in metrics:
                return text.format(
                    metrics[metric], data.replace("-val2017-VOC-labels", ", VOC labels")
                )
    return ""


def _of_timm() -> list[NamedNetwork]:
    import timm
    from timm.models import get_arch_pretrained_cfgs

    networks = []
    for name in timm.list_models():
        cfgs = [cfg for cfg in get_arch_pretrained_cfgs(name).values() if cfg is not None]
        first = timm.get_pretrained_cfg(name)
        channels, height, width = first.input_size if first is not None else (3, 224, 224)
        shape = channels, height, width
        weights = tuple(
            PublishedWeights(cfg.tag or "default", url, license=cfg.license or "")
            for cfg in cfgs if (url := timm_address(cfg))
        )  # fmt: skip
        networks.append(NamedNetwork(f"timm:{name}", "classification", 0, shape, weights))
    return networks


def timm_address(cfg: Any) -> str:
    """Where the weights of one of timm's entries are; '' where they are nowhere public."""
    if cfg.hf_hub_id:
        file = cfg.hf_hub_filename or "model.safetensors"
        return f"https://huggingface.co/{cfg.hf_hub_id}/resolve/main/{file}"
    return cfg.url or ""
