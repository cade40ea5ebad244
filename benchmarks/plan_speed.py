"""Plan to numbers: our cost of a plan against pruning a copy and counting, as Torch-Pruning does.

    python benchmarks/plan_speed.py [--plans 50] [--network resnet50] [--size 224] [--json]

For each of ``--plans`` different plans of an untrained ResNet-50: (1) the cost of given widths,
(2) suggestion and cost together, at a target of its own, (3) what users of Torch-Pruning do: copy
the network, build a pruner with a ratio for each layer, step, count. The three are timed in turn
within one run, so that the load of the machine falls on all; the aim is (3) at least 100 times
(2). Writes docs/results/plan_speed.json. Dispersions are drawn: they cost no time here.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import platform
import resource
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

import sfp_viz as sfp
from sfp_viz.core.allocation.allocate import allocated_widths
from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.cost.cost import Cost, cost_of_widths
from sfp_viz.core.network import Network
from sfp_viz.core.plan.request import Request
from sfp_viz.nets.model import Model

RESULTS = Path(__file__).resolve().parent.parent / "docs" / "results" / "plan_speed.json"


def timed(act: Callable[..., Any], *arguments: Any) -> tuple[float, Any]:
    """Milliseconds, and what came of it."""
    started = time.perf_counter()
    result = act(*arguments)
    return (time.perf_counter() - started) * 1e3, result


def torch_pruning_counts(model: Model, kept: dict[str, int], network: Network) -> tuple[int, int]:
    """MACs and params of a pruned copy: the way of Torch-Pruning's own examples."""
    import torch_pruning as tp

    module = copy.deepcopy(model.module)
    image = torch.zeros(1, *model.input_shape)
    ratios: Any = {
        module.get_submodule(layer): 1 - kept[group.name] / group.size
        for group in network.groups
        for layer in group.layers
    }
    outputs: Any = [layer for layer in module.modules() if isinstance(layer, torch.nn.Linear)]
    pruner = tp.pruner.MagnitudePruner(
        module,
        image,
        importance=tp.importance.MagnitudeImportance(p=1),
        pruning_ratio_dict=ratios,
        ignored_layers=outputs,
    )
    pruner.step()
    macs, params, *_ = tp.utils.count_ops_and_params(module, image)
    return int(macs), int(params)


def drawn(network: Network, seed: int) -> tuple[dict[str, int], dict[str, float], float]:
    """Widths, dispersions and a target of one plan."""
    source = np.random.default_rng(seed)
    kept = {g.name: int(source.integers(max(1, g.size // 4), g.size + 1)) for g in network.free}
    spread = {g.name: float(source.uniform(0.2, 1)) for g in network.groups}
    return kept, spread, round(float(source.uniform(0.2, 0.7)), 3)


def measure(name: str, size: int, plans: int) -> dict[str, Any]:
    load = os.getloadavg()[0]
    started = time.perf_counter()
    model = sfp.load_model(f"torchvision:{name}", input_shape=(3, size, size))
    opening = (time.perf_counter() - started) * 1e3
    reading, network = timed(sfp.read_network, model)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    times: dict[str, list[float]] = {"widths": [], "suggested": [], "pruned": []}
    equal = 0
    for seed in range(plans):
        kept, spread, target = drawn(network, seed)
        recipe = sfp.Recipe(target_reduction=target, coupled="shared")
        spent, shown = timed(cost_of_widths, network, kept)
        times["widths"].append(spent)
        spent, suggested = timed(suggestion, network, spread, recipe)
        times["suggested"].append(spent)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            spent, counted = timed(torch_pruning_counts, model, suggested[0], network)
        times["pruned"].append(spent)
        equal += counted[1] == suggested[1].params
        assert shown.macs > 0
    shares = [a / b for a, b in zip(times["pruned"], times["suggested"], strict=True)]
    middle = {key: statistics.median(values) for key, values in times.items()}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "network": name,
        "input": [3, size, size],
        "groups": len(network.groups),
        "plans": plans,
        "cost_of_widths_ms": middle["widths"],
        "suggestion_and_cost_ms": middle["suggested"],
        "prune_a_copy_and_count_ms": middle["pruned"],
        "times_faster_with_suggestion": middle["pruned"] / middle["suggested"],
        "times_faster_cost_alone": middle["pruned"] / middle["widths"],
        "least_times_faster": min(shares),
        "same_params": equal,
        "opening_s": opening / 1e3,
        "reading_s": reading / 1e3,
        "peak_mb_after_reading": before,
        "peak_mb": peak,
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "processor": processor(),
        "load_before": load,
        "python": platform.python_version(),
        "torch": torch.__version__,
    }  # fmt: skip


def suggestion(
    network: Network, spread: dict[str, float], recipe: sfp.Recipe
) -> tuple[dict[str, int], Cost]:
    kept = allocated_widths(Problem(network, Request(recipe), dispersions=spread))
    return kept, cost_of_widths(network, kept)


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), "")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--plans", type=int, default=50)
    parser.add_argument("--network", default="resnet50")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    results = measure(options.network, options.size, options.plans)
    results = {k: round(v, 3) if isinstance(v, float) else v for k, v in results.items()}
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    if options.json:
        print(json.dumps(results))
        return
    aims = {"cost_of_widths_ms": "under 5", "times_faster_with_suggestion": "at least 100"}
    for name, value in results.items():
        aim = f"   aim: {aims[name]}" if name in aims else ""
        print(f"{name:<30} {value!s:>14}{aim}")


if __name__ == "__main__":
    main()
