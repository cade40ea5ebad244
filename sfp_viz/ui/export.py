"""What can be taken along: the pruned network or a fine-tuned one, as files for other programs."""

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
from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.plan import Plan
from sfp_viz.core.plan.recipe import Recipe, name_of
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
_MANY = 12  # networks; so many are in a list that opens
_MADE = "exported"  # session_state: the (source, kind) pairs made in this browser session


@dataclass(frozen=True)
class Source:
    """A network to take along: pruned by the session's plan, or the student of run ``run``."""

    model: str
    recipe: Recipe
    edits: Edits | None
    data: str
    run: str = ""


@dataclass(frozen=True)
class File:
    """A made file, and the largest difference of its logits from the network's, measured."""

    content: bytes
    difference: float


def source_of(source: Source, runs: Sequence[Summary], plan: str) -> Source:
    """Ask which network: of the finished ``runs`` those of the plan on the screen, whose hash is
    ``plan``, come first, the newest of them chosen; then the plan itself, then runs of others, of
    which baselines come last."""
    known = {run.id: run for run in runs}
    done = sorted(runs, key=lambda run: run.made in ("uniform", "random"))
    mine = [run.id for run in done if plan and run.plan == plan]
    names = [*mine, "", *(run.id for run in done if run.id not in mine)]

    def label(name: str) -> str:
        if not name:
            return f"This plan, not fine-tuned: {_plan_words(source, plan)}"
        run = known[name]
        first = "This plan" if name in mine else "Another plan"
        ended = f"{run_labels.title(run)}: {percent(run.accuracy)}, run {run.id}"
        return f"{first}, fine-tuned: {ended}"

    ask = st.radio if len(runs) < _MANY else st.selectbox
    chosen = ask("Which network?", names, format_func=label, key="export_source")
    return Source(source.model, source.recipe, source.edits, source.data, str(chosen or ""))


def file_name(source: Source, network: Network, runs: Sequence[Summary], plan: str) -> str:
    """What a file of ``source`` is called, without its suffix: the network, the share of MACs that
    went, and the run, or the first digits of the ``plan``'s hash."""
    run = next((run for run in runs if run.id == source.run), None)
    if run is not None:
        saved, which = 1 - run.macs / max(1, cost(network).macs), f"run-{run.id}"
    else:
        saved, which = _saved(source), f"plan-{plan[:6]}" if plan else ""
    share = "" if saved is None else f"{100 * saved:.0f}pct-fewer-macs"
    return "-".join(part for part in (network.name, share, which) if part)


def _plan_words(source: Source, plan: str) -> str:
    return run_labels.plan_label(name_of(source.recipe), _saved(source), plan)


def _saved(source: Source) -> float | None:
    """Share of MACs that the plan on the screen takes away, computed; None out of reach."""
    plan = planned.budget(source.model, source.recipe, source.edits)
    return None if plan.after is None else 1 - plan.after.macs / max(1, plan.before.macs)


def facts(source: Source, runs: Sequence[Summary]) -> str:
    """What is known of the network, in a line; accuracy only where it was measured."""
    run = next((run for run in runs if run.id == source.run), None)
    if run is not None:
        return (
            f"{count(run.macs)} MACs and {count(run.params)} params, counted. Accuracy "
            f"{percent(run.accuracy)} ({span(run.interval)}), measured on {run.images:,} test "
            f"images of {run.data}."
        )
    plan = planned.budget(source.model, source.recipe, source.edits)
    if plan.after is None:
        return plan.problem
    return (
        f"{count(plan.after.macs)} MACs and {count(plan.after.params)} params, computed. It was "
        "not fine-tuned: its accuracy is the one-shot accuracy of the page Check."
    )


def network_of(source: Source) -> Any:
    """The torch Model of ``source``. Takes seconds the first time."""
    if not source.run:
        return pruned.pruned(source.model, source.recipe, source.edits, source.data)
    return _student(source.run)


