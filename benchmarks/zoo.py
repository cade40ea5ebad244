"""Which networks open, plan, prune and train: random plans on torchvision's whole zoo and ours.

    python benchmarks/zoo.py [--plans 50] [--only NAME ...] [--all] [--timm] [--summary]

Weights are drawn with seed 0: costs and shapes are exact, accuracies mean nothing, so none are
shown. Each plan keeps a random number of random filters in every group that may be cut, from one
to all. It is pruned for real; the shown MACs, params and peak of activation memory must equal a
count on the pruned network, the pruned network must compute what the silenced one does, and a
forward and backward pass must work. The first pruned network is saved and opened again, and must
compute the same. One JSON line a network goes to docs/results/zoo.jsonl, with the commit of the
code; a network with enough plans there is not tried again, so that an interrupted run goes on.
``--summary`` writes docs/results/zoo.md.
"""

from __future__ import annotations

import argparse
import gc
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import sfp_viz as sfp
from sfp_viz.core.network import Network
from sfp_viz.core.plan.plan import Plan, Removal
from sfp_viz.core.plan.reason import Reason
from sfp_viz.errors import SfpError
from sfp_viz.nets.evaluation.measure import count_macs, count_params
from sfp_viz.nets.forward import tensors_of
from sfp_viz.nets.io.samples import sample_names
from sfp_viz.nets.model import Model
from sfp_viz.nets.tracing.execution import execute
from sfp_viz.nets.zoo import architectures
from sfp_viz.text.groups import cause_sentence

