"""A run in steps: each stage is cut from what the one before has learned, the targets are of the
original, and a worker that is killed at any moment makes no difference."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sfp_viz.core.cost.cost import cost
from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.plan import plan_from_json
from sfp_viz.core.plan.recipe import Recipe, taylor, uniform_l1
from sfp_viz.core.selection.iterative_schedule import Steps, targets
from sfp_viz.core.training.distillation import Distillation
from sfp_viz.errors import RunError
from sfp_viz.runs.create.copy import copy_with
from sfp_viz.runs.create.steps import create_steps
from sfp_viz.runs.folder import list_runs, read_run
from sfp_viz.runs.storage.steps import StepsRequest, read_stages, read_steps_request, stage_folder
from sfp_viz.runs.work.heartbeat import Heartbeat
from sfp_viz.runs.worker import main
from tests.half_written import nothing_is_half_written
from tests.runs.killing import killed

FEW = Distillation(
    batch_size=64, augmentation="shift", learning_rate=0.05, train_images=200, test_images=100,
    checkpoint_steps=3,
)  # fmt: skip
UNIFORM = uniform_l1(0.6)
STEPS = Steps(stages=3, growth="cubic", epochs=1, last_epochs=2)


@pytest.fixture
def new_steps(tmp_path, network_file):
    """Lays out runs in steps in a workspace of the test."""

    def make(recipe=UNIFORM, edits=None, steps=STEPS, settings=FEW, **more) -> Path:
        order = StepsRequest(recipe, edits, steps)
        more = {"model_file": network_file, "data": "digits", **more}
        return create_steps(tmp_path, order=order, settings=settings, **more)

    return make


def read(file: Path):
    """The reading of a network in a file."""
    from sfp_viz.nets.io.model_file import load_saved
    from sfp_viz.nets.tracing.read_network import read_network

    return read_network(load_saved(file))


def test_each_stage_cuts_what_the_one_before_has_learned(new_steps, network_file):
    path = new_steps()
    waiting = read_run(path)
    assert (waiting.kind, waiting.state, waiting.total) == ("steps", "waiting", 4)
    assert (waiting.facts["stages"], waiting.facts["target_reduction"]) == (3, 0.6)
    assert main([str(path)]) == 0
    run, stages = read_run(path), read_stages(path)
    assert (run.state, run.message, run.progress) == ("finished", "", 1.0)
    assert [(e.epoch, e.epochs) for e in run.epochs] == [(n, 4) for n in (1, 2, 3, 4)]
    assert run.epochs[0].learning_rate < FEW.learning_rate / 2  # each stage goes all the way down
    original = read(network_file)
    whole = cost(original).macs
    for stage, target in zip(stages, targets(STEPS, 0.6), strict=True):
        assert stage.target == target
        assert stage.macs <= (1 - target) * whole + 1
        assert stage.reduction == pytest.approx(1 - stage.macs / whole, abs=1e-6)
        assert 0 <= stage.one_shot <= 1
        plan = plan_from_json((stage_folder(path, stage.number) / "plan.json").read_text())
        assert plan.hash == stage.plan
    assert len({stage.plan for stage in stages}) == 3
    last = read(run.student)
    assert (cost(last).macs, cost(last).params) == (stages[-1].macs, stages[-1].params)
    assert (run.result.macs, run.result.params) == (stages[-1].macs, stages[-1].params)
    assert run.result.accuracy == run.epochs[-1].test_accuracy
    assert run.result.one_shot == stages[0].one_shot
    assert run.plan is not None  # all stages as one plan of the original
    assert cost(original, run.plan) == cost(last)
    assert [r.path for r in list_runs(path.parent.parent, kind="steps")] == [path]


def test_locks_and_ratios_by_hand_are_of_the_original(new_steps, network_file):
    original = read(network_file)
    edits = Edits(original.digest, ratios=(("conv2", 0.5),), protected=("conv1",))
    path = new_steps(Recipe(0.3), edits)
    assert read_steps_request(path) == StepsRequest(Recipe(0.3), edits, STEPS)
    assert main([str(path)]) == 0
    run = read_run(path)
    last = read(run.student)
    assert last.group("conv1").size == original.group("conv1").size
    assert last.group("conv2").size == original.group("conv2").size // 2
    assert run.plan is not None
    assert run.plan.edits == edits
    assert cost(last).macs <= 0.7 * cost(original).macs


def test_a_recipe_that_needs_images_looks_at_them_in_each_stage(new_steps):
    path = new_steps(taylor(0.4), steps=replace(STEPS, stages=2, last_epochs=1))
    assert main([str(path)]) == 0
    assert read_run(path).state == "finished"
    assert len(read_stages(path)) == 2


@pytest.mark.parametrize(
    ("recipe", "says"),
    [
        (Recipe(0.5, goal="latency"), "cannot use the latency"),
        (Recipe(0.9, max_ratio=0.1), "%"),
    ],
)
def test_what_cannot_be_reached_is_said_before_any_training(new_steps, recipe, says):
    path = new_steps(recipe)
    assert main([str(path)]) == 1
    run = read_run(path)
    assert run.state == "failed"
    assert says in run.message
    assert not run.epochs


def test_what_a_run_in_steps_cannot_be_asked_for_is_refused_at_once(new_steps, tmp_path):
    with pytest.raises(RunError, match="one process"):
        new_steps(settings=replace(FEW, processes=2))
    assert not (tmp_path / "runs").exists()
    path = new_steps()
    with pytest.raises(RunError, match="those of its stages"):
        copy_with(path, epochs=9)
    with pytest.raises(RunError, match="one process"):
        copy_with(path, processes=2)
    again = copy_with(path, epochs=STEPS.total, batch_size=16)
    assert read_steps_request(again) == read_steps_request(path)
    assert read_run(again).settings.batch_size == 16


def test_a_file_that_is_not_ours_and_a_broken_order_are_refused(new_steps, tmp_path):
    import numpy as np
    from safetensors.numpy import save_file

    save_file({"x": np.zeros(3)}, tmp_path / "foreign.safetensors")
    with pytest.raises(RunError, match="save_model"):
        new_steps(model_file=tmp_path / "foreign.safetensors")
    path = new_steps()
    (path / "steps.json").write_text('{"recipe": {}}')
    with pytest.raises(RunError, match=r"steps\.json"):
        read_steps_request(path)
    assert read_stages(path) == ()


def test_paused_in_the_middle_of_each_stage_it_ends_with_the_same_bytes(new_steps, monkeypatch):
    steps = Steps(stages=2, epochs=1, last_epochs=1)
    undisturbed, path = new_steps(steps=steps), new_steps(steps=steps)
    assert main([str(undisturbed)]) == 0
    seen = {"steps": 0}
    real = Heartbeat.step

    def step(self) -> bool:
        seen["steps"] += 1
        if seen["steps"] in (2, 8):  # of 4 steps an epoch, one of them done again
            (path / "request").write_text("pause\n")
            self.stop.set()
        return real(self)

    monkeypatch.setattr(Heartbeat, "step", step)
    for stage in (1, 2):
        assert main([str(path)]) == 0
        paused = read_run(path)
        assert (paused.state, len(paused.epochs)) == ("paused", stage - 1)
        assert f"in epoch {stage}" in paused.message
        (path / "request").unlink()
    assert main([str(path)]) == 0
    assert lasting(path) == lasting(undisturbed)


def lasting(path: Path) -> dict[str, object]:
    """What a run leaves, without the times that things took."""
    run = read_run(path)
    epochs = [replace(e, seconds=0, images_per_second=0, memory=0) for e in run.epochs]
    files = {"student.safetensors", "plan.json", "stages.jsonl"}
    plans = {str(p.relative_to(path)): p.read_bytes() for p in path.glob("stages/*/*")}
    whole = {name: (path / name).read_bytes() for name in files}
    assert run.state == "finished"
    assert nothing_is_half_written(path)
    return {**plans, **whole, "epochs": epochs}


def check_kills(fork_server, new_steps, tmp_path, choose) -> None:
    steps = Steps(stages=2, growth="linear", epochs=1, last_epochs=2)
    undisturbed = new_steps(steps=steps, folder=tmp_path / "runs" / "undisturbed")
    told = killed(fork_server, {undisturbed: 0})
    moments = choose(int(told[-1].split()[-1]))
    paths = {new_steps(steps=steps, folder=tmp_path / "runs" / f"m{m}"): m for m in moments}
    assert [line for line in killed(fork_server, paths) if "moments" not in line] == [
        f"{m} died" for m in moments
    ]
    wanted = lasting(undisturbed)
    for path, moment in paths.items():
        assert lasting(path) == wanted, moment


def test_killed_at_some_moments_a_run_in_steps_ends_with_the_same_bytes(
    fork_server, new_steps, tmp_path
):
    check_kills(fork_server, new_steps, tmp_path, lambda count: range(5, count, count // 2))


@pytest.mark.slow
def test_killed_at_every_moment_a_run_in_steps_ends_with_the_same_bytes(
    fork_server, new_steps, tmp_path
):
    check_kills(fork_server, new_steps, tmp_path, lambda count: range(1, count + 1))
