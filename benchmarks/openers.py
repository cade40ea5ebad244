"""Which files of weights open: networks under the names that people give them, in the wrappers that
trainings write. Writes docs/results/openers.md.

    python benchmarks/openers.py
"""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from sfp_viz.errors import ModelError
from sfp_viz.nets.io.load import load_model
from sfp_viz.nets.zoo.build import build

TARGET = Path(__file__).resolve().parent.parent / "docs" / "results" / "openers.md"
State = dict[str, Tensor]
RESIDUAL: dict[str, dict[str, Any]] = {
    "ResNet-20, option A": {"widths": [16, 32, 64], "blocks": [3, 3, 3], "projection": "none"},
    "ResNet-56, option B": {"widths": [16, 32, 64], "blocks": [9, 9, 9]},
    "ResNet-18, 3 x 3 stem": {"widths": [64, 128, 256, 512], "blocks": [2, 2, 2, 2], "stem": 64},
    "ResNet-50, 3 x 3 stem": {"widths": [256, 512, 1024, 2048], "blocks": [3, 4, 6, 3],
                              "inner": [64, 128, 256, 512], "stem": 64},
    "PreAct ResNet-18": {"widths": [64, 128, 256, 512], "blocks": [2, 2, 2, 2], "stem": 64,
                         "preact": True, "stem_norm": False, "projection": "conv"},
    "Wide ResNet-16-4": {"widths": [64, 128, 256], "blocks": [2, 2, 2], "preact": True,
                         "stem_norm": False, "projection": "conv", "final_norm": True},
}  # fmt: skip
# what authors call the parts of a residual network: patterns and what stands in their place
NAMES: dict[str, list[tuple[str, str]]] = {
    "torchvision's": [],
    "shortcut, linear": [("downsample", "shortcut"), ("^fc", "linear")],
    "stage1, classifier": [("^layer", "stage"), ("^fc", "classifier"), ("conv", "conv_")],
    "block1.layer": [(r"^layer(\d)", r"block\1.layer"), ("downsample.0", "convShortcut")],
    "backbone, head": [("^fc", "head"), ("^(?!head)", "backbone.")],
}
WRAPPERS: dict[str, Callable[[State], Any]] = {
    "bare": lambda state: state,
    "state_dict, module., epoch": lambda state: {
        "state_dict": {f"module.{n}": t for n, t in state.items()}, "epoch": 3
    },
    "list, half": lambda state: [{"net": {n: t.half() for n, t in state.items()}}],
    "model., a loss's weights": lambda state: {
        "state_dict": {**{f"model.{n}": t for n, t in state.items()}, "loss.weight": torch.ones(3)}
    },
}  # fmt: skip
ENDINGS = (".pth", ".pth.tar", ".ckpt", ".safetensors")


def networks() -> Iterator[tuple[str, str, nn.Module, State]]:
    """Each network with its own names and with those of others."""
    for title, arguments in RESIDUAL.items():
        module = trained(build("residual_network", arguments))
        for words, changes in NAMES.items():
            names = list(module.state_dict())
            for old, new in changes:
                names = [re.sub(old, new, name) for name in names]
            yield title, words, module, dict(zip(names, module.state_dict().values(), strict=True))
        owners: dict[str, int] = {}
        numbered = {}
        for name, tensor in module.state_dict().items():
            owner, _, leaf = name.rpartition(".")
            numbered[f"{owners.setdefault(owner, len(owners))}.{leaf}"] = tensor
        if arguments.get("projection") != "none" and not arguments.get("preact"):
            yield title, "numbers alone", module, numbered
    for title, layers, pixels in (
        ("LeNet, 5 x 5 windows", ["conv 6 5 0 relu pool", "conv 16 5 0 relu pool",
                                  "linear 120 relu", "linear 84 relu", "linear 10"], 25),
        ("VGG-11-BN", [f"conv {w} 3 1 norm relu{' pool' * p}" for w, p in (
            (64, 1), (128, 1), (256, 0), (256, 1), (512, 0), (512, 1), (512, 0), (512, 1))]
         + ["linear 10"], 1),
        ("three convolutions", ["conv 32 3 1 norm relu pool", "conv 64 3 1 norm relu pool",
                                "conv 64 3 1 norm relu pool", "linear 10"], 16),
    ):  # fmt: skip
        module = trained(build("plain_network", {"layers": layers, "pixels": pixels}))
        yield title, "Sequential", module, dict(module.state_dict())


def trained(module: nn.Module) -> nn.Module:
    """``module`` with weights and statistics as if it had learned something."""
    numbers = torch.Generator().manual_seed(0)
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point() and tensor.ndim == 1:
            low = 0.5 if not name.endswith("bias") else -0.1
            tensor.copy_(torch.rand(tensor.shape, generator=numbers) * 0.2 + low)
    return module.eval()


def main() -> None:
    """Open every file and write the table."""
    rows: dict[tuple[str, str], list[bool]] = {}
    seconds, files = 0.0, 0
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        for title, words, module, state in networks():
            expected = module(images)
            for number, (wrapper, wrap) in enumerate(WRAPPERS.items()):
                path = Path(folder) / f"weights{ENDINGS[number % 3]}"
                torch.save(wrap({n: t.clone() for n, t in state.items()}), path)
                started = time.perf_counter()
                rows.setdefault((title, words), []).append(opens(path, images, expected, wrapper))
                seconds, files = seconds + time.perf_counter() - started, files + 1
            path = Path(folder) / "weights.safetensors"
            save_file({n: t.clone() for n, t in state.items()}, path)
            rows[title, words].append(opens(path, images, expected, "bare"))
    heads = [*WRAPPERS, "safetensors"]
    lines = [
        "# Which files of weights open", "",
        "Written by `benchmarks/openers.py`: networks with weights as if trained, under the names "
        "that people give them. 'yes': it opens, and its outputs for two images are those of the "
        f"author's module to 1e-3 of the largest (2e-2 in half precision). {files} torch files in "
        f"{seconds / files:.2f} s each on average (measured, two cores, other work beside).", "",
        f"{sum(map(sum, rows.values()))} of {sum(map(len, rows.values()))} files open (measured).",
        "", "| network | names | " + " | ".join(heads) + " |", "|" + "---|" * (2 + len(heads)),
    ]  # fmt: skip
    for (title, words), results in rows.items():
        cells = " | ".join("yes" if result else "no" for result in results)
        lines.append(f"| {title} | {words} | {cells} |")
    TARGET.write_text("\n".join(lines) + "\n")
    print(lines[4])


def opens(path: Path, images: Tensor, expected: Tensor, wrapper: str) -> bool:
    """Whether a file opens as the network that it is."""
    try:
        actual = load_model(path, input_shape=(3, 32, 32)).module(images)
    except ModelError:
        return False
    most = 2e-2 if "half" in wrapper else 1e-3
    return actual.shape == expected.shape and bool(
        (actual - expected).abs().max() <= most * expected.abs().max()
    )


if __name__ == "__main__":
    main()
