"""Export of the pruned network or a fine-tuned one, as files for other programs."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from sfp_viz.core.cost.cost import cost
from sfp_viz.core.network import Network
from sfp_viz.core.plan.plan import Plan
from sfp_viz.core.plan.recipe import name_of
from sfp_viz.core.plan.request import Request
from sfp_viz.core.training.distillation import Distillation
from sfp_viz.errors import RunError
from sfp_viz.runs.folder import TRAINING
from sfp_viz.runs.results.differences import plan_of
from sfp_viz.runs.results.summary import Summary, settings_of
from sfp_viz.text import run_labels
from sfp_viz.text.numbers import count, percent, size, span
from sfp_viz.ui import problems
from sfp_viz.ui.cached import loaders, planned, pruned
from sfp_viz.ui.check import checks

_OPTIONS = (
    "epochs", "batch_size", "learning_rate", "weight_decay", "alpha", "schedule", "augmentation",
    "precision", "train_images", "test_images", "seed", "momentum", "label_smoothing", "warmup",
    "ema", "clip", "teacher_views", "processes",
)  # fmt: skip
_MOST_RADIO = 12  # networks; more are offered in a select box
_CONVERTED = "exported"  # session_state: the (source, kind) pairs made in this browser session


@dataclass(frozen=True)
class Source:
    """A network to export.

    Attributes:
        model: Name of a sample, or digest of a stored network.
        request: Recipe and edits.
        data: Name of the images for calibration, '' for none.
        run: Id of the run whose student is exported; '' for the network pruned by the request.
    """

    model: str
    request: Request
    data: str
    run: str = ""


@dataclass(frozen=True)
class File:
    """An exported file.

    Attributes:
        content: Its bytes.
        difference: Largest difference of its logits from those of the network, measured.
    """

    content: bytes
    difference: float


def source_of(source: Source, runs: Sequence[Summary], plan: str) -> Source:
    """Ask which network to export. Runs of the current plan come first, then the plan itself, runs
    of other plans, and baselines.

    Args:
        source: The current plan, without a run.
        runs: The finished runs of the network, the newest first.
        plan: Hash of the current plan, '' if its target is out of reach.
    """
    by_id = {run.id: run for run in runs}
    ordered = sorted(runs, key=lambda run: run.pruned_by in ("uniform", "random"))
    same_plan = [run.id for run in ordered if plan and run.plan == plan]
    ids = [*same_plan, "", *(run.id for run in ordered if run.id not in same_plan)]

    def label(run_id: str) -> str:
        if not run_id:
            return f"This plan, not fine-tuned: {_plan_label(source, plan)}"
        run = by_id[run_id]
        whose = "This plan" if run_id in same_plan else "Another plan"
        return (
            f"{whose}, fine-tuned: {run_labels.title(run)}, {percent(run.accuracy)}, run {run.id}"
        )

    ask = st.radio if len(runs) < _MOST_RADIO else st.selectbox
    run = ask("Network", ids, format_func=label, key="export_source")
    return Source(source.model, source.request, source.data, str(run or ""))


def file_name(source: Source, network: Network, runs: Sequence[Summary], plan: str) -> str:
    """Name of an exported file without its suffix: the network, the reduction of MACs, and the run
    or the first digits of the plan's hash.

    Args:
        source: The network to export.
        network: The unpruned network.
        runs: The finished runs of the network.
        plan: Hash of the current plan, '' for none.
    """
    run = next((run for run in runs if run.id == source.run), None)
    if run is not None:
        reduction, origin = 1 - run.macs / max(1, cost(network).macs), f"run-{run.id}"
    else:
        reduction, origin = _reduction(source), f"plan-{plan[:6]}" if plan else ""
    share = "" if reduction is None else f"{100 * reduction:.0f}pct-fewer-macs"
    return "-".join(filter(None, (network.name, share, origin)))


def _plan_label(source: Source, plan: str) -> str:
    return run_labels.plan_label(name_of(source.request.recipe), _reduction(source), plan)


def _reduction(source: Source) -> float | None:
    """Share of MACs that the current plan removes, computed; None if its target is out of reach."""
    plan = planned.cost(source.model, source.request)
    return None if plan.after is None else 1 - plan.after.macs / max(1, plan.before.macs)


def facts(source: Source, runs: Sequence[Summary]) -> str:
    """Costs of the network in a sentence, with its accuracy if it was measured.

    Args:
        source: The network to export.
        runs: The finished runs of the network.
    """
    run = next((run for run in runs if run.id == source.run), None)
    if run is not None:
        return (
            f"{count(run.macs)} MACs and {count(run.params)} params, counted. Accuracy "
            f"{percent(run.accuracy)} ({span(run.interval)}), measured on {run.images:,} test "
            f"images of {run.data}."
        )
    plan = planned.cost(source.model, source.request)
    if plan.after is None:
        return plan.problem
    return (
        f"{count(plan.after.macs)} MACs and {count(plan.after.params)} params, computed. Not "
        "fine-tuned: its accuracy is the one-shot accuracy on the Check page."
    )


def network_of(source: Source) -> Any:
    """The torch Model of ``source``. Takes seconds the first time."""
    if not source.run:
        return pruned.model(source.model, source.request, source.data)
    return _student(source.run)


@st.cache_resource(max_entries=4, show_spinner=False)
def _student(run: str) -> Any:
    from sfp_viz.nets.stripes.striped_file import load_striped

    path = loaders.home() / "runs" / Path(run).name / "student.safetensors"
    if not path.is_file():
        raise RunError(f"The run '{run}' no longer has a trained network. Choose another one.")
    return load_striped(path)  # as saved: with layers that skip stripes


def weights(source: Source, name: str) -> None:
    """Draw the download of the safetensors file, which is made on the click.

    Args:
        source: The network to export.
        name: Name of the file without its suffix.
    """
    plan = None if source.run else planned.cost(source.model, source.request)
    st.download_button(
        "Download",
        lambda: checks.file_of(network_of(source)),
        file_name=f"{name}.safetensors",
        mime="application/octet-stream",
        key="take_weights",
        disabled=plan is not None and plan.after is None,
        on_click="ignore",
        icon=":material/download:",
        type="primary",
    )


def conversion(source: Source, name: str, *, kind: str, make: Callable[[Source], File]) -> None:
    """Draw the button that exports and checks a file, then its download with the measured
    difference.

    Args:
        source: The network.
        name: Name of the file without its suffix.
        kind: Its suffix, 'onnx' or 'pt2'.
        make: Makes the file; it is cached.
    """
    converted = st.session_state.setdefault(_CONVERTED, set())
    place = st.empty()
    if (source, kind) not in converted:
        if not place.button("Export and check", key=f"make_{kind}"):
            return
        with problems.catch_and_stop(), place.status("Exporting and comparing"):
            make(source)
        converted.add((source, kind))
    with problems.catch():
        file = make(source)
        with place.container():
            st.download_button(
                f"Download ({size(len(file.content))})", file.content, file_name=f"{name}.{kind}",
                mime="application/octet-stream", key=f"take_{kind}", on_click="ignore",
                icon=":material/download:",
            )  # fmt: skip
            most = f"{file.difference:.1e}" if file.difference else "0"
            st.caption(f"Largest difference in logits: {most} (measured)")


@st.cache_resource(max_entries=2, show_spinner=False)
def onnx_file(source: Source) -> File:
    """The ONNX file, compared in onnxruntime."""
    from sfp_viz.nets.export.onnx_file import export_onnx

    return _file(source, export_onnx, "onnx")


@st.cache_resource(max_entries=2, show_spinner=False)
def torch_file(source: Source) -> File:
    """The .pt2 program of torch.export, reloaded and compared."""
    from sfp_viz.nets.io.exported_file import export_pt2

    return _file(source, export_pt2, "pt2")


def _file(source: Source, export: Callable[[Any, Path], float], kind: str) -> File:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"network.{kind}"
        difference = export(network_of(source), path)
        return File(path.read_bytes(), difference)


def command_line(
    source: Source, network: Network, runs: Sequence[Summary], file: str
) -> tuple[str, str]:
    """The export on the command line: a sentence, and the commands.

    Args:
        source: The network.
        network: The unpruned network.
        runs: The finished runs of the network.
        file: Name of the file with the weights, without its suffix.
    """
    run = next((run for run in runs if run.id == source.run), None)
    if run is None or run.kind == TRAINING:
        return (
            "The same on the command line, with the downloaded plan:",
            commands(source, network, run),
        )
    slim, name = shlex.quote(f"{file}.safetensors"), shlex.quote(network.name)
    text = (
        "This network was trained before or between its prunings, so its plan alone does not "
        f"reproduce it. `sfp-viz {run.kind} --help` shows how to train one like it. On the command "
        "line, with the downloaded weights:"
    )
    return text, f"sfp-viz export {slim} --onnx {name}.onnx"


def commands(source: Source, network: Network, run: Summary | None) -> str:
    """Commands that reproduce the network from the downloaded plan.

    Args:
        source: The network to export.
        network: The unpruned network.
        run: The fine-tuning whose settings are used; None for a network that was not fine-
            tuned.
    """
    name, subject = shlex.quote(network.name), shlex.quote(source.model)
    data = shlex.quote(run.data if run else source.data)
    slim, folder = f"{name}-slim.safetensors", f"./{name}-run"
    with_data = f" --data {data}" if data != "''" else ""
    lines = [f"sfp-viz prune {name}.plan.json --model {subject}{with_data} -o {slim}"]
    if run is not None:
        flags = f"--teacher {subject}{with_data} --run {folder}{_flags(settings_of(run))}"
        lines.append(f"sfp-viz finetune {slim} {flags}")
    last = slim if run is None else f"{folder}/student.safetensors"
    lines.append(f"sfp-viz export {last} --onnx {name}.onnx")
    return "\n".join(lines)


def _flags(settings: Distillation) -> str:
    """The settings that are not the defaults, as options of the command line."""
    defaults, options = Distillation(), []
    for field in _OPTIONS:
        value = getattr(settings, field)
        if (
            value != getattr(defaults, field) or field == "augmentation"
        ):  # its default is the data's
            options.append(f"--{field.replace('_', '-')} {value}")
    if settings.standardize:
        options.append("--standardize")
    if settings.dkd is not None:
        options.append(f"--dkd {settings.dkd[0]} {settings.dkd[1]}")
    ends = (settings.temperature_start, settings.temperature_end)
    if ends != (defaults.temperature_start, defaults.temperature_end):
        options.append(f"--temperature {ends[0]} {ends[1]}")
    return "".join(f" {option}" for option in options)


def plan_of_run(source: Source, runs: Sequence[Summary]) -> Plan | None:
    """The plan of the chosen run; None for the plan of the session.

    Args:
        source: The network to export.
        runs: The finished runs of the network.
    """
    return next((plan_of(run.path) for run in runs if run.id == source.run), None)
