"""Start of a fine-tuning: presets that suit the images, and the run's folder for the worker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NoReturn

import streamlit as st

from sfp_viz.core.cost.cost import cost
from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.request import Request
from sfp_viz.core.training.distillation import Distillation
from sfp_viz.figures.tradeoff.tradeoff import Kind
from sfp_viz.runs.storage.facts import training_facts
from sfp_viz.runs.storage.launch_record import Where
from sfp_viz.ui.cached import loaders, planned, pruned
from sfp_viz.ui.cached.measurements import Subject
from sfp_viz.ui.session import state
from sfp_viz.ui.training import run_location

QUICK, STANDARD = "Quick", "Standard"
STARTED = "runs started"  # session_state: number of runs started in this browser session
_SETTINGS: Mapping[tuple[str, str], Distillation] = {
    (QUICK, "digits"): Distillation(
        epochs=15, batch_size=64, learning_rate=0.01, augmentation="shift"
    ),
    (STANDARD, "digits"): Distillation(
        epochs=40, batch_size=64, learning_rate=0.01, augmentation="shift"
    ),
    (QUICK, ""): Distillation(epochs=4, train_images=10_000, test_images=2_000),
    (STANDARD, ""): Distillation(epochs=20),
}


def preset(name: str, data: str) -> Distillation:
    """The settings of a preset.

    Args:
        name: QUICK or STANDARD.
        data: Name of the images.
    """
    return _SETTINGS.get((name, data)) or _SETTINGS[(name, "")]


def start_training(
    subject: Subject, settings: Distillation, *, name: str, where: Where = "here"
) -> str:
    """Prune the network, create a fine-tuning and queue it; returns the run's id. Takes seconds.

    Args:
        subject: What to prune and train.
        settings: Settings of the training.
        name: Name of the run.
        where: Whether it runs here or on the cluster.
    """
    from sfp_viz.nets.io.model_file import save_model
    from sfp_viz.runs.create.training import create_run

    plan = planned.plan(subject.model, subject.request)
    student = pruned.model(subject.model, subject.request, subject.data)
    network = loaders.network(subject.model)
    before, after = cost(network), cost(network, plan)
    facts = training_facts(
        digest=network.digest,
        model=subject.model,
        recipe=subject.recipe,
        edits=subject.edits or None,
        plan=plan,
        before=(before.macs, before.params),
        after=(after.macs, after.params),
    )
    with loaders.model_file(subject.model) as teacher_file:
        student_file = teacher_file.with_name("start.safetensors")
        save_model(student, student_file)
        path = create_run(
            loaders.home(),
            start=student_file,
            teacher=teacher_file,
            settings=settings,
            data=subject.data,
            name=name,
            plan=plan,
            facts=facts,
        )
    run_location.enqueue(path, where)
    return path.name


def watch(run: str) -> NoReturn:
    """Show the run that was just started, with the form closed."""
    st.session_state[STARTED] = st.session_state.get(STARTED, 0) + 1
    state.change(run=run)
    st.rerun()


def baseline(
    subject: Subject, kind: Kind, target: float, *, seed: int = 0, plain: bool = False
) -> Subject:
    """The same network pruned by a baseline.

    Args:
        subject: The network, its images, and the locks and compensation that the baseline shares.
        kind: 'uniform' or 'random'.
        target: Share of MACs to remove, 0..1.
        seed: Seed of the random baseline.
        plain: Whether to prune without compensation, as baselines are published.
    """
    from sfp_viz.core.plan import recipe as recipes

    make = recipes.uniform_l1 if kind == "uniform" else recipes.random
    compensation = "none" if plain else subject.recipe.compensation
    recipe = make(
        target, seed=seed, max_ratio=0.99, coupled=subject.recipe.coupled, compensation=compensation
    )
    locks = Edits(loaders.digest(subject.model), protected=subject.edits.protected)
    return replace(subject, request=Request.of(recipe, locks), kind=kind)
