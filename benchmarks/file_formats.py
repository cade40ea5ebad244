"""Which kinds of files open, how exactly, how fast, in how much memory; and what damaged files do.

    python benchmarks/file_formats.py [--damaged 60] [--only NAME ...]

Writes files as people write them (checkpoints of trainings under their authors' key names, state
dicts in lists and other wrappers, safetensors, ONNX, TorchScript, .pt2), opens each in a process of
its own and compares the outputs with those of the module that wrote it. Weights are drawn with seed
0; published checkpoints are taken from ``SFP_VIZ_DATA``, where they are. Then files of five formats
are damaged at random places (seed 0): each must open or be refused in a sentence. Writes
docs/results/file_formats.json and .md.
"""

from __future__ import annotations

import argparse
import io
import json
import multiprocessing
import os
import resource
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
import torchvision
from safetensors.torch import save_file
from torch import nn

import sfp_viz as sfp
from sfp_viz.errors import SfpError
from sfp_viz.nets.zoo.architectures import build

RESULTS = Path(__file__).resolve().parent.parent / "docs" / "results"
CIFAR = (3, 32, 32)


class Shortcut(nn.Module):
    """A residual block whose projection is called ``shortcut``, as in many CIFAR repositories."""

    def __init__(self, ins: int, outs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(ins, outs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outs)
        self.conv2 = nn.Conv2d(outs, outs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outs)
        self.shortcut = nn.Sequential()
        if stride != 1 or ins != outs:
            projection = nn.Conv2d(ins, outs, 1, stride, bias=False)
            self.shortcut = nn.Sequential(projection, nn.BatchNorm2d(outs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + self.shortcut(x))


class CifarResNet18(nn.Module):
    """ResNet-18 with a 3x3 stem and a layer called ``linear``."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        ins, stages = width, []
        for stage in range(4):
            outs, stride = width * 2**stage, 1 if stage == 0 else 2
            stages.append(nn.Sequential(Shortcut(ins, outs, stride), Shortcut(outs, outs, 1)))
            ins = outs
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.linear = nn.Linear(ins, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.linear(F.avg_pool2d(x, 4).flatten(1))


class OwnNetwork(nn.Module):
    """A network whose forward pass no table of weights can tell."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 32, 3, padding=1), nn.Conv2d(32, 32, 3, padding=1)
        self.gate, self.out = nn.Linear(32, 32), nn.Linear(32, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.silu(self.first(x))
        x = self.second(x) * torch.sigmoid(self.gate(x.mean((2, 3))))[:, :, None, None]
        return self.out(F.silu(x).mean((2, 3)))


def chain() -> nn.Sequential:
    """A small CNN of a tutorial."""
    return nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(64 * 64, 128), nn.ReLU(), nn.Linear(128, 10),
    )  # fmt: skip


def drawn(module: nn.Module) -> nn.Module:
    """The module with running statistics that are not those of a new one, in evaluation mode."""
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            torch.nn.init.normal_(norm.get_buffer("running_mean"), std=0.1)
            torch.nn.init.uniform_(norm.get_buffer("running_var"), 0.5, 1.5)
    return module.eval()


def renamed(state: dict[str, Any], *pairs: tuple[str, str]) -> dict[str, Any]:
    """The entries under other names."""
    for old, new in pairs:
        state = {name.replace(old, new): value for name, value in state.items()}
    return state


def numbered(state: dict[str, Any]) -> dict[str, Any]:
    """The entries with a running number in place of the names of their layers."""
    layers = list(dict.fromkeys(name.rpartition(".")[0] for name in state))
    return {f"{layers.index(n.rpartition('.')[0])}.{n.rpartition('.')[2]}": v
            for n, v in state.items()}  # fmt: skip


Written = tuple[nn.Module | None, tuple[int, int, int]]  # who wrote the file, and image size


def saved(path: Path, module: nn.Module, content: Any, shape: tuple[int, int, int]) -> Written:
    torch.save(content, path)
    return module, shape


def program(path: Path, module: nn.Module, shape: tuple[int, int, int]) -> Written:
    batch = {0: torch.export.Dim("batch")}
    image = torch.zeros(2, *shape)
    torch.export.save(torch.export.export(module, (image,), dynamic_shapes=(batch,)), path)
    return module, shape


def files() -> dict[str, Callable[[Path], Written]]:
    """The files by name: each writes itself to a path."""
    twenty = drawn(build("cifar_resnet", {"blocks": 3}))
    eighteen, small = drawn(CifarResNet18(32)), drawn(chain())
    vision = drawn(torchvision.models.resnet18(num_classes=10))
    mobile = drawn(torchvision.models.mobilenet_v2(num_classes=10))
    own = OwnNetwork().eval()
    state = twenty.state_dict()

    def tensors(path: Path, content: dict[str, Any], module: nn.Module) -> Written:
        save_file({name: value.contiguous().clone() for name, value in content.items()}, path)
        return module, CIFAR

    def onnx(path: Path) -> Written:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                small,
                (torch.zeros(1, *CIFAR),),
                path,
                dynamo=True,
                verbose=False,
                external_data=False,
            )
        return None, CIFAR

    def script(path: Path) -> Written:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.jit.save(torch.jit.trace(small, torch.zeros(1, *CIFAR)), str(path))  # pyright: ignore
        return None, CIFAR

    def pointer(path: Path) -> Written:
        path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
        return None, CIFAR

    def page(path: Path) -> Written:
        path.write_text("<!DOCTYPE html><html><body>Sign in</body></html>")
        return None, CIFAR

    wrapped = {"net": {f"module.{name}": value for name, value in state.items()}, "acc": 91.2}
    lightning = {f"model.{name}": value for name, value in state.items()}
    strange = {**lightning, "criterion.weight": torch.ones(10)}
    half = {n: v.half() if v.is_floating_point() else v for n, v in state.items()}
    stages = renamed(state, ("layer", "stage_"), ("conv", "c"), ("bn", "norm"), ("fc", "head"))
    return {
        "ResNet-20, net + module. + accuracy (.t7)": lambda p: saved(p, twenty, wrapped, CIFAR),
        "ResNet-20, Lightning with a loss's weight (.ckpt)": lambda p: saved(
            p, twenty, {"state_dict": strange, "epoch": 9}, CIFAR
        ),
        "ResNet-20, in a list (.pth)": lambda p: saved(p, twenty, [state], CIFAR),
        "ResNet-20, other names (.pth.tar)": lambda p: saved(p, twenty, stages, CIFAR),
        "ResNet-20, numbers for names (.pt)": lambda p: saved(p, twenty, numbered(state), CIFAR),
        "ResNet-20, float16 (.bin)": lambda p: saved(p, twenty, half, CIFAR),
        "ResNet-20, compiled (.pt)": lambda p: saved(
            p, twenty, {f"_orig_mod.{n}": v for n, v in state.items()}, CIFAR
        ),
        "ResNet-20 (.safetensors)": lambda p: tensors(p, state, twenty),
        "CIFAR ResNet-18, shortcut and linear (.pth)": lambda p: saved(
            p, eighteen, {"model": eighteen.state_dict(), "optimizer": {"lr": 0.1}}, CIFAR
        ),
        "torchvision ResNet-18, backbone. (.pth)": lambda p: saved(
            p, vision, {f"backbone.{n}": v for n, v in vision.state_dict().items()}, (3, 64, 64)
        ),
        "torchvision MobileNetV2 (.model)": lambda p: saved(
            p, mobile, {"ema": mobile.state_dict()}, (3, 64, 64)
        ),
        "CNN of a tutorial, Sequential (.pth)": lambda p: saved(
            p, small, small.state_dict(), CIFAR
        ),
        "own network, state dict alone (.pth)": lambda p: saved(p, own, own.state_dict(), CIFAR),
        "own network (.pt2)": lambda p: program(p, own, CIFAR),
        "CIFAR ResNet-18 (.pt2)": lambda p: program(p, eighteen, CIFAR),
        "torchvision MobileNetV2 (.pt2)": lambda p: program(p, mobile, (3, 64, 64)),
        "CNN of a tutorial (.onnx)": onnx,
        "CNN of a tutorial, TorchScript (.pt)": script,
        "git-LFS pointer (.pth)": pointer,
        "web page (.pth)": page,
    }  # fmt: skip


def published(folder: Path) -> dict[str, Path]:
    """Published checkpoints of ``SFP_VIZ_DATA``."""
    return {f"published {file.stem} ({file.suffix})": file
            for file in sorted((folder / "checkpoints").glob("*.th"))}  # fmt: skip


def opened(path: Path, shape: tuple[int, int, int] | None) -> tuple[str, sfp.Model | None, str]:
    """How a file opens: 'prunable', 'to explore' or 'refused', and the reason."""
    try:
        return "prunable", sfp.load_model(path, input_shape=shape), ""
    except SfpError as problem:
        reason = str(problem).splitlines()[0]
    try:
        return "to explore", sfp.load_model(path, explore=True, input_shape=shape), reason
    except SfpError:
        return "refused", None, reason


def tried(
    path: Path, module: nn.Module | None, shape: tuple[int, int, int] | None, out: Any
) -> None:
    started = time.perf_counter()
    outcome, model, reason = opened(path, shape)
    entry: dict[str, Any] = {"outcome": outcome, "seconds": time.perf_counter() - started}
    if outcome == "prunable" and model is not None:
        entry["architecture"] = model.architecture or "its own program"
        if module is not None:
            images = torch.randn(3, *model.input_shape, generator=torch.Generator().manual_seed(0))
            with torch.inference_mode():
                expected, ours = module.eval()(images), model.module.eval()(images)
            entry["difference"] = float((expected - ours).abs().max() / expected.abs().max())
        network = sfp.read_network(model)
        entry["groups"] = [len(network.free), len(network.groups)]
    entry["reason"] = "" if outcome == "prunable" else reason[:160]
    entry["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    out.put(entry)


def in_a_process(work: Callable[..., None], *arguments: Any, seconds: float = 120) -> Any:
    """What ``work`` puts into the queue; its exit code where it dies."""
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    process = context.Process(target=work, args=(*arguments, queue))
    process.start()
    process.join(seconds)
    if process.is_alive():
        process.kill()
        process.join()
        return {"outcome": "too slow"}
    return {"outcome": f"crashed ({process.exitcode})"} if queue.empty() else queue.get()


def damaged(count: int, folder: Path) -> dict[str, Counter]:
    """How damaged files of five formats end."""
    made = files()
    examples = {
        ".pth": "ResNet-20, in a list (.pth)", ".safetensors": "ResNet-20 (.safetensors)",
        ".pt2": "own network (.pt2)", ".onnx": "CNN of a tutorial (.onnx)",
    }  # fmt: skip
    contents = {}
    for suffix, name in examples.items():
        made[name](folder / f"whole{suffix}")
        contents[suffix] = (folder / f"whole{suffix}").read_bytes()
    legacy = io.BytesIO()
    state = build("cifar_resnet", {"blocks": 3}).state_dict()
    torch.save(state, legacy, _use_new_zipfile_serialization=False)
    contents[".pth of old torch"] = legacy.getvalue()
    return {suffix: in_a_process(damage, content, suffix, count, folder, seconds=1200)
            for suffix, content in contents.items()}  # fmt: skip


def damage(content: bytes, suffix: str, count: int, folder: Path, out: Any) -> None:
    draw, ends = np.random.default_rng(0), Counter[str]()
    path = folder / f"damaged{suffix.split()[0]}"
    for number in range(count):
        changed = bytearray(content)
        if number % 3 == 0:
            changed = changed[: int(draw.integers(1, len(changed)))]
        else:  # the first bytes hold what is parsed; the last ones an archive's table of contents
            low, high = (0, 4000) if number % 3 == 1 else (len(changed) - 4000, len(changed))
            for place in draw.integers(max(0, low), min(len(changed), high), 8):
                changed[place] = int(draw.integers(256))
        path.write_bytes(changed)
        try:
            ends[opened(path, CIFAR)[0]] += 1
        except Exception as problem:  # what a user would see as a traceback
            ends[f"traceback: {type(problem).__name__}"] += 1
    out.put(ends)


def table(results: dict[str, Any]) -> str:
    rows = []
    for name, entry in results["files"].items():
        difference = entry.get("difference")
        free = entry.get("groups")
        rows.append(
            f"| {name} | {entry['outcome']} | {entry.get('architecture', '')} | "
            f"{'' if difference is None else f'{difference:.0e}'} | "
            f"{'' if free is None else f'{free[0]} of {free[1]}'} | "
            f"{entry.get('seconds', 0):.2f} | {entry.get('peak_mb', 0):.0f} |"
        )
    counts = Counter(entry["outcome"] for entry in results["files"].values())
    lines = [f"| {name} | {sum(ends.values())} | "
             + ", ".join(f"{n} {end}" for end, n in sorted(ends.items())) + " |"
             for name, ends in results["damaged"].items()]  # fmt: skip
    reasons = [f"- {name}: {entry['reason']}" for name, entry in results["files"].items()
               if entry.get("reason")]  # fmt: skip
    return "\n".join([
        "# Which kinds of files open",
        "",
        "Written by `python benchmarks/file_formats.py`. Measured on "
        f"{results['cores']} CPU cores, torch {results['torch']}, load {results['load']:.1f}.",
        "",
        f"Of {sum(counts.values())} files, "
        + ", ".join(f"{n} are {outcome}" for outcome, n in counts.most_common()) + ".",
        "Difference: of the outputs for three images from those of the module that wrote the file, "
        "as a share of the largest output. Peak memory: of a process that has torch loaded and "
        "opens and reads the file.",
        "",
        "| file | outcome | architecture | difference | groups that can be pruned | seconds "
        "| peak MB |",
        "|---|---|---|---:|---:|---:|---:|",
        *rows,
        "",
        "Why the others are not prunable:",
        "",
        *reasons,
        "",
        "## Damaged files",
        "",
        "Cut off, or eight bytes changed near the start or the end. Each must open or be refused "
        "in a sentence.",
        "",
        "| format | files | outcome |",
        "|---|---:|---|",
        *lines,
        "",
    ])  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--damaged", type=int, default=60, help="damaged files of each format")
    parser.add_argument("--only", nargs="*", default=[])
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    results: dict[str, Any] = {
        "files": {}, "damaged": {}, "cores": os.cpu_count(), "torch": torch.__version__,
        "load": os.getloadavg()[0],
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for name, write in files().items():
            if options.only and not any(word in name for word in options.only):
                continue
            path = folder / f"file{name[name.rindex('(') + 1 : -1]}"
            module, shape = write(path)
            results["files"][name] = in_a_process(tried, path, module, shape)
            print(name, results["files"][name], flush=True)
        for name, path in published(Path(os.environ.get("SFP_VIZ_DATA") or "none")).items():
            results["files"][name] = in_a_process(tried, path, None, None)
            print(name, results["files"][name], flush=True)
        if options.damaged:
            results["damaged"] = {k: dict(v) for k, v in damaged(options.damaged, folder).items()}
            print(results["damaged"])
    if not options.only:
        (RESULTS / "file_formats.json").write_text(json.dumps(results, indent=1) + "\n")
        (RESULTS / "file_formats.md").write_text(table(results))


if __name__ == "__main__":
    main()