RESULTS = Path(__file__).resolve().parent.parent / "docs" / "results"
LINES, TABLE = RESULTS / "zoo.jsonl", RESULTS / "zoo.md"
OURS: dict[str, tuple[str, dict[str, Any], tuple[int, int, int]]] = {
    "LeNet-5 for 28 x 28": ("lenet5", {"side": 28}, (1, 28, 28)),
    "ResNet-56 for CIFAR": ("cifar_resnet", {"blocks": 9}, (3, 32, 32)),
    "ResNet-20 for CIFAR, padded": ("cifar_resnet", {"blocks": 3, "shortcut": "pad"}, (3, 32, 32)),
    "LeNet 20-50-500 for 28 x 28": ("lenet_caffe", {}, (1, 28, 28)),
    "AlexNet for CIFAR": ("cifar_alexnet", {}, (3, 32, 32)),
    "VGG-16-BN for CIFAR": ("cifar_vgg16", {}, (3, 32, 32)),
    "GoogLeNet for CIFAR": ("cifar_googlenet", {}, (3, 32, 32)),
}
NAMED = [
    *("resnet18", "resnet50", "vgg16_bn", "googlenet", "mobilenet_v2", "mobilenet_v3_small"),
    *("mobilenet_v3_large", "densenet121", "efficientnet_b0", "convnext_tiny", "regnet_x_400mf"),
    *("regnet_y_400mf", "squeezenet1_0", "squeezenet1_1", "mnasnet1_0"),
]
# Convolutional networks of timm that are in wide use, of every family that it has (our choice).
TIMM = [
    *("resnet18", "resnet26d", "resnet34", "resnet50", "resnet50d", "resnet101", "resnet10t"),
    *(
        "resnetaa50",
        "resnetblur50",
        "resnetrs50",
        "resnext50_32x4d",
        "resnext101_32x8d",
        "resnest14d",
    ),
    *("resnest50d", "seresnet50", "seresnext50_32x4d", "seresnext26d_32x4d", "ecaresnet50d"),
    *("ecaresnet26t", "skresnet18", "skresnext50_32x4d", "wide_resnet50_2", "res2net50_26w_4s"),
    *("res2next50", "resnetv2_50", "resnetv2_50d", "dla34", "dla60", "dla60x", "dpn68", "dpn92"),
    *("densenet121", "densenet169", "hrnet_w18", "hrnet_w18_small", "inception_v3", "inception_v4"),
    *("inception_resnet_v2", "xception41", "xception65", "legacy_xception", "legacy_senet154"),
    *("vgg11_bn", "vgg16", "vgg16_bn", "vgg19", "vovnet39a", "ese_vovnet19b_dw", "ese_vovnet39b"),
    *("selecsls42b", "selecsls60", "cspresnet50", "cspresnext50", "cspdarknet53", "darknet53"),
    *("regnetx_002", "regnetx_032", "regnety_002", "regnety_016", "regnety_032", "regnetz_b16"),
    *("efficientnet_b0", "efficientnet_b1", "efficientnet_b2", "efficientnet_lite0"),
    *("efficientnet_es", "efficientnet_el", "efficientnetv2_rw_t", "efficientnetv2_s"),
    *(
        "tf_efficientnet_b0",
        "tf_efficientnet_lite0",
        "tf_efficientnetv2_b0",
        "mixnet_s",
        "mixnet_m",
    ),
    *("mobilenetv2_050", "mobilenetv2_100", "mobilenetv3_small_100", "mobilenetv3_large_100"),
    *("mobilenetv3_rw", "mobilenetv4_conv_small", "mobilenetv4_conv_medium", "mnasnet_100"),
    *("semnasnet_100", "spnasnet_100", "fbnetc_100", "fbnetv3_b", "hardcorenas_a", "lcnet_050"),
    *("tinynet_a", "ghostnet_100", "ghostnetv2_100", "rexnet_100", "mobileone_s0", "mobileone_s1"),
    *("repvgg_a0", "repvgg_b0", "repghostnet_100", "repvit_m1", "convnext_atto", "convnext_nano"),
    *("convnext_tiny", "convnextv2_atto", "convmixer_768_32", "nfnet_f0", "eca_nfnet_l0"),
    *("nf_resnet50", "gernet_s", "gernet_m", "tresnet_m", "edgenext_xx_small", "fastvit_t8"),
    *("inception_next_atto", "hgnetv2_b0", "hgnet_tiny", "starnet_s1", "fasternet_t0"),
]
SIZES = (64, 128, 224)  # the smallest image that the architecture takes


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--plans", type=int, default=10)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--all", action="store_true", help="all of torchvision's classifiers")
    parser.add_argument("--timm", action="store_true", help="TIMM after the others")
    parser.add_argument("--again", action="store_true", help="also what has enough plans")
    parser.add_argument("--minutes", type=float, default=10, help="most time for one network")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--summary", action="store_true")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(tried(options.one, options.plans, options.minutes)))
    elif options.summary:
        TABLE.write_text(table(results()))
    else:
        for name in options.only or names(everything=options.all, timm=options.timm):
            if options.again or results().get(name, {}).get("plans", -1) < options.plans:
                keep(in_a_process(name, options.plans, options.minutes))


def names(*, everything: bool, timm: bool = False) -> list[str]:
    from torchvision import models

    listed = [*sample_names(), *OURS, *NAMED]
    listed += [n for n in models.list_models(module=models) if everything and n not in listed]
    return listed + [f"timm:{name}" for name in TIMM if timm]


