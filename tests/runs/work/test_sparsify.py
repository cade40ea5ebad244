"""A run that prunes while training: sparse, cut, fine-tuned; what it came to; and a worker that is
paused or killed at any moment makes no difference."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import get_args

import pytest

from sfp_viz.core.cost.cost import cost
from sfp_viz.core.cost.stripes import StripeChoice, StripeKind, stripe_cost
from sfp_viz.core.training.distillation import Distillation
from sfp_viz.core.training.sparsification import SSR, Stripes, sparse_settings
from sfp_viz.errors import RunError
from sfp_viz.files import write_json
from sfp_viz.runs.create.copy import copy_with
from sfp_viz.runs.create.sparsify import create_sparsify
from sfp_viz.runs.folder import list_runs, read_run
from sfp_viz.runs.results.points import points_of
from sfp_viz.runs.results.saved_network import save_network
from sfp_viz.runs.results.summary import finished_runs
from sfp_viz.runs.storage.sparsify import (
    OUTCOME,
    Outcome,
    read_outcome,
    read_refreshes,
    read_sparsify_request,
)
from sfp_viz.runs.work.heartbeat import Heartbeat
from sfp_viz.runs.worker import main
from tests.half_written import nothing_is_half_written
from tests.runs.killing import killed

SHARED = {
    "refresh": 3, "batch_size": 64, "learning_rate": 0.05, "augmentation": "shift",
    "train_images": 200, "test_images": 100,
}  # fmt: skip
FEW = SSR(method="ssr_l20", strength=0.3, rho=1.0, finish="target", epochs=2, **SHARED)
STRIPES = Stripes(strength=0.05, epochs=3, **SHARED)
TUNING = Distillation(
    epochs=2, batch_size=64, augmentation="shift", learning_rate=0.05, train_images=200,
    test_images=100, checkpoint_steps=3,
)  # fmt: skip


@pytest.fixture
def new_sparsify(tmp_path, network_file):
    """Lays out runs that prune while training in a workspace of the test."""

    def make(settings=FEW, tuning: Distillation | None = TUNING, **more) -> Path:
        more = {"model_file": network_file, "data": "digits", **more}
        return create_sparsify(tmp_path, settings=settings, tuning=tuning, **more)

    return make


def model_in(file: Path):
    from sfp_viz.nets.io.model_file import load_saved

    return load_saved(file)


def read(file: Path):
    from sfp_viz.nets.tracing.read_network import read_network

    return read_network(model_in(file))


def test_filters_go_while_it_trains_then_it_is_cut_and_fine_tuned(new_sparsify, network_file):
    path = new_sparsify()
    waiting = read_run(path)
    assert (waiting.kind, waiting.state, waiting.done, waiting.total) == (
        "sparsify",
        "waiting",
        0,
        4,
    )
    assert read_sparsify_request(path).settings == FEW
    assert main([str(path)]) == 0
    run, lines, outcome = read_run(path), read_refreshes(path), read_outcome(path)
    assert (run.state, run.done, run.progress) == ("finished", 4, 1.0)
    assert [line.step for line in lines] == [3, 6, 8]
    assert [(e.epoch, e.epochs) for e in run.epochs] == [(1, 2), (2, 2)]
    original, last, sparse = (
        read(f) for f in (network_file, run.student, path / "sparse.safetensors")
    )
    assert run.plan is not None
    assert run.plan.digest == sparse.digest
    assert all("ssr" in reason.detail for r in run.plan.removals for reason in r.reasons)
    assert cost(sparse, run.plan) == cost(last)
    assert cost(last).macs <= 0.5 * cost(original).macs
    assert outcome is not None
    assert outcome.macs == (cost(original).macs, cost(last).macs)
    assert outcome.params == (cost(original).params, cost(last).params)
    peaks = tuple(cost(it).peak_activation_bytes for it in (original, last))
    assert outcome.activation_bytes == peaks
    assert peaks[1] < peaks[0]
    assert (outcome.choices, outcome.timed) == ((), None)
    assert run.result is not None
    assert run.result.macs == cost(last).macs
    assert run.result.accuracy == run.epochs[-1].test_accuracy
    assert run.result.teacher_accuracy is not None


def test_other_pages_take_it_for_a_training(new_sparsify, tmp_path):
    path = new_sparsify()
    assert main([str(path)]) == 0
    home = path.parent.parent
    assert [r.path for r in list_runs(home, kind="sparsify")] == [path]
    (summary,) = finished_runs(home)
    assert summary.digest == read_run(path).facts["digest"]
    assert summary.epochs == 4
    names = [point.label for point in points_of([summary])]
    assert any(name.startswith("SSR, l2,0") for name in names)
    saved = save_network(path, tmp_path / "kept.safetensors")
    assert (saved.epoch, saved.epochs) == (4, 4)
    assert saved.file.read_bytes() == read_run(path).student.read_bytes()


def test_stripes_are_kept_as_they_run_faster_and_counted_apart_from_time(
    new_sparsify, network_file, tmp_path
):
    from sfp_viz.nets.export.onnx_file import export_onnx
    from sfp_viz.nets.stripes.striped_file import load_striped
    from sfp_viz.nets.stripes.striped_model import cropped_layers, stripe_layers

    path = new_sparsify(STRIPES)
    assert main([str(path)]) == 0
    run, outcome = read_run(path), read_outcome(path)
    network = read(run.student)
    counted = stripe_cost(network)
    assert outcome is not None
    assert run.result is not None
    assert outcome.macs == (cost(read(network_file)).macs, counted.macs)
    assert run.result.macs == counted.macs < outcome.dense_macs == cost(network).macs
    assert run.result.params == counted.params < outcome.dense_params
    assert outcome.timed is not None
    assert min(outcome.timed.dense, outcome.timed.skipping, outcome.timed.mixed) > 0
    kept = load_striped(run.student)
    runs = {
        kind: [c.layer for c in outcome.choices if c.kind == kind] for kind in get_args(StripeKind)
    }
    assert list(stripe_layers(kept)) == runs["stripes"]
    assert list(cropped_layers(kept)) == runs["smaller"]
    assert {c.layer: c.live for c in outcome.choices} == dict(read_stripes(network))
    start = read_stripes(read(path / "start2.safetensors"))
    assert read_stripes(network) == start  # training brought none back
    assert export_onnx(kept, tmp_path / "kept.onnx") <= 1e-4


def test_what_became_of_layers_is_read_with_and_without_smaller_windows(tmp_path):
    """Outcomes from before there were smaller windows are read too."""
    choice = StripeChoice("conv2", 200, 432, 0.02, 0.08, "smaller", (2, 3), 0.01)
    one = Outcome((4, 2), (4, 2), (4, 2), 3, 3, choices=(choice,))
    write_json(tmp_path / OUTCOME, asdict(one))
    assert read_outcome(tmp_path) == one
    entry = asdict(replace(one, choices=(replace(choice, kind="dense"),)))
    del entry["choices"][0]["window"], entry["choices"][0]["smaller_ms"]
    write_json(tmp_path / OUTCOME, entry)
    (old,) = read_outcome(tmp_path).choices
    assert old == StripeChoice("conv2", 200, 432, 0.02, 0.08, "dense")


def read_stripes(network):
    from sfp_viz.core.cost.stripes import stripes_of

    return stripes_of(network)


def test_without_fine_tuning_the_cut_network_is_the_result(new_sparsify):
    path = new_sparsify(tuning=None)
    assert read_run(path).total == 2
    assert main([str(path)]) == 0
    run = read_run(path)
    assert (run.state, run.done, run.total, run.epochs) == ("finished", 2, 2, ())
    assert run.result is not None
    assert run.result.accuracy == run.result.one_shot
    assert run.result.seconds > 0
    assert model_in(run.student).digest == model_in(path / "start2.safetensors").digest


@pytest.mark.parametrize("method", ["ssr_l21", "ssr_l20", "proximal"])
def test_a_penalty_under_which_all_would_die_says_so_in_the_message(new_sparsify, method):
    strength = 2.0 if method == "ssr_l20" else 50.0
    settings = sparse_settings(**{
        **asdict(FEW), "method": method, "strength": strength, "rho": 3.0, "weights": "plain",
        "learning_rate": 0.01, "growth": 1.0, "finish": "found",
    })  # fmt: skip
    path = new_sparsify(settings, tuning=None)
    assert main([str(path)]) == 0
    run = read_run(path)
    assert "its largest" in run.message
    assert "Lower lambda" in run.message
    assert all(group.size >= 1 for group in read(run.student).groups)


def test_a_penalty_that_removes_nothing_says_what_to_raise(new_sparsify):
    path = new_sparsify(replace(FEW, strength=0.0, finish="found"), tuning=None)
    assert main([str(path)]) == 0
    run = read_run(path)
    assert "Raise lambda" in run.message
    assert run.plan is not None
    assert run.plan.removals == ()


def test_an_infinite_loss_ends_the_run_with_a_sentence(new_sparsify):
    path = new_sparsify(replace(FEW, learning_rate=1e30))
    assert main([str(path)]) == 1
    run = read_run(path)
    assert run.state == "failed"
    assert "Lower the learning rate" in run.message


def test_weights_that_become_infinite_are_in_no_checkpoint(new_sparsify, monkeypatch):
    import torch

    from sfp_viz.nets.sparsity.sparse_training import SparseTraining
    from sfp_viz.runs.storage.checkpoints import read_newest

    real = SparseTraining._train_step

    def astray(self) -> None:
        real(self)
        if self.step == 5:
            with torch.no_grad():
                next(self.module.parameters()).fill_(torch.nan)

    path = new_sparsify(replace(FEW, refresh=2), replace(TUNING, checkpoint_steps=1))
    with monkeypatch.context() as patch:
        patch.setattr(SparseTraining, "_train_step", astray)
        assert main([str(path)]) == 1
    assert "Lower the learning rate" in read_run(path).message
    kept = read_newest(path / "sparsifying")
    assert kept is not None
    assert int(kept.state["at"][0]) == 4
    assert all(torch.isfinite(t).all() for t in kept.state.values() if t.is_floating_point())
    assert main([str(path)]) == 0
    assert read_run(path).state == "finished"


def test_a_run_that_ends_before_its_fine_tuning_hands_out_the_network_it_has_cut(
    new_sparsify, monkeypatch, tmp_path
):
    from sfp_viz.runs.work import sparsify as work_sparsify
    from sfp_viz.ui.runs.buttons import has_checkpoint

    def ends(*_):
        raise RunError("It ends here.")

    path = new_sparsify(FEW)
    monkeypatch.setattr(work_sparsify, "_tune", ends)
    assert main([str(path)]) == 1
    run = read_run(path)
    assert has_checkpoint(run)
    saved = save_network(path, tmp_path / "cut.safetensors")
    assert saved.file.read_bytes() == (path / "start2.safetensors").read_bytes()
    assert run.before is not None
    assert (saved.epoch, saved.epochs, saved.step) == (2, 4, 0)
    assert (saved.accuracy, saved.images) == (run.before.one_shot, 100)


def test_what_cannot_be_laid_out_or_read_is_refused(new_sparsify, tmp_path):
    import numpy as np
    from safetensors.numpy import save_file

    save_file({"x": np.zeros(3)}, tmp_path / "foreign.safetensors")
    with pytest.raises(RunError, match="save_model"):
        new_sparsify(model_file=tmp_path / "foreign.safetensors")
    with pytest.raises(RunError, match="one process"):
        new_sparsify(tuning=replace(TUNING, processes=2))
    path = new_sparsify()
    assert (read_refreshes(path), read_outcome(path)) == ((), None)
    (path / "sparse.json").write_text('{"format": 1, "settings": {"method": "none"}}')
    with pytest.raises(RunError, match=r"sparse\.json"):
        read_sparsify_request(path)
    assert main([str(path)]) == 1
    assert "sparse.json" in read_run(path).message


def test_a_copy_with_half_the_batch_halves_both_parts(new_sparsify):
    path = copy_with(new_sparsify(), batch_size=32)
    assert read_run(path).settings.batch_size == 32
    assert read_sparsify_request(path).settings == replace(FEW, batch_size=32)


def test_a_copy_with_a_lower_rate_or_another_seed_changes_both_parts(new_sparsify):
    first = new_sparsify(tuning=replace(TUNING, learning_rate=0.01))
    path = copy_with(first, learning_rate=0.025, seed=7)
    assert read_sparsify_request(path).settings == replace(FEW, learning_rate=0.025, seed=7)
    tuning = read_run(path).settings
    assert (tuning.learning_rate, tuning.seed) == (pytest.approx(0.005), 7)


@pytest.mark.parametrize("settings", [FEW, STRIPES], ids=["filters", "stripes"])
def test_paused_again_and_again_it_ends_with_the_same_bits(
    new_sparsify, monkeypatch, tmp_path, settings
):
    undisturbed, path = new_sparsify(settings), new_sparsify(settings)
    assert main([str(undisturbed)]) == 0
    seen = {"steps": 0}
    real = Heartbeat.step

    def step(self) -> bool:
        seen["steps"] += 1
        if seen["steps"] % 4 == 2:
            (path / "request").write_text("pause\n")
            self.stop.set()
        return real(self)

    monkeypatch.setattr(Heartbeat, "step", step)
    pauses = 0
    while main([str(path)]) == 0 and read_run(path).state == "paused":
        run = read_run(path)
        assert "Paused" in run.message
        assert 0 < run.progress < 1
        if not run.epochs and not (path / "start2.safetensors").exists():
            assert model_in(save_network(path, tmp_path / f"{pauses}.safetensors").file)
        (path / "request").unlink()
        pauses += 1
    assert pauses >= 4
    assert lasting(path) == lasting(undisturbed)


def lasting(path: Path) -> dict[str, object]:
    """What a run leaves, without the times that things took, and what they decide."""
    run, outcome = read_run(path), read_outcome(path)
    epochs = [replace(e, seconds=0, images_per_second=0, memory=0) for e in run.epochs]
    lines = [replace(line, seconds=0, images_per_second=0) for line in read_refreshes(path)]
    whole = {
        n: (path / n).read_bytes()
        for n in ("plan.json", "sparse.safetensors", "start2.safetensors")
    }
    assert run.state == "finished"
    assert outcome is not None
    assert run.result is not None
    assert nothing_is_half_written(path)
    kept = replace(outcome, choices=(), timed=None)
    student = model_in(run.student).digest
    return {**whole, "student": student, "epochs": epochs, "lines": lines, "kept": kept,
            "accuracy": run.result.accuracy}  # fmt: skip


def check_kills(fork_server, new_sparsify, tmp_path, settings, choose) -> None:
    undisturbed = new_sparsify(settings, folder=tmp_path / "runs" / "undisturbed")
    told = killed(fork_server, {undisturbed: 0})
    moments = choose(int(told[-1].split()[-1]))
    paths = {new_sparsify(settings, folder=tmp_path / "runs" / f"m{m}"): m for m in moments}
    said = [line for line in killed(fork_server, paths) if "moments" not in line]
    assert said == [f"{m} died" for m in moments]
    wanted = lasting(undisturbed)
    for path, moment in paths.items():
        assert lasting(path) == wanted, moment


def test_killed_at_some_moments_it_ends_with_the_same_bits(fork_server, new_sparsify, tmp_path):
    check_kills(fork_server, new_sparsify, tmp_path, FEW, lambda count: range(9, count, count // 2))


@pytest.mark.slow
@pytest.mark.parametrize("settings", [FEW, STRIPES], ids=["filters", "stripes"])
def test_killed_at_every_moment_it_ends_with_the_same_bits(
    fork_server, new_sparsify, tmp_path, settings
):
    check_kills(fork_server, new_sparsify, tmp_path, settings, lambda count: range(1, count + 1))


def test_a_half_written_line_does_not_count(new_sparsify):
    path = new_sparsify(tuning=None)
    assert main([str(path)]) == 0
    lines = read_refreshes(path)
    with (path / "refreshes.jsonl").open("a") as file:
        file.write(json.dumps({"step": 9})[:-2])
    assert read_refreshes(path) == lines
