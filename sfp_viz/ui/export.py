"""Export of the pruned network or a fine-tuned one, as files for other programs."""

from __future__ import annotations

import re
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
from sfp_viz.errors import DataError, RunError
from sfp_viz.runs.folder import TRAINING
from sfp_viz.runs.results.differences import plan_of
from sfp_viz.runs.results.summary import Summary, settings_of
from sfp_viz.text import run_labels
from sfp_viz.text.numbers import count, difference_text, milliseconds, percent, size, span
from sfp_viz.ui import image_field, problems, progress_line
from sfp_viz.ui.cached import loaders, planned, pruned
from sfp_viz.ui.network import report
from sfp_viz.ui.progress_line import Progress

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
class Exported:
    """The files of one form, checked.

    Attributes:
        files: Label, name and content of each.
        difference: Largest difference of their outputs from those of the network, measured, as a
            share of the outputs' scale; None where they compute none.
        note: A sentence on what is missing; '' for nothing.
    """

    files: tuple[tuple[str, str, bytes], ...]
    difference: float | None = None
    note: str = ""


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


def is_program(key: str) -> bool:
    """Whether a network was opened from a .pt2 file; loads no torch.

    Args:
        key: Name of a sample, or digest of a stored network.
    """
    return report.header_of(key).get("architecture") == "exported"


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
    """Draw the download of the safetensors file, which is made and compared on the click.

    Args:
        source: The network to export.
        name: Name of the file without its suffix.
    """
    plan = None if source.run else planned.cost(source.model, source.request)
    st.download_button(
        "Download",
        lambda: _model_file(network_of(source)),
        file_name=f"{name}.safetensors",
        mime="application/octet-stream",
        key="take_weights",
        disabled=plan is not None and plan.after is None,
        on_click="ignore",
        icon=":material/download:",
        type="primary",
    )


def _model_file(model: Any) -> bytes:
    from sfp_viz.nets.export.model_file import export_model

    return _written(lambda path: export_model(model, path), ".safetensors")[0]


def conversion(
    source: Source, name: str, *, kind: str, make: Callable[[Source, str], Exported]
) -> Exported | None:
    """Draw the button that exports and checks the files of a form, then their downloads with the
    measured difference; returns them once they are there.

    Args:
        source: The network.
        name: Name of the files without suffix.
        kind: The form; a part of the keys of the buttons.
        make: Makes the files; it is cached.
    """
    converted = st.session_state.setdefault(_CONVERTED, set())
    place = st.empty()
    if (source, kind) not in converted:
        if not place.button("Export and check", key=f"make_{kind}"):
            return None
        with problems.catch_and_stop(), place.status("Exporting and comparing"):
            make(source, name)
        converted.add((source, kind))
    with problems.catch():
        exported = make(source, name)
        with place.container():
            _downloads(exported, kind)
        return exported
    return None


def _downloads(exported: Exported, kind: str) -> None:
    for number, (label, name, content) in enumerate(exported.files):
        st.download_button(
            f"{label} ({size(len(content))})", content, file_name=name,
            mime="application/octet-stream", on_click="ignore", icon=":material/download:",
            key=f"take_{kind}{number or ''}",
        )  # fmt: skip
    if exported.difference is not None:
        words = difference_text(exported.difference)
        st.caption(f"Run at batches of 1, 3 and 32: {words}.")
    if exported.note:
        st.caption(problems.plain(exported.note))


@st.cache_resource(max_entries=2, show_spinner=False)
def onnx_file(source: Source, name: str) -> Exported:
    """The ONNX file, compared in onnxruntime.

    Args:
        source: The network that is exported.
        name: The file's name without its ending.
    """
    from sfp_viz.nets.export.onnx_file import export_onnx

    model = network_of(source)
    content, difference = _written(lambda path: export_onnx(model, path), ".onnx")
    return Exported((("Download", f"{name}.onnx", content),), difference)


@st.cache_resource(max_entries=2, show_spinner=False)
def torch_file(source: Source, name: str) -> Exported:
    """The .pt2 program of torch.export, reloaded and compared.

    Args:
        source: The network that is exported.
        name: The file's name without its ending.
    """
    from sfp_viz.nets.io.exported_file import export_pt2

    model = network_of(source)
    content, difference = _written(lambda path: export_pt2(model, path), ".pt2")
    return Exported((("Download", f"{name}.pt2", content),), difference)


