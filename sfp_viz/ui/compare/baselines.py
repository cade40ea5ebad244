"""Start of a baseline: the same training for uniform L1 or random pruning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from sfp_viz.core.comparison.tradeoff import Kind
from sfp_viz.core.training.distillation import Distillation
from sfp_viz.errors import SfpError
from sfp_viz.runs.results.names import setting_text
from sfp_viz.runs.results.summary import Summary
from sfp_viz.runs.storage.sparsify import KIND
from sfp_viz.text.run_labels import PRUNED_BY
from sfp_viz.ui import problems
from sfp_viz.ui.cached import loaders
from sfp_viz.ui.cached.measurements import Subject
from sfp_viz.ui.compare import points as compare_points
from sfp_viz.ui.session import state
from sfp_viz.ui.training import start

BASELINES: Mapping[str, Kind] = {"uniform": "uniform", "random": "random"}


def buttons(subject: Subject, runs: Sequence[Summary]) -> None:
    """Draw the buttons that start a baseline with the settings of the newest run of this plan, else
    of any plan. Sparse trainings are ignored, as most of their epochs come before the pruning.

    Args:
        subject: The current plan and images.
        runs: The finished runs on these images, the newest first.
    """
    plan_runs = [run for run in runs if run.pruned_by == "plan" and run.kind != KIND]
    current = compare_points.plan_hash()
    same_plan = [run for run in plan_runs if current and run.plan == current]
    settings = _settings(*(same_plan or plan_runs)[:1]) or start.preset(start.QUICK, subject.data)
    source = "the newest run of this plan" if same_plan else "the newest run of a plan"
    st.caption(
        f"With the settings of {source if plan_runs else 'the quick preset'}: "
        f"{setting_text('epochs', settings.epochs)}."
        + ("" if subject.recipe.compensation == "none" else " Without the plan's compensation, as "
           "these baselines are published.")
    )  # fmt: skip
    with st.container(horizontal=True):
        for kind in BASELINES.values():
            label, key = f"Fine-tune {PRUNED_BY[kind]}", f"baseline_{kind}"
            st.button(
                label, key=key, disabled=not subject.data,
                on_click=_start, args=(subject, kind, settings),
            )  # fmt: skip


def _settings(*runs: Summary) -> Distillation | None:
    """The settings of the first of ``runs``; None without one or if they are not readable."""
    try:
        return next((Distillation(**run.settings) for run in runs), None)
    except (TypeError, SfpError):
        return None


def _start(subject: Subject, kind: Kind, settings: Distillation) -> None:
    try:
        target = compare_points.reduction(subject)
        baseline = start.baseline(subject, kind, target, plain=True)
        run = start.start_training(baseline, settings, name=loaders.network(subject.model).name)
    except SfpError as problem:
        st.toast(problems.plain(str(problem)), icon=":material/error:")
        return
    state.change(run=run)
    st.toast("The run was started. The Fine-tune page shows its curves.")
