"""Commands that prune, measure and export networks. They load torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sfp_viz.cli.options.arguments import data_name, find_digest, find_model, read_plan
from sfp_viz.cli.output.repair import error_lines, repair_to_dict
from sfp_viz.cli.output.text import fact_list, print_result, with_json
from sfp_viz.core.measurement import Measured
from sfp_viz.core.plan.recipe import WITHOUT_IMAGES
from sfp_viz.errors import PlanError
from sfp_viz.text.numbers import change, count, difference_text, percent, size, span
from sfp_viz.text.recipe import NORMS_KEPT

if TYPE_CHECKING:
    from sfp_viz.core.plan.plan import Plan
    from sfp_viz.core.plan.prune_report import PruneReport
    from sfp_viz.nets.evaluation.prune_stages import Stage
    from sfp_viz.nets.export.onnx_int8 import Int8Report
    from sfp_viz.nets.model import Model

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("plan_file", type=_FILE)
@click.option(
    "--model",
    "net",
    metavar="NET",
    help="The network, if it is neither a sample, nor imported, nor a file beside the plan.",
)
@click.option("--data", help="Images for BatchNorm, compensation and the test.")
@click.option("--no-measure", is_flag=True, help="Do not measure accuracy.")
@click.option("-o", "--output", type=_FILE, required=True, help="Write the pruned network here.")
@with_json
def prune(
    plan_file: Path,
    net: str | None,
    data: str | None,
    no_measure: bool,
    output: Path,
    as_json: bool,
) -> None:
    """Prune a copy of a network by a plan."""
    from sfp_viz.nets.evaluation.measure import count_macs, count_params
    from sfp_viz.nets.io.model_file import save_model
    from sfp_viz.nets.tracing.execution import BATCH_NORMS

    plan = read_plan(plan_file)
    model = find_model(net or find_digest(plan.digest, plan_file.parent))
    pruned, stages, repair = _pruned(model, plan, data, measured=not no_measure)
    save_model(pruned, output)
    pair = (model, pruned)
    macs, params = [count_macs(m) for m in pair], [count_params(m) for m in pair]
    value: dict[str, Any] = {"file": str(output), "bytes": output.stat().st_size}
    value |= {"counted": {"macs": macs, "params": params}, "measured": None}
    value["repair"] = repair_to_dict(plan.recipe.compensation, repair)
    lines = [
        ("MACs (counted)", f"{count(macs[0])} -> {count(macs[1])}  {change(*macs)}"),
        ("params (counted)", f"{count(params[0])} -> {count(params[1])}  {change(*params)}"),
    ]
    if stages:
        accuracies = [(stage.name, stage.measured()) for stage in stages]
        value["measured"] = {
            "unpruned": _accuracy(accuracies[0][1]),
            "one_shot": _accuracy(accuracies[-1][1]),
            "stages": [{"stage": name, **_accuracy(accuracy)} for name, accuracy in accuracies],
            "notes": list(repair.notes),
        }
        lines += [(name, _words(accuracy)) for name, accuracy in accuracies[:-1]]
        lines += [("one-shot accuracy", _words(accuracies[-1][1]))]
    lines += [("refit error", line) for line in error_lines(repair)]
    lines += [("note", note) for note in repair.notes]
    if not data:
        norms = any(isinstance(layer, BATCH_NORMS) for layer in model.module.modules())
        note = f"Without --data no accuracy was measured{f', and {NORMS_KEPT}' if norms else '.'}"
        if plan.recipe.compensation not in WITHOUT_IMAGES:
            note += " To compensate, prune with --data."
        lines.append(("note", note))
    lines.append(("written to", f"{output}, {size(value['bytes'])}"))
    print_result(value, fact_list(lines), as_json=as_json)


def _pruned(
    model: Model, plan: Plan, data: str | None, *, measured: bool
) -> tuple[Model, list[Stage], PruneReport]:
    """The pruned network, its accuracy after each stage where there are images for it, and what
    compensation did."""
    from sfp_viz.core.plan.prune_report import PruneReport
    from sfp_viz.nets.data.datasets import load_data
    from sfp_viz.nets.evaluation.prune_stages import stages
    from sfp_viz.nets.pruning.prune import prune_with_report

    images = load_data(data, "train") if data else None
    if images is None or not measured:
        small, repair = prune_with_report(model, plan, calibration=images)
        return small, [], repair
    done = list(stages(model, plan, images, load_data(data or "", "test")))
    notes = tuple(note for stage in done for note in stage.notes)
    layers = tuple(layer for stage in done for layer in stage.layers)
    return done[-1].model, done, PruneReport(done[-1].model.added_biases, notes, layers)


@click.command()
@click.argument("net")
@click.option("--data", help="Images to test with; the network's own by default.")
@click.option("--split", type=click.Choice(["test", "train"]), default="test", show_default=True,
              help="The part of the images to test with.")  # fmt: skip
@click.option("--images", "limit", type=click.IntRange(1), help="Test with the first N only.")
@click.option("--latency", is_flag=True, help="Also measure the time of a forward pass.")
@with_json
def measure(
    net: str, data: str | None, split: Any, limit: int | None, latency: bool, as_json: bool
) -> None:
    """Measure the accuracy of NET; count MACs and params."""
    from sfp_viz.nets.data.datasets import load_data
    from sfp_viz.nets.evaluation import measure as ruler

    model = find_model(net)
    images = load_data(data_name(model, data), split, limit=limit)
    measured = ruler.measure_accuracy(model, images)
    macs, params = ruler.count_macs(model), ruler.count_params(model)
    value: dict[str, Any] = {"network": model.name, "digest": model.digest}
    value |= {"measured": _accuracy(measured), "counted": {"macs": macs, "params": params}}
    lines = [
        ("network", f"{model.name} ({model.digest})"),
        ("accuracy", _words(measured)),
        ("MACs (counted)", f"{count(macs)}  ({macs:,})"),
        ("params (counted)", f"{count(params)}  ({params:,})"),
    ]
    if latency:
        time = ruler.measure_latency(model)
        low, high = time.latency_iqr_ms or (0.0, 0.0)
        value["measured"]["latency_ms"] = time.latency_ms
        value["measured"]["threads"] = time.threads
        text = f"{time.latency_ms:.2f} ms, quartiles {low:.2f} to {high:.2f}"
        lines.append(("latency", f"{text}  (measured, batch 1, {time.threads} threads)"))
    print_result(value, fact_list(lines), as_json=as_json)


@click.command()
@click.argument("net")
@click.option("--onnx", type=_FILE, help="Write ONNX, checked with onnxruntime.")
@click.option(
    "--onnx-int8",
    "int8",
    type=_FILE,
    help="Write ONNX in int8 (static quantization), calibrated on --data and measured "
    "beside the float32 file.",
)
@click.option("--data", help="Images for --onnx-int8; the network's own by default.")
@click.option(
    "--images",
    "limit",
    type=click.IntRange(1),
    help="Test images that measure --onnx-int8; all by default.",
)
@click.option(
    "--pt2", "--torch", "program", type=_FILE, help="Write a torch.export program (.pt2)."
)
@click.option(
    "--safetensors", "weights", type=_FILE, help="Write a safetensors file that is a NET."
)
@click.option(
    "--state-dict",
    type=_FILE,
    help="Write the plain state_dict, for use without sfp-viz: .pt or .safetensors.",
)
@click.option(
    "--code",
    type=_FILE,
    help="Write the Python file that builds the network of --state-dict and loads it, in "
    "plain PyTorch.",
)
@click.option("--recipe", type=_FILE, help="Write the recipe by which it was pruned last.")
@click.option("--plan", "plan_file", type=_FILE, help="Write the plan of its last pruning.")
@click.option(
    "--node-data",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write the kept share, redundancy and MACs of each layer into this folder, as "
    "node data for Model Explorer; it shows them on the --pt2 file.",
)
@click.option("--stripes", type=click.Choice(["kept", "all", "smaller", "zeros"]), default="kept",
              show_default=True,
              help="How layers with dead stripes are written. kept: as in the file of NET; all: "
              "each dead stripe is skipped, usually slower on a CPU; smaller: kernels are cropped "
              "where a border is dead in all filters; zeros: kept as zeros.")  # fmt: skip
@with_json
def export(
    net: str,
    onnx: Path | None,
    int8: Path | None,
    data: str | None,
    limit: int | None,
    program: Path | None,
    weights: Path | None,
    state_dict: Path | None,
    code: Path | None,
    recipe: Path | None,
    plan_file: Path | None,
    node_data: Path | None,
    stripes: str,
    as_json: bool,
) -> None:
    """Write NET for other tools.

    Each written file is run at batches of 1, 3 and 32 first: its largest difference from NET, as a
    share of the outputs' scale, is shown, and a file that differs is not written.
    """
    if code and not state_dict:
        raise click.UsageError("--code loads a state_dict: write it with --state-dict FILE.")
    if not (onnx or int8 or program or weights or state_dict or recipe or plan_file or node_data):
        raise click.UsageError(
            "Choose what to write: --onnx, --onnx-int8, --pt2, --safetensors, --state-dict, "
            "--recipe, --plan or --node-data."
        )
    from sfp_viz.core.plan.plan import plan_to_json, recipe_to_json
    from sfp_viz.files import write_text
    from sfp_viz.nets.export.model_file import export_model
    from sfp_viz.nets.export.node_data import export_node_data
    from sfp_viz.nets.export.onnx_file import export_onnx
    from sfp_viz.nets.export.state_dict_file import export_state_dict
    from sfp_viz.nets.io.exported_file import export_pt2

    model = _with_stripes(find_model(net), net, stripes)
    written: dict[Path, float | None] = {}  # the largest difference, where there is one
    if (recipe or plan_file) and not model.plans:
        raise PlanError(f"The network '{model.name}' was never pruned, so it has no recipe.")
    if recipe:
        write_text(recipe, recipe_to_json(model.plans[-1].recipe))
        written[recipe] = None
    if plan_file:
        write_text(plan_file, plan_to_json(model.plans[-1]))
        written[plan_file] = None
    if weights:
        written[weights] = export_model(model, weights)
    if state_dict:
        written[state_dict] = export_state_dict(model, state_dict, code)
    if code:
        written[code] = None
    if program:
        written[program] = export_pt2(model, program)
    if node_data:
        written |= dict.fromkeys(export_node_data(model, node_data))
    if onnx:
        written[onnx] = export_onnx(model, onnx)
    report = _int8(model, int8, data_name(model, data), limit) if int8 else None
    if report and int8:
        written[int8] = report.difference
    value: dict[str, Any] = {}
    lines = []
    for path, difference in written.items():
        value[str(path)] = {"difference": difference, "bytes": path.stat().st_size}
        words = "" if difference is None else f", {difference_text(difference)}"
        lines.append((str(path), f"{size(path.stat().st_size)}{words}"))
    if report and int8:
        value[str(int8)] |= {"calibration_images": report.calibration}
        for name, measured, total in zip(
            ("float32", "int8"), report.measured, report.bytes, strict=True
        ):
            value[str(int8)][name] = {
                **_accuracy(measured), "latency_ms": measured.latency_ms, "bytes": total,
            }  # fmt: skip
            low, high = measured.latency_iqr_ms or (0.0, 0.0)
            time = f"{measured.latency_ms:.2f} ms, quartiles {low:.2f} to {high:.2f}"
            lines.append((f"{name} accuracy", _words(measured)))
            lines.append((f"{name} latency", f"{time}  (measured in onnxruntime, batch 1, "
                          f"{measured.threads} threads)"))  # fmt: skip
    print_result(value, fact_list(lines), as_json=as_json)


def _int8(model: Model, path: Path, data: str, limit: int | None) -> Int8Report:
    """Write the int8 file; the progress is shown on stderr, and Ctrl-C leaves no file."""
    from sfp_viz.nets.data.datasets import load_data
    from sfp_viz.nets.export.onnx_int8 import export_onnx_int8

    return export_onnx_int8(
        model, path, load_data(data, "train"), load_data(data, "test", limit=limit),
        progress=lambda line: click.echo(line, err=True),
    )  # fmt: skip


def _with_stripes(model: Model, net: str, how: str) -> Model:
    """The network with its dead stripes left out, as its file says or as asked, or as it is."""
    from sfp_viz.nets.io.model_file import read_header
    from sfp_viz.nets.stripes.striped_file import load_striped
    from sfp_viz.nets.stripes.striped_model import striped

    if how in ("all", "smaller"):
        return striped(model, kind="stripes" if how == "all" else "smaller")[0]
    file = Path(net)
    has_header = (
        how == "kept" and file.suffix == ".safetensors" and file.is_file() and read_header(file)
    )
    return load_striped(file) if has_header else model


def _accuracy(measured: Measured) -> dict[str, Any]:
    return {"accuracy": measured.accuracy, "interval": measured.interval, "images": measured.images,
            "data": measured.data}  # fmt: skip


def _words(measured: Measured) -> str:
    images = f"{measured.images:,} images, {measured.data}"
    return (
        f"{percent(measured.accuracy or 0.0)}  (measured on {images}; 95 % interval "
        f"{span(measured.interval)})"
    )
