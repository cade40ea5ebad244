"""A training on the screen: its state and what can be done, its numbers, its curves."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from sfp_viz.runs import queue
from sfp_viz.runs.folder import TRAINING
from sfp_viz.runs.storage import sparsify
from sfp_viz.runs.storage.records import Run
from sfp_viz.runs.storage.steps import final_network_epochs
from sfp_viz.text import run_labels
from sfp_viz.text.numbers import count, duration, percent, size, span
from sfp_viz.ui import problems
from sfp_viz.ui.cached import loaders
from sfp_viz.ui.components.live_lines import Curve, best_epoch, live_lines
from sfp_viz.ui.runs import buttons as run_buttons
from sfp_viz.ui.runs import next_steps as run_ways
from sfp_viz.ui.runs import references, run_names, sparsify_result, sparsify_view, sweep_view

_NO_LINE = (
    "No line of uniform L1: no run of it has the same MACs, images and epochs. The page Compare "
    "can fine-tune one."
)
_MEMORY_IS = (
    "The most that the training took, measured: both networks, the images and the program. The "
    "pruned network by itself needs far less."
)
_FIRST = {"steps": "After the first cut", "sparsify": "After the cut"}  # else it is one-shot
_FIRST_HELP = "Measured right after filters were pruned, before any fine-tuning."


def draw(together: Sequence[tuple[Run, int]], runs: Sequence[Run]) -> None:
    """The watched run, first of ``together``, with the others' curves over its own; ``runs`` are
    all of this network, among which uniform L1 at equal MACs is looked for."""
    run = together[0][0]
    head(run, runs)
    if run.kind == "sweep":
        sweep_view.draw(run)
        return
    sweep_view.of_sweep(run)
    still = all(one.over for one in runs)
    if run.kind == sparsify.KIND:
        sparsify_result.ways(run)
    else:
        run_ways.ways(run)
    _numbers(run)
    _lines(run, [(one, slot) for one, slot in together if one.kind != "sweep"], runs, still=still)
    if run.kind == sparsify.KIND:
        if run.before or run.epochs:
            st.markdown("**How it became sparse**")
            sparsify_result.outcome(run)
        else:
            sparsify_view.numbers(run)
        sparsify_view.thins(run, still=still)


def _lines(
    run: Run, together: Sequence[tuple[Run, int]], runs: Sequence[Run], *, still: bool
) -> None:
    """The curves of the trainings ``together``, and what they were measured on."""
    if run.kind == sparsify.KIND:  # while it has no epochs, its own story stands for it
        together = [(one, slot) for one, slot in together if one.epochs]
    shown = [one for one, _ in together]
    if not any(one.epochs or one.before for one in shown):
        if run.kind != sparsify.KIND:
            st.caption(
                "It stopped before its first epoch had ended, so it has no curves."
                if run.over
                else "Its curves appear here, epoch by epoch, once the first one has ended."
            )
        return
    names = run_names.apart(shown)
    curves = [
        Curve(
            name=name,
            epochs=one.epochs,
            total=one.settings.epochs,
            slot=slot,
            start=one.before.one_shot if one.before else None,
            main=one is run,
            before=len(one.epochs) - len(final_network_epochs(one)),
        )
        for (one, slot), name in zip(together, names, strict=True)
    ]
    lines = references.references(run, runs)
    live_lines(curves, key="lines", references=lines, stages=stages(run), still=still)
    _measured_on(shown)
    mine = run.result and run.kind == TRAINING and not references.is_plain(run)
    if mine and references.uniform(run, runs) is None:
        st.caption(_NO_LINE)


def stages(run: Run) -> list[tuple[float, str]]:
    """Where the stages of a run in steps begin: epochs before each, and what it takes away."""
    if run.kind != "steps":
        return []
    from sfp_viz.runs.storage.steps import read_stages, read_steps_request

    each = read_steps_request(run.path).steps.epochs_of
    return [
        (
            float(sum(each[: stage.number - 1])),
            f"stage {stage.number}: −{percent(stage.reduction, 0)}",
        )
        for stage in read_stages(run.path)
    ]


def head(run: Run, runs: Sequence[Run] = ()) -> None:
    """Name, state and buttons; what went wrong or can be done; how far it is while it goes."""
    with st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
    ):
        with st.container(horizontal=True, vertical_alignment="center", width="content"):
            name = f"**{problems.plain(run.name)}**, {run_labels.title(run)}"
            st.markdown(f"{name}, {run_labels.start_time(run)}", width="content")
            sweep_view.badge(run, runs)
            if run.where == "ray":
                st.badge("On the cluster", color="gray")
        run_buttons.buttons(run)
    if run.message:
        say = {"failed": st.error, "lost": st.warning}.get(run.state, st.caption)
        say(problems.plain(run.message))
    run_buttons.offer(run)
    if run.state == "queued":
        st.caption(_in_line(run))
    elif not run.over:
        st.progress(run.progress, text=run_labels.progress(run))


def _in_line(run: Run) -> str:
    """Its place in line and when it starts, estimated from runs of the same network."""
    home = loaders.home()
    line, seconds = queue.queued_runs(home), queue.expected_starts(home).get(run.id)
    place = next((at for at, one in enumerate(line, 1) if one.id == run.id), 1)
    text = "Next in line" if place == 1 else f"Number {place} in line"
    if seconds is not None:
        text += f", starts in about {duration(seconds)} (estimated from earlier epochs)"
    return f"{text}. It starts by itself, also when this page is closed."


def _numbers(run: Run) -> None:
    if run.before is None and not run.epochs:
        return
    now = run.result.accuracy if run.result else None
    now = run.epochs[-1].test_accuracy if now is None and run.epochs else now
    with st.container(horizontal=True):
        if run.before:
            label = _FIRST.get(run.kind, "One-shot accuracy")
            st.metric(label, percent(run.before.one_shot), help=_FIRST_HELP)
        done = "Fine-tuned" if run.epochs else "Accuracy"
        label = done if run.result else "When it stopped" if run.over else "Now"
        st.metric(label, percent(now) if now is not None else "–")
        if best := best_epoch(final_network_epochs(run)):
            st.metric(f"Best, epoch {best.epoch}", percent(best.test_accuracy))
        if run.before and run.before.teacher_accuracy is not None:
            st.metric("Unpruned", percent(run.before.teacher_accuracy))
        if run.before:
            st.metric("MACs", count(run.before.macs))
        if peak := max((getattr(epoch, "memory", 0) for epoch in run.epochs), default=0):
            st.metric("Memory of the training", size(peak), help=_MEMORY_IS)


def _measured_on(shown: Sequence[Run]) -> None:
    """Where the numbers come from, in small print."""
    run = shown[0]
    if run.before is None and not run.epochs:
        return
    images = run.before.images if run.before else run.epochs[-1].test_images
    text = f"Accuracies measured on {images:,} test images of {problems.plain(run.data)}"
    if run.result:
        text += f"; 95 % interval of the fine-tuned one {span(run.result.interval)}"
        text += f"; trained for {duration(run.result.seconds)}"
    if any(other.data != run.data for other in shown[1:]):
        text += ". The runs drawn here used different images, so their accuracies do not compare"
    st.caption(text + ". MACs counted; speed, memory and losses measured in training.")
