"""Commands that make networks: prune, measure, finetune, export. They load torch."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from sfp_viz.cli.find import find_digest, find_model
from sfp_viz.cli.running import follow, run_value
from sfp_viz.cli.text import facts, say, with_json
from sfp_viz.core.plan import Plan, plan_from_json
from sfp_viz.core.training import Augmentation, Distillation, Measured, Precision, Schedule
from sfp_viz.errors import PlanError, RunError, SfpError
from sfp_viz.figures.numbers import change, count, percent, size, span
from sfp_viz.runs.folder import create_run, home

if TYPE_CHECKING:
    from sfp_viz.nets.model import Model

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("plan_file", type=_FILE)
@click.option("--model", "net", metavar="NET", help="The network, where the digest is not enough.")
@click.option("--data", help="Images to re-estimate BatchNorm, compensate, and test with.")
@click.option("--no-measure", is_flag=True, help="Do not measure accuracies.")
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
    """Cut the filters of a plan out of a copy of its network."""
    from sfp_viz.nets.data import load_data
    from sfp_viz.nets.measure import count_macs, count_params, measure_accuracy
    from sfp_viz.nets.saved import save_model
    from sfp_viz.nets.surgery import prune as cut

    plan = _read_plan(plan_file)
    model = find_model(net or find_digest(plan.digest))
    pruned = cut(model, plan, calibration=load_data(data, "train") if data else None)
    save_model(pruned, output)
    pair = (model, pruned)
    macs, params = [count_macs(m) for m in pair], [count_params(m) for m in pair]
    value: dict[str, Any] = {"file": str(output), "bytes": output.stat().st_size}
    value |= {"counted": {"macs": macs, "params": params}, "measured": None}
    lines = [
        ("MACs (counted)", f"{count(macs[0])} -> {count(macs[1])}  {change(*macs)}"),
        ("params (counted)", f"{count(params[0])} -> {count(params[1])}  {change(*params)}"),
    ]
    if data and not no_measure:
        images = load_data(data, "test")
        before, after = (measure_accuracy(m, images) for m in pair)
        value["measured"] = {"unpruned": _accuracy(before), "one_shot": _accuracy(after)}
        lines += [("unpruned", _words(before)), ("one-shot accuracy", _words(after))]
    if not data:
        note = "Without --data no accuracy was measured, and BatchNorm keeps its old statistics."
        lines.append(("note", note))
    lines.append(("written to", f"{output}, {size(value['bytes'])}"))
    say(value, facts(lines), as_json=as_json)


@click.command()
@click.argument("net")
@click.option("--data", help="Images to test with; the network's own by default.")
@click.option("--split", type=click.Choice(["test", "train"]), default="test", show_default=True)
@click.option("--images", "limit", type=click.IntRange(1), help="Test with the first N only.")
@click.option("--latency", is_flag=True, help="Measure the time of a forward pass too.")
@with_json
def measure(
    net: str, data: str | None, split: Any, limit: int | None, latency: bool, as_json: bool
) -> None:
    """Measure the accuracy of NET, and count its MACs and params."""
    from sfp_viz.nets import measure as ruler
    from sfp_viz.nets.data import load_data

    model = find_model(net)
    images = load_data(_data_of(model, data), split, limit=limit)
    found = ruler.measure_accuracy(model, images)
    macs, params = ruler.count_macs(model), ruler.count_params(model)
    value: dict[str, Any] = {"network": model.name, "digest": model.digest}
    value |= {"measured": _accuracy(found), "counted": {"macs": macs, "params": params}}
    lines = [
        ("network", f"{model.name} ({model.digest})"),
        ("accuracy", _words(found)),
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
    say(value, facts(lines), as_json=as_json)


@click.command()
@click.argument("net")
@click.option("--onnx", type=_FILE, help="Write ONNX, checked in onnxruntime.")
@click.option("--torch", "program", type=_FILE, help="Write a program of torch.export (.pt2).")
@click.option("--safetensors", "weights", type=_FILE, help="Write our own file.")
@click.option("--recipe", type=_FILE, help="Write the recipe of the last cut.")
@with_json
def export(
    net: str,
    onnx: Path | None,
    program: Path | None,
    weights: Path | None,
    recipe: Path | None,
    as_json: bool,
) -> None:
    """Write NET for other tools. The largest difference of its outputs is measured."""
    if not (onnx or program or weights or recipe):
        raise click.UsageError("Say what to write: --onnx, --torch, --safetensors or --recipe.")
    from sfp_viz.core.plan import recipe_json
    from sfp_viz.nets import export as writer
    from sfp_viz.nets.saved import save_model
    from sfp_viz.runs.files import write_whole

    model = find_model(net)
    written: dict[str, dict[str, Any]] = {}
    if recipe:
        if not model.plans:
            raise PlanError(f"The network '{model.name}' was never cut, so it has no recipe.")
        write_whole(recipe, recipe_json(model.plans[-1].recipe))
        written[str(recipe)] = {"difference": None}
    if weights:
        save_model(model, weights)
        written[str(weights)] = {"difference": 0.0}
    if program:
        written[str(program)] = {"difference": writer.export_torch(model, program)}
    if onnx:
        written[str(onnx)] = {"difference": writer.export_onnx(model, onnx)}
    lines = []
    for name, found in written.items():
        found["bytes"] = Path(name).stat().st_size
        apart = found["difference"]
        words = f", largest difference {apart:.1e} (measured)" if apart else ""
        lines.append((name, f"{size(found['bytes'])}{words}"))
    say(written, facts(lines), as_json=as_json)


_DEFAULT = Distillation()


@click.command()
@click.argument("net")
@click.option("--teacher", metavar="NET", help="The unpruned network; needed unless alpha is 0.")
@click.option("--data", help="Images to train and test with; the network's own by default.")
@click.option("--run", "place", metavar="NAME_OR_DIR",
              help="The run's name in the workspace, or a folder for it.")  # fmt: skip
@click.option("--background", is_flag=True, help="Return at once; the run goes on by itself.")
@click.option("--epochs", default=_DEFAULT.epochs, show_default=True)
@click.option("--batch-size", default=_DEFAULT.batch_size, show_default=True)
@click.option("--learning-rate", default=_DEFAULT.learning_rate, show_default=True)
@click.option("--weight-decay", default=_DEFAULT.weight_decay, show_default=True)
@click.option("--alpha", default=_DEFAULT.alpha, show_default=True, help="The teacher's share.")
@click.option("--temperature", type=(float, float), show_default=True,
              default=(_DEFAULT.temperature_start, _DEFAULT.temperature_end),
              help="From and to.")  # fmt: skip
@click.option("--schedule", type=click.Choice(get_args(Schedule)), default=_DEFAULT.schedule)
@click.option("--augmentation", type=click.Choice(get_args(Augmentation)),
              help="[default: shift for digits, else crop_flip]")  # fmt: skip
@click.option("--precision", type=click.Choice(get_args(Precision)), default=_DEFAULT.precision)
@click.option("--train-images", type=click.IntRange(1), help="Train with the first N only.")
@click.option("--test-images", type=click.IntRange(1), help="Test with the first N only.")
@click.option("--seed", default=0, show_default=True)
@with_json
def finetune(
    net: str,
    teacher: str | None,
    data: str | None,
    place: str | None,
    background: bool,
    as_json: bool,
    temperature: tuple[float, float],
    augmentation: Any,
    **settings: Any,
) -> None:
    """Train the pruned NET with the unpruned one as its teacher.

    The training works in a process and folder of its own; without --background its epochs are
    shown as they come, and Ctrl-C cancels it. A stopped run goes on with 'runs resume'.
    """
    from sfp_viz.runs.process import launch

    student = find_model(net)
    name = _data_of(student, data)
    start, end = temperature
    chosen = Distillation(
        **settings,
        temperature_start=start,
        temperature_end=end,
        augmentation=augmentation or ("shift" if name == "digits" else "crop_flip"),
    )
    if teacher is None and chosen.alpha > 0:
        raise RunError("Name the unpruned network with --teacher NET, or train with --alpha 0.")
    path = _lay_out(student, teacher, name, place, chosen)
    launch(path)
    if background:
        say(
            {"run": path.name, "path": str(path)},
            f"Run {path.name} started. Watch it: sfp-viz runs show {place or path.name} --follow",
            as_json=as_json,
        )
        return
    run = follow(path, quiet=as_json)
    if as_json:
        say(run_value(run), "", as_json=True)
    if run.state != "finished":
        raise RunError(run.message or f"The run is {run.state}.")


def _lay_out(
    student: Model, teacher: str | None, data: str, place: str | None, settings: Distillation
) -> Path:
    from sfp_viz.nets.measure import count_macs
    from sfp_viz.nets.samples import sample_names
    from sfp_viz.nets.saved import save_model

    folder = None
    if place:
        named = Path(place).name == place and place not in (".", "..")
        folder = home() / "runs" / place if named else Path(place).expanduser().absolute()
    plan = student.plans[-1] if student.plans else None
    known: dict[str, Any] = {"kind": _kind(plan), "plan": plan.hash if plan else ""}
    known["macs"] = count_macs(student)
    with tempfile.TemporaryDirectory() as aside:
        files = [Path(aside) / "start.safetensors", Path(aside) / "teacher.safetensors"]
        save_model(student, files[0])
        if teacher is not None:
            master = find_model(teacher)
            save_model(master, files[1])
            known |= {"digest": master.digest, "macs_before": count_macs(master)}
            known["model"] = teacher if teacher in sample_names() else master.digest
        return create_run(
            home(),
            start=files[0],
            teacher=files[1] if teacher else None,
            settings=settings,
            data=data,
            name=student.name,
            plan=plan,
            facts=known,
            folder=folder,
        )


def _kind(plan: Plan | None) -> str:
    """What the app calls the plan: 'uniform' L1, 'random', or 'plan'."""
    if plan is None or (plan.recipe.allocation, plan.recipe.selection) != ("uniform", "ranking"):
        return "plan"
    return {"l1": "uniform", "random": "random"}.get(plan.recipe.criterion, "plan")


def _read_plan(file: Path) -> Plan:
    try:
        return plan_from_json(file.read_text())
    except (OSError, UnicodeDecodeError) as problem:
        raise PlanError(f"The plan {file} cannot be read: {problem}.") from problem


def _data_of(model: Model, data: str | None) -> str:
    if not (data or model.data):
        raise SfpError(f"The network '{model.name}' names no data of its own. Say --data NAME.")
    return data or model.data


def _accuracy(found: Measured) -> dict[str, Any]:
    return {"accuracy": found.accuracy, "interval": found.interval, "images": found.images,
            "data": found.data}  # fmt: skip


def _words(found: Measured) -> str:
    text = f"{percent(found.accuracy or 0.0)}  (measured on {found.images:,} images, {found.data};"
    return f"{text} 95 % interval {span(found.interval)})"
