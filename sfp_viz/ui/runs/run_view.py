"""A run on the page: its state and buttons, its numbers, its curves."""

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
from sfp_viz.ui.runs import (
    next_steps,
    references,
    run_names,
    sparsify_result,
    sparsify_view,
    sweep_view,
)

_NO_BASELINE = (
    "No reference line for uniform L1: no such run has the same MACs, images and epochs. The "
    "Compare page can start one."
)
_MEMORY_HELP = (
    "Peak memory of the training (measured): both networks, the images and the program. The pruned "
    "network alone needs far less."
)
_FIRST = {"steps": "After first pruning", "sparsify": "After pruning"}  # else it is one-shot
_FIRST_HELP = "Measured right after filters were pruned, before any fine-tuning."


def draw(selected: Sequence[tuple[Run, int]], runs: Sequence[Run]) -> None:
    """Draw the watched run, with the curves of other selected runs over its own.

    Args:
        selected: The selected runs with their color slots, the watched one first.
        runs: All runs of the network, which may have the uniform L1 reference.
    """
    run = selected[0][0]
    head(run, runs)
    if run.kind == "sweep":
        sweep_view.draw(run)
        return
    sweep_view.sweep_link(run)
    still = all(other.over for other in runs)
    if run.kind == sparsify.KIND:
        sparsify_result.buttons(run)
    else:
        next_steps.buttons(run)
    _numbers(run)
    drawn_runs = [(other, slot) for other, slot in selected if other.kind != "sweep"]
    _curves(run, drawn_runs, runs, still=still)
    if run.kind == sparsify.KIND:
        if run.before or run.epochs:
            st.markdown("**Sparse training**")
            sparsify_result.outcome(run)
        else:
            sparsify_view.numbers(run)
        sparsify_view.thinning_charts(run, still=still)


def _curves(
    run: Run, drawn_runs: Sequence[tuple[Run, int]], runs: Sequence[Run], *, still: bool
) -> None:
    """The curves of the runs ``drawn``, and what they were measured on."""
    if run.kind == sparsify.KIND:  # before its fine-tuning it has charts of its own
        drawn_runs = [(other, slot) for other, slot in drawn_runs if other.epochs]
    curve_runs = [other for other, _ in drawn_runs]
    if not any(other.epochs or other.before for other in curve_runs):
        if run.kind != sparsify.KIND:
            st.caption(
                "The run stopped before the end of its first epoch, so there are no curves."
                if run.over
                else "The curves appear here after the first epoch."
            )
        return
    names = run_names.unique_names(curve_runs)
    curves = [
        Curve(
            name=name,
            epochs=other.epochs,
            total=other.settings.epochs,
            slot=slot,
            start=other.before.one_shot if other.before else None,
            main=other is run,
            before=len(other.epochs) - len(final_network_epochs(other)),
        )
        for (other, slot), name in zip(drawn_runs, names, strict=True)
    ]
    lines = references.references(run, runs)
    live_lines(curves, key="lines", references=lines, stages=stages(run), still=still)
    _measured_on(curve_runs)
    comparable = run.result and run.kind == TRAINING and not references.is_uniform(run)
    if comparable and references.uniform(run, runs) is None:
        st.caption(_NO_BASELINE)


def stages(run: Run) -> list[tuple[float, str]]:
    """Where the stages of a run in steps begin: (epochs before it, its number and reduction)."""
    if run.kind != "steps":
        return []
    from sfp_viz.runs.storage.steps import read_stages, read_steps_request

    epochs = read_steps_request(run.path).steps.epochs_of
    return [
        (
            float(sum(epochs[: stage.number - 1])),
            f"stage {stage.number}: −{percent(stage.reduction, 0)}",
        )
        for stage in read_stages(run.path)
    ]


def head(run: Run, runs: Sequence[Run] = ()) -> None:
    """Draw name, state, buttons and message of a run, and its progress while it is under way.

    Args:
        run: The run.
        runs: All runs of the network.
    """
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
        show = {"failed": st.error, "lost": st.warning}.get(run.state, st.caption)
        show(problems.plain(run.message))
    run_buttons.restart_button(run)
    if run.state == "queued":
        st.caption(_queue_text(run))
    elif not run.over:
        st.progress(run.progress, text=run_labels.progress(run))


def _queue_text(run: Run) -> str:
    """The place of ``run`` in the queue and when it starts, estimated from earlier epochs."""
    home = loaders.home()
    queued, seconds = queue.queued_runs(home), queue.expected_starts(home).get(run.id)
    place = next((at for at, queued_run in enumerate(queued, 1) if queued_run.id == run.id), 1)
    text = "Next in the queue" if place == 1 else f"Number {place} in the queue"
    if seconds is not None:
        text += f", starts in about {duration(seconds)} (estimated from earlier epochs)"
    return f"{text}. It starts automatically, even if you close this page."


def _numbers(run: Run) -> None:
    if run.before is None and not run.epochs:
        return
    accuracy = run.result.accuracy if run.result else None
    accuracy = run.epochs[-1].test_accuracy if accuracy is None and run.epochs else accuracy
    with st.container(horizontal=True):
        if run.before:
            label = _FIRST.get(run.kind, "One-shot accuracy")
            st.metric(label, percent(run.before.one_shot), help=_FIRST_HELP)
        final = "Fine-tuned" if run.epochs else "Accuracy"
        label = final if run.result else "When stopped" if run.over else "Current accuracy"
        st.metric(label, percent(accuracy) if accuracy is not None else "–")
        if best := best_epoch(final_network_epochs(run)):
            st.metric(f"Best (epoch {best.epoch})", percent(best.test_accuracy))
        if run.before and run.before.teacher_accuracy is not None:
            st.metric("Unpruned", percent(run.before.teacher_accuracy))
        if run.before:
            st.metric("MACs", count(run.before.macs))
        if peak := max((getattr(epoch, "memory", 0) for epoch in run.epochs), default=0):
            st.metric("Training memory", size(peak), help=_MEMORY_HELP)


def _measured_on(shown: Sequence[Run]) -> None:
    """What the numbers were measured on, as a caption."""
    run = shown[0]
    if run.before is None and not run.epochs:
        return
    images = run.before.images if run.before else run.epochs[-1].test_images
    text = f"Accuracies measured on {images:,} test images of {problems.plain(run.data)}"
    if run.result:
        text += f"; 95 % interval after fine-tuning {span(run.result.interval)}"
        text += f"; training time {duration(run.result.seconds)}"
    if any(other.data != run.data for other in shown[1:]):
        text += ". These runs used different images, so their accuracies cannot be compared"
    st.caption(text + ". MACs counted; speed, memory and losses measured in training.")