@st.cache_resource(max_entries=1, show_spinner=False)
def state_dict_files(source: Source, name: str) -> Exported:
    """The state_dict in two formats and the module code that loads it, tried on both.

    Args:
        source: The network that is exported.
        name: The file's name without its ending.
    """
    from sfp_viz.nets.export.module_code import module_code, needs_own_code
    from sfp_viz.nets.export.state_dict_file import check_module_code, state_dict_bytes

    model = network_of(source)
    pickled, plain = (state_dict_bytes(model, kind) for kind in ("pt", "safetensors"))
    code = module_code(model, stem=name)
    difference = max(
        check_module_code(model, code, pickled, "pt"),
        check_module_code(model, code, plain, "safetensors"),
    )
    files = (
        ("state_dict", f"{name}.pt", pickled),
        ("safetensors", f"{name}.state_dict.safetensors", plain),
        ("Module code", re.sub(r"\W", "_", name) + ".py", code.encode()),
    )
    note = "The code resizes the uncut network that your own code builds, and loads the weights."
    return Exported(files, difference, note if needs_own_code(model) else "")


@st.cache_resource(max_entries=2, show_spinner=False)
def node_data_files(source: Source, name: str) -> Exported:
    """The kept share, redundancy and MACs of each layer for Model Explorer.

    Args:
        source: The network that is exported.
        name: The file's name without its ending.
    """
    from sfp_viz.nets.export.node_data import QUANTITIES, node_data

    data = node_data(network_of(source))
    labels = ("Kept share", "Redundancy", "MACs")
    return Exported(tuple(
        (label, f"{name}.{quantity}.json", data.to_json(quantity).encode())
        for label, quantity in zip(labels, QUANTITIES, strict=True)
    ))  # fmt: skip


def _written(write: Callable[[Path], Any], suffix: str) -> tuple[bytes, Any]:
    """The content of the file that ``write`` writes, and what it returns."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"network{suffix}"
        value = write(path)
        return path.read_bytes(), value


def int8(source: Source, network: Network, name: str) -> None:
    """Draw the images, the button that quantizes the network, and the figures of the int8 file
    beside those of the float32 one.

    Args:
        source: The network to export.
        network: The unpruned network.
        name: Name of the file without its suffix.
    """
    data = image_field.ask_images(network, key="export_images")
    converted = st.session_state.setdefault(_CONVERTED, set())
    kind = f"int8 {data}"
    place = st.empty()
    if (source, kind) not in converted:
        if not place.button("Quantize and measure", key="make_int8", disabled=not data):
            return
        with problems.catch_and_stop(), place.container():
            st.button("Cancel", key="cancel_int8")  # any click ends the work at its next line
            with progress_line.reporter() as progress:
                _int8_file(source, data, progress)
        converted.add((source, kind))
    with problems.catch(), place.container(), progress_line.reporter() as progress:
        content, figures = _int8_file(source, data, progress)
        _downloads(
            Exported((("Download", f"{name}.int8.onnx", content),), figures.difference), "int8"
        )
        _int8_figures(figures)


@st.cache_resource(max_entries=2, show_spinner=False)
def _int8_file(source: Source, data: str, _progress: Progress) -> tuple[bytes, Any]:
    """The int8 file and its Int8Report."""
    from sfp_viz.nets.export.onnx_int8 import export_onnx_int8

    _progress("Preparing the network")
    model = network_of(source)
    train, test = (pruned.data_or_none(data, split) for split in ("train", "test"))
    if train is None:
        raise DataError(f"The data '{data}' are not on this machine, so nothing was quantized.")
    return _written(
        lambda path: export_onnx_int8(model, path, train, test, progress=_progress), ".onnx"
    )


def _int8_figures(figures: Any) -> None:
    """Both files side by side, and a warning where quantization clearly costs accuracy."""
    whole, small = figures.measured
    columns = {
        name: {
            "Size": size(total),
            "Accuracy": "" if measured.accuracy is None else percent(measured.accuracy),
            "95 % interval": span(measured.interval),
            "Latency": milliseconds(measured.latency_ms),
            "Quartiles": " to ".join(map(milliseconds, measured.latency_iqr_ms or ())),
        }
        for name, measured, total in zip(
            ("float32", "int8"), figures.measured, figures.bytes, strict=True
        )
    }
    rows = [
        {"Measured": row, **{name: values[row] for name, values in columns.items()}}
        for row, value in columns["int8"].items()
        if value
    ]
    st.dataframe(rows, hide_index=True)
    images = f" on {small.images:,} images of {small.data}" if small.images else ""
    threads = f"{small.threads} thread{'s' if small.threads > 1 else ''}"
    st.caption(problems.plain(
        f"In onnxruntime{images}; latency of one image on this machine, {threads}. "
        f"{figures.calibration:,} training images set the ranges."
    ))  # fmt: skip
    if small.interval and whole.interval and small.interval[1] < whole.interval[0]:
        st.warning("The int8 file is less accurate than the float32 one: the intervals do not "
                   "overlap.")  # fmt: skip


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
