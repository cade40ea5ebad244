"""Which networks come back from a .pt2 file as they went in: torchvision's, ours, timm's.

    python benchmarks/exported_zoo.py [--only NAME ...] [--summary]

Weights are drawn with seed 0. Each network is exported for any number of images and for exactly
one, read from the file without its code, and compared with the original module: outputs at batches
of 1 and 3, groups and which of them are protected, costs, a plan, the outputs of the network pruned
by it, and those of that network saved and opened again. One JSON line a network goes to
docs/results/exported_zoo.jsonl; a network there is not tried again. ``--summary`` writes
docs/results/exported_zoo.md.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import zoo

import sfp_viz as sfp
from sfp_viz.errors import SfpError
from sfp_viz.nets.model import Model

LINES, TABLE = zoo.RESULTS / "exported_zoo.jsonl", zoo.RESULTS / "exported_zoo.md"
TIMM = (
    "resnet18", "resnet50d", "resnetv2_50", "seresnet18", "ecaresnet26t", "skresnet18",
    "resnest14d",
    "resnext26ts", "res2net50_26w_4s", "efficientnet_lite0", "tf_efficientnet_b0", "mixnet_s",
    "mobilenetv3_small_075", "mobilenetv4_conv_small", "lcnet_050", "tinynet_e", "hardcorenas_a",
    "ghostnet_100", "repvgg_a0", "mobileone_s0", "rexnet_100", "regnety_002", "regnetz_b16",
    "densenet121", "dla34", "hrnet_w18_small", "cspresnet50", "cspdarknet53", "darknet53",
    "ese_vovnet19b_dw", "selecsls42b", "xception41", "inception_v4", "inception_next_atto",
    "convnext_atto", "convnextv2_atto", "fastvit_t8", "edgenext_xx_small", "mobilevit_xxs",
    "legacy_senet154", "nf_resnet50", "vgg11_bn", "pvt_v2_b0", "poolformer_s12",
)  # fmt: skip
HEADER = (
    "| network | free groups: module, file | same groups | same cost | same plan | outputs "
    "| pruned | saved | one image |\n" + "|---" * 9 + "|"
)
SHARE = 0.2  # of MACs, that the plan removes


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--minutes", type=float, default=10, help="most time for one network")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--summary", action="store_true")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(tried(options.one)))
    elif options.summary:
        TABLE.write_text(table(results()))
    else:
        timm = [f"timm:{name}" for name in TIMM]
        everything = dict.fromkeys(
            [*zoo.names(everything=False), *timm, *zoo.names(everything=True)]
        )
        for name in options.only or everything:
            if options.only or name not in results():
                line = in_a_process(name, options.minutes)
                with LINES.open("a") as file:
                    file.write(json.dumps(line) + "\n")
                print(json.dumps(line), flush=True)


def results() -> dict[str, dict[str, Any]]:
    """The last line of each network."""
    if not LINES.is_file():
        return {}
    lines = [json.loads(line) for line in LINES.read_text().splitlines()]
    return {line["network"]: line for line in lines}


def in_a_process(name: str, minutes: float) -> dict[str, Any]:
    """One network in a process of its own."""
    command = [sys.executable, __file__, "--one", name]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60 * minutes)
    except subprocess.TimeoutExpired:
        return {"network": name, "problem": f"not done in {minutes:g} minutes"}
    if done.returncode or not done.stdout.strip():
        last = (done.stderr.strip().splitlines() or ["killed"])[-1][:300]
        return {"network": name, "problem": f"the process ended: {last}"}
    return json.loads(done.stdout.strip().splitlines()[-1])


def tried(name: str) -> dict[str, Any]:
    """What became of one network."""
    torch.set_num_threads(1)
    model = opened(name)
    line: dict[str, Any] = {"network": name, "input": list(model.input_shape)}
    with tempfile.TemporaryDirectory() as folder:
        for kind, batch in (("any batch", None), ("one image", 1)):
            try:
                line |= {kind: compared(model, Path(folder), batch)}
            except SfpError as problem:
                line[kind] = {"problem": str(problem).splitlines()[0][:400]}
            except Exception as problem:
                line[kind] = {"problem": f"{type(problem).__name__}: {problem}"[:400]}
    return line


def opened(name: str) -> Model:
    """As ``zoo.opened``; timm's networks too."""
    if not name.startswith("timm:"):
        return zoo.opened(name)
    problem: SfpError | None = None
    for side in zoo.SIZES:
        try:
            return sfp.load_model(name, input_shape=(3, side, side))
        except SfpError as error:
            problem = error
    raise problem or ValueError(name)