@st.cache_resource(max_entries=4, show_spinner=False)
def _student(run: str) -> Any:
    from sfp_viz.nets.stripes.striped_file import load_striped

    path = loaders.home() / "runs" / Path(run).name / "student.safetensors"
    if not path.is_file():
        raise RunError(f"The run '{run}' has no trained network any more. Choose another one.")
    return load_striped(path)  # as it is kept: layers that leave stripes out do so


def weights(source: Source, name: str) -> None:
    """Download of the safetensors file, made on the click; off when the target is out of reach."""
    plan = None if source.run else planned.budget(source.model, source.recipe, source.edits)
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


def converted(source: Source, name: str, *, kind: str, make: Callable[[Source], File]) -> None:
    """A file that is made and checked on a click, and then handed out with its difference."""
    made = st.session_state.setdefault(_MADE, set())
    place = st.empty()
    if (source, kind) not in made:
        if not place.button("Make and check", key=f"make_{kind}"):
            return
        with problems.stopping(), place.status("Exporting and comparing with the network"):
            make(source)
        made.add((source, kind))
    with problems.shown():
        file = make(source)
        with place.container():
            st.download_button(
                f"Download ({size(len(file.content))})", file.content, file_name=f"{name}.{kind}",
                mime="application/octet-stream", key=f"take_{kind}", on_click="ignore",
                icon=":material/download:",
            )  # fmt: skip
            most = f"{file.difference:.1e}" if file.difference else "none"
            st.caption(f"Largest difference of its logits: {most}, measured.")


@st.cache_resource(max_entries=2, show_spinner=False)
def onnx_file(source: Source) -> File:
    """The ONNX file, compared in onnxruntime."""
    from sfp_viz.nets.io.export import export_onnx

    return _file(source, export_onnx, "onnx")


@st.cache_resource(max_entries=2, show_spinner=False)
def torch_file(source: Source) -> File:
    """The .pt2 program of torch.export, loaded again and compared."""
    from sfp_viz.nets.io.export import export_torch

    return _file(source, export_torch, "pt2")


def _file(source: Source, export: Callable[[Any, Path], float], kind: str) -> File:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"network.{kind}"
        difference = export(network_of(source), path)
        return File(path.read_bytes(), difference)


def shell(source: Source, network: Network, runs: Sequence[Summary], file: str) -> tuple[str, str]:
    """A sentence on what can be done from a shell, and the lines for it; ``file`` is the weights'
    name without its suffix. A plan alone does not lead to a network that was trained between its
    cuts, or before them."""
    run = next((run for run in runs if run.id == source.run), None)
    if run is None or run.kind == TRAINING:
        lines = commands(source, network, run)
        return "The same from a shell, beside the downloaded plan:", lines
    slim, name = shlex.quote(f"{file}.safetensors"), shlex.quote(network.name)
    words = (
        "This network was trained between its cuts or before them, so its plan alone does not "
        f"lead to it: `sfp-viz {run.kind} --help` shows how to train one like it. From a shell, "
        "beside the downloaded weights:"
    )
    return words, f"sfp-viz export {slim} --onnx {name}.onnx"


def commands(source: Source, network: Network, run: Summary | None) -> str:
    """The lines for a shell that do the same from the downloaded plan, and the settings of
    ``run`` if it was fine-tuned."""
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
    """What differs from the default settings, as options of the command line."""
    plain, words = Distillation(), []
    for field in _OPTIONS:
        value = getattr(settings, field)
        if value != getattr(plain, field) or field == "augmentation":  # its default is the data's
            words.append(f"--{field.replace('_', '-')} {value}")
    if settings.standardize:
        words.append("--standardize")
    if settings.dkd is not None:
        words.append(f"--dkd {settings.dkd[0]} {settings.dkd[1]}")
    ends = (settings.temperature_start, settings.temperature_end)
    if ends != (plain.temperature_start, plain.temperature_end):
        words.append(f"--temperature {ends[0]} {ends[1]}")
    return "".join(f" {word}" for word in words)


def made_by(source: Source, runs: Sequence[Summary]) -> Plan | None:
    """The plan of the chosen run; None for the session's own."""
    return next((plan_of(run.path) for run in runs if run.id == source.run), None)