def in_a_process(name: str, plans: int, minutes: float) -> dict[str, Any]:
    """The line of one network, tried in a process of its own: its memory ends with it."""
    command = [sys.executable, __file__, "--one", name, f"--plans={plans}", f"--minutes={minutes}"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        return {"name": name, "opens": False, "why": last, "plans": 0}
    return json.loads(done.stdout.strip().splitlines()[-1])


def tried(name: str, plans: int, minutes: float) -> dict[str, Any]:
    """Open, read and cut one network; as one flat record."""
    started = time.perf_counter()
    line: dict[str, Any] = {"name": name, "opens": False, "plans": 0, "why": ""}
    try:
        model = opened(name)
        line |= {"opens": True, "input": list(model.input_shape), "params": count_params(model)}
        line["macs"] = count_macs(model)
        before = time.perf_counter()
        network = sfp.read_network(model)
        line["read_s"] = round(time.perf_counter() - before, 2)
    except SfpError as problem:
        return {**line, "why": str(problem)}
    line |= {"groups": len(network.groups), "free": len(network.free)}
    protected = [group for group in network.groups if group.protected]
    line["protected"] = dict(sorted({cause_sentence(g): g.name for g in protected}.items()))
    if not network.free:
        untraced = [g for g in protected if g.cause and g.cause.kind == "untraceable_network"]
        line["why"] = cause_sentence(untraced[0]) if untraced else "Every group is protected."
        return line
    shown = sfp.cost(network)
    line["whole"] = (shown.macs, shown.params) == (line["macs"], line["params"])
    kept_macs = []
    for seed in range(plans):
        if seed > 1 and time.perf_counter() - started > 60 * minutes:
            break
        problem, share = problem_of(model, network, drawn(network, seed))
        if problem:
            line["why"] = f"plan {seed}: {problem}"
            break
        kept_macs.append(share)
        line["plans"] += 1
    if line["plans"]:
        line["reopened"] = reopened(sfp.prune(model, drawn(network, 0), network=network)) or True
    line["macs_left"] = [round(x, 3) for x in (min(kept_macs), max(kept_macs))] if kept_macs else []
    line["seconds"] = round(time.perf_counter() - started, 1)
    line["peak_gb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 1)
    return line


def opened(name: str) -> Model:
    """A sample, one of ours, or torchvision's network on the smallest image that it takes."""
    if name in sample_names():
        return sfp.load_model(name)
    if name in OURS:
        architecture, arguments, shape = OURS[name]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return Model(architectures.build(architecture, arguments), name=name, input_shape=shape)
    problem: SfpError | None = None
    for size in SIZES:
        try:
            full = name if ":" in name else f"torchvision:{name}"
            model = sfp.load_model(full, input_shape=(3, size, size))
            execute(model.module, model.input_shape, name=name)
            return model
        except SfpError as error:
            problem = error
    raise problem or ValueError(name)


def drawn(network: Network, seed: int) -> Plan:
    """Random filters of every group that may be cut: from none to all but one."""
    source = np.random.default_rng(seed)
    removals = []
    for group in network.free:
        count = int(source.integers(0, group.size))
        units = np.sort(source.choice(group.size, count, replace=False)).tolist()
        removals.append(Removal(group.name, tuple(units), (Reason("random"),) * count))
    edits = sfp.Edits(network.digest)
    return Plan(network.digest, sfp.Recipe(), edits, tuple(r for r in removals if r.filters))


def problem_of(model: Model, network: Network, plan: Plan) -> tuple[str, float]:
    """What goes wrong when ``plan`` is carried out, '' if nothing; and the share of MACs left."""
    shown = sfp.cost(network, plan)
    try:
        pruned = sfp.prune(model, plan, network=network)  # compares with the silenced network
    except SfpError as problem:
        return str(problem), 1.0
    counted = (count_macs(pruned), count_params(pruned), peak_bytes(pruned))
    if counted != (shown.macs, shown.params, shown.peak_activation_bytes):
        return f"shown {shown}, counted {counted}", 1.0
    try:
        problem = untrainable(pruned)
    except Exception as error:  # any failure is a result
        problem = f"{type(error).__name__}: {error}"
    del pruned
    gc.collect()
    return problem, shown.macs / sfp.cost(network).macs


def reopened(pruned: Model) -> str:
    """What is wrong with the saved file of a pruned network when it is opened; '' if nothing."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pruned.safetensors"
        try:
            sfp.save_model(pruned, path)
            again = sfp.load_model(path)
        except SfpError as problem:
            return str(problem)
    images = torch.randn(2, *pruned.input_shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        outputs = [tensors_of(model.module.eval()(images)) for model in (pruned, again)]
    same = all(torch.equal(one, other) for one, other in zip(*outputs, strict=True))
    return "" if same else "it computes something else"


def peak_bytes(model: Model) -> int:
    """Most float32 bytes that one convolution or linear layer reads and writes, by its calls."""
    calls = execute(model.module, model.input_shape).calls
    kinds = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
    layers = [calls[n] for n, layer in model.module.named_modules() if isinstance(layer, kinds)]
    pairs = [pair for shapes in layers for pair in shapes]
    return max(4 * (int(np.prod(ins[1:])) + int(np.prod(outs[1:]))) for ins, outs in pairs)


def untrainable(model: Model) -> str:
    """Why a forward and backward pass in training mode fails; '' when it works."""
    module = model.module.train()
    torch.manual_seed(0)
    outputs = tensors_of(module(torch.randn(2, *model.input_shape)))
    if model.architecture and outputs[0].shape != (2, model.classes):
        return f"its output has the shape {tuple(outputs[0].shape)}"
    torch.stack([out.square().mean() for out in outputs]).sum().backward()
    gradients = {n: p.grad for n, p in module.named_parameters() if p.requires_grad}
    bad = [n for n, grad in gradients.items() if grad is None or not grad.isfinite().all()]
    return f"no usable gradient for {', '.join(bad[:3])}" if bad else ""


def keep(line: dict[str, Any]) -> None:
    """Append a line with the commit of the code; of two with one name the later counts."""
    command = ["git", "describe", "--always", "--dirty"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=RESULTS.parent)
    line["commit"] = done.stdout.strip()
    RESULTS.mkdir(parents=True, exist_ok=True)
    with LINES.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
    print(f"{line['name']}: {line['plans']} plans {line['why']}", flush=True)


def results() -> dict[str, dict[str, Any]]:
    if not LINES.exists():
        return {}
    return {(line := json.loads(text))["name"]: line for text in LINES.read_text().splitlines()}


def table(lines: dict[str, dict[str, Any]]) -> str:
    """The Markdown page."""
    whole = [line for line in lines.values() if line["plans"] and not line["why"]]
    head = [
        "# Which networks open, plan, prune and train",
        "",
        "Written by `python benchmarks/zoo.py --summary`; every number is counted or measured.",
        "Untrained weights (seed 0). A random plan keeps one to all filters in every free group.",
        "It passes when the shown MACs, params and peak activation memory equal a count on the",
        "really pruned network, its output equals that of the silenced one, and a forward and",
        "backward pass in training mode give finite gradients. The first pruned network is saved,",
        "opened again, and must compute the same. "
        f"{len(whole)} of {len(lines)} networks pass all of their "
        f"{sum(line['plans'] for line in whole)} plans; the others say why they are not cut.",
        states_of(lines),
        "",
        "| network | input | params | groups | free | read | plans passed "
        "| saved and reopened | MACs left | why not |",
        "|---|---|--:|--:|--:|--:|--:|---|---|---|",
    ]
    return "\n".join([*head, *(row(line) for line in lines.values())]) + "\n"


def states_of(lines: dict[str, dict[str, Any]]) -> str:
    """Which commits of the code the lines come from, so that figures of several are not mixed."""
    counts = Counter(line.get("commit", "version 0.1") for line in lines.values())
    counted = ", ".join(f"{state} ({count})" for state, count in counts.most_common())
    return f"Networks by the commit that they were tried with: {counted}."


def row(line: dict[str, Any]) -> str:
    size = "x".join(str(n) for n in line.get("input", ())) or "–"
    left = " to ".join(f"{100 * x:.0f} %" for x in line.get("macs_left", ())) or "–"
    params = f"{line['params'] / 1e6:.2f} M" if "params" in line else "–"
    read = f"{line['read_s']:.1f} s" if "read_s" in line else "–"
    why = line["why"].replace("|", "/").replace("\n", " ")
    cells = [line["name"], size, params, line.get("groups", "–"), line.get("free", "–"), read]
    kept = line.get("reopened", "–")  # True, what is wrong, or not tried
    kept = "yes" if kept is True else str(kept).replace("|", "/").replace("\n", " ")
    return "| " + " | ".join(str(x) for x in [*cells, line["plans"], kept, left, why]) + " |"


if __name__ == "__main__":
    main()