def compared(model: Model, folder: Path, batch: int | None) -> dict[str, Any]:
    """The network's file beside the network itself."""
    shapes = None if batch else ({0: torch.export.Dim("batch")},)
    images = torch.zeros(batch or 2, *model.input_shape)
    path = folder / "network.pt2"
    try:
        program = torch.export.export(model.module, (images,), dynamic_shapes=shapes)
    except Exception as problem:
        return {"problem": f"torch.export: {str(problem).strip().splitlines()[0][:200]}"}
    torch.export.save(program, path)
    start = time.perf_counter()
    opened = sfp.load_model(path)
    facts: dict[str, Any] = {
        "seconds": round(time.perf_counter() - start, 2),
        "bytes": path.stat().st_size,
        "difference": difference(model, opened),
    }
    if batch:
        return facts
    original, network = sfp.read_network(model), sfp.read_network(opened)
    facts |= {
        "groups": len(original.groups),
        "free": [sum(not g.protected for g in n.groups) for n in (original, network)],
        "same groups": rows(original) == rows(network),
        "same cost": sfp.cost(original) == sfp.cost(network),
    }
    recipe = sfp.recipes.uniform_l1(SHARE)
    try:
        plan = sfp.make_plan(network, sfp.analyze(network, recipe), recipe)
    except SfpError as problem:
        return facts | {"plan": str(problem).splitlines()[0][:200]}
    if rows(original) == rows(network):
        other = sfp.make_plan(original, sfp.analyze(original, recipe), recipe)
        facts["same plan"] = all(
            plan.removed(g.name) == other.removed(g.name) for g in network.groups
        )
    pruned = sfp.prune(opened, plan)
    if facts.get("same plan"):
        whole = replace(model, digest=other.digest) if model.digest != other.digest else model
        facts["pruned difference"] = difference(sfp.prune(whole, other), pruned)
    sfp.save_model(pruned, folder / "pruned.safetensors")
    again = sfp.load_model(folder / "pruned.safetensors")
    facts["saved difference"] = difference(pruned, again)
    return facts


def rows(network: sfp.Network) -> list[tuple[Any, ...]]:
    """The groups without the words of their reasons."""
    return [(g.name, g.layers, g.size, g.protected, g.followers) for g in network.groups]


def difference(one: Model, other: Model) -> float:
    """The largest difference of outputs, as a share of the largest output."""
    largest = 0.0
    for batch in (1, 3):
        draw = torch.Generator().manual_seed(0)
        images = torch.randn(batch, *one.input_shape, generator=draw)
        with torch.inference_mode():
            expected, outputs = one.module.eval()(images), other.module.eval()(images)
        largest = max(largest, float((expected - outputs).abs().max() / expected.abs().max()))
    return largest


def table(lines: dict[str, dict[str, Any]]) -> str:
    """The results in Markdown."""
    body = "\n".join(row(line) for line in lines.values())
    same = [line for line in lines.values() if line.get("any batch", {}).get("same groups")]
    return f"""# Networks as .pt2 files

Each network was exported with torch.export, opened from the file without its code, and compared
with the original module (`python benchmarks/exported_zoo.py`; weights are random, seed 0). Of
{len(lines)} networks {len(same)} have the same groups. Differences are shares of the largest
output.

{HEADER}
{body}
"""


def row(line: dict[str, Any]) -> str:
    """One network."""
    facts, single = line.get("any batch", {}), line.get("one image", {})
    problem = line.get("problem") or facts.get("problem")
    alone = single.get("problem") or number(single.get("difference"))
    if problem:
        return f"| {line['network']} | {problem} | | | | | | | {alone} |"
    cells = [
        line["network"],
        f"{facts['free'][0]}, {facts['free'][1]} of {facts['groups']}",
        *(answer(facts.get(k)) for k in ("same groups", "same cost", "same plan")),
        *(number(facts.get(k)) for k in ("difference", "pruned difference", "saved difference")),
        alone,
    ]
    return "| " + " | ".join(cells) + " |"


def answer(value: bool | None) -> str:
    return "" if value is None else "yes" if value else "**no**"


def number(value: float | None) -> str:
    return "" if value is None else f"{value:.0e}" if value else "0"


if __name__ == "__main__":
    main()
