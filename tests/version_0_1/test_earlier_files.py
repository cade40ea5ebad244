"""Plans, edits, recipes, networks, links and run folders of version 0.1 still open."""

from __future__ import annotations

import hashlib
import json
import tarfile
from pathlib import Path

import pytest
import streamlit as st

from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.interchange import edits_from_json
from sfp_viz.core.plan.plan import plan_from_json, plan_to_json, recipe_from_json
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.runs.folder import read_run

ARCHIVE = Path(__file__).with_name("workspace.tar.xz")
KINDS = {
    "observe": "finished",
    "sensitivity": "finished",
    "latency": "finished",
    "trust": "finished",
    "steps": "finished",
    "sweep": "finished",
}


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    """The archive, unpacked."""
    folder = tmp_path_factory.mktemp("version_0_1")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    return folder


def run_folder(files: Path, word: str) -> Path:
    """The first run folder whose name contains ``word``."""
    return sorted(p for p in (files / "workspace" / "runs").iterdir() if word in p.name)[0]


@pytest.mark.parametrize("name", ["plan.json", "plan_by_images.json", "plan_with_edits.json"])
def test_a_plan_opens_and_removes_the_same_filters(files, name):
    text = (files / name).read_text()
    plan, raw = plan_from_json(text), json.loads(text)
    assert plan.digest == raw["digest"]
    removed = {row["group"]: tuple(row["filters"]) for row in raw["removals"]}
    assert {r.group: r.filters for r in plan.removals} == removed
    assert plan_from_json(plan_to_json(plan)) == plan
    assert all(reason.kind != "text" for r in plan.removals for reason in r.reasons)
    first = json.dumps(raw, sort_keys=True, indent=1)
    assert plan.version_1_hash == hashlib.sha256(first.encode()).hexdigest()[:16]


def test_edits_open(files):
    edits = edits_from_json((files / "edits.json").read_text())
    assert edits == Edits(
        edits.digest, ratios=(("conv1", 0.25),), protected=("fc1",), keep=(("conv2", 3),),
        remove=(("conv2", 5),), least=(("conv2", 6),),
    )  # fmt: skip


def test_a_recipe_opens(files):
    assert recipe_from_json((files / "recipe.json").read_text()) == Recipe(0.4)


@pytest.mark.parametrize("word", KINDS)
def test_a_finished_run_of_each_kind_opens(files, word):
    run = read_run(run_folder(files, f"{word}-lenet5"))
    assert (run.state, run.kind) == (KINDS[word], word)
    assert not run.message


def test_a_fine_tuning_opens_with_its_plan_and_its_epochs(files):
    run = read_run(run_folder(files, "finetuned"))
    assert run.state == "finished"
    assert len(run.epochs) == 2
    assert run.plan is not None
    assert run.plan.version_1_hash == run.facts["plan"]
    assert run.result is not None
    assert run.result.accuracy == pytest.approx(run.epochs[-1].test_accuracy)


@pytest.mark.parametrize("word", ["paused-finetune", "181805-sparsify"])
def test_a_paused_run_opens_as_paused(files, word):
    run = read_run(run_folder(files, word))
    assert run.state == "paused"
    assert run.done > 100


def test_the_checkpoint_of_a_paused_fine_tuning_loads(files):
    from sfp_viz.nets.data.datasets import load_data
    from sfp_viz.nets.io.model_file import load_saved
    from sfp_viz.nets.training.distill import Training
    from sfp_viz.runs.storage.checkpoints import read_newest

    folder = run_folder(files, "paused-finetune")
    run, checkpoint = read_run(folder), read_newest(folder)
    assert checkpoint is not None
    training = Training(
        load_saved(folder / "start.safetensors"),
        teacher=load_saved(folder / "teacher.safetensors"),
        train=load_data(run.data, "train"),
        test=load_data(run.data, "test"),
        settings=run.settings,
    )
    training.load_state_dict(checkpoint.state)
    assert training.done == run.done
    assert training.step == checkpoint.step > 0
    assert_equal(training.state_dict(), checkpoint.state, besides=())


def test_the_checkpoint_of_a_paused_sparse_training_loads(files):
    from sfp_viz.nets.data.datasets import load_data
    from sfp_viz.nets.io.model_file import load_saved
    from sfp_viz.nets.sparsity.sparse_training import SparseTraining
    from sfp_viz.runs.storage.checkpoints import read_newest
    from sfp_viz.runs.storage.sparsify import CHECKPOINTS, read_sparsify_request

    folder = run_folder(files, "181805-sparsify")
    run, checkpoint = read_run(folder), read_newest(folder / CHECKPOINTS)
    assert checkpoint is not None
    training = SparseTraining(
        load_saved(folder / "start.safetensors"),
        train=load_data(run.data, "train"),
        test=load_data(run.data, "test"),
        settings=read_sparsify_request(folder).settings,
    )
    training.load_state_dict({**checkpoint.state, "step": checkpoint.state["at"]})
    assert training.step == int(checkpoint.state["at"][0]) > 0
    assert_equal(training.state_dict(), checkpoint.state, besides=("at", "done", "step", "seconds"))


def assert_equal(state, saved, *, besides: tuple[str, ...]) -> None:
    """Both hold the same tensors, those named ``besides`` aside."""
    assert state.keys() | set(besides) == saved.keys() | set(besides)
    for name in saved.keys() - set(besides):
        assert state[name].equal(saved[name]), name


def test_a_link_brings_back_its_recipe_its_edits_and_its_steps(files, monkeypatch):
    from sfp_viz.ui.navigation import links
    from sfp_viz.ui.session import state

    monkeypatch.setenv("SFP_VIZ_HOME", str(files / "workspace"))
    monkeypatch.setattr(st, "session_state", {})
    kept = json.loads((files / "links.json").read_text())
    links.open_link(kept["query"])
    assert state.session().recipe == Recipe(kept["target"])
    assert state.session().edits == edits_from_json((files / "edits.json").read_text())
    assert len(state.tree().steps) == 5


def test_pruned_networks_open(files):
    from sfp_viz.nets.io.load import load_model

    model = load_model(str(files / "pruned.safetensors"))
    assert model.input_shape == (1, 8, 8)
    for word in ("finetuned", "steps-lenet5", "181614-sparsify", "181624-sparsify"):
        load_model(str(run_folder(files, word) / "student.safetensors"))


def test_the_evidence_of_the_workspace_is_used(files):
    from sfp_viz.runs.results.evidence import find_sources, read_evidence

    digest = plan_from_json((files / "plan.json").read_text()).digest
    evidence = read_evidence(find_sources(files / "workspace", digest))
    assert evidence.observations is not None
    assert evidence.sensitivity is not None
    assert evidence.latency is not None
