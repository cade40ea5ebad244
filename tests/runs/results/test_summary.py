"""The index of finished runs: quick, and always what the folders say."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict

import pytest

from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.core.selection.iterative_schedule import Steps, steps_to_dict
from sfp_viz.nets.io.samples import sample_network
from sfp_viz.runs.results import summary
from sfp_viz.runs.results.differences import differing_rows
from sfp_viz.runs.results.points import kind_of
from sfp_viz.runs.results.summary import INDEX, finished_runs, unfinished_runs
from sfp_viz.runs.results.table import table
from sfp_viz.runs.storage.steps import Stage, write_stages
from tests.finished_runs import MODEL, finished_run, plan_of


def test_a_finished_run_is_summed_up_with_its_last_and_best_epoch(tmp_path):
    plan = plan_of(Recipe())
    path = finished_run(tmp_path, plan=plan, accuracies=(0.92, 0.97, 0.95))
    (one,) = finished_runs(tmp_path)
    assert (one.id, one.path) == (path.name, path)
    assert (one.accuracy, one.best, one.best_epoch, one.epochs) == (0.95, 0.97, 2, 3)
    assert one.interval[0] < 0.95 < one.interval[1]
    assert (one.macs, one.params, one.images, one.whole_accuracy) == (80_000, 11_000, 360, 0.986)
    assert (one.plan, one.recipe, one.pruned_by) == (plan.hash, "similarity", "plan")
    assert one.digest == sample_network(MODEL).digest
    assert one.machine["torch"] == "2.15"
    assert one.settings["epochs"] == 3


def test_a_second_look_opens_no_file_of_a_run(tmp_path, monkeypatch):
    finished_run(tmp_path)
    first = finished_runs(tmp_path)
    monkeypatch.setattr(summary, "_summed", lambda folder: pytest.fail(f"read {folder}"))
    assert finished_runs(tmp_path) == first


def test_deleted_new_and_changed_runs_are_seen_at_once(tmp_path):
    old, kept = finished_run(tmp_path), finished_run(tmp_path, kind="uniform")
    assert len(finished_runs(tmp_path)) == 2
    shutil.rmtree(old)
    new = finished_run(tmp_path, kind="random")
    assert {one.id for one in finished_runs(tmp_path)} == {kept.name, new.name}
    result = json.loads((kept / "result.json").read_text())
    (kept / "result.json").write_text(json.dumps({**result, "accuracy": 0.1}))
    found = {one.id: one for one in finished_runs(tmp_path)}
    assert found[kept.name].accuracy == 0.1
    (kept / "result.json").unlink()  # it is at work again
    assert {one.id for one in finished_runs(tmp_path)} == {new.name}
    assert kept in unfinished_runs(tmp_path)
    assert new not in unfinished_runs(tmp_path)


def test_runs_of_other_networks_studies_and_broken_folders_are_left_out(tmp_path):
    mine = finished_run(tmp_path)
    other = finished_run(tmp_path, digest="0" * 16)
    study = finished_run(tmp_path)
    settings = json.loads((study / "settings.json").read_text())
    (study / "settings.json").write_text(json.dumps({**settings, "kind": "sensitivity"}))
    for number, text in enumerate(("no json", '{"accuracy": 2}', "[]")):
        broken = finished_run(tmp_path, kind=f"broken {number}")
        (broken / "result.json").write_text(text)
    odd = finished_run(tmp_path, kind="odd")
    result = json.loads((odd / "result.json").read_text())
    (odd / "result.json").write_text(json.dumps({**result, "accuracy": "high"}))
    assert {one.id for one in finished_runs(tmp_path)} == {mine.name, other.name}
    assert [one.id for one in finished_runs(tmp_path, sample_network(MODEL).digest)] == [mine.name]


@pytest.mark.parametrize("text", ["", "no json", "[]", '{"format": 1, "runs": 3}', '{"format": 9}'])
def test_a_damaged_index_is_made_anew(tmp_path, text):
    finished_run(tmp_path)
    first = finished_runs(tmp_path)
    (tmp_path / "cache" / INDEX).write_text(text)
    assert finished_runs(tmp_path) == first
    (tmp_path / "cache" / INDEX).write_text(json.dumps({"format": 1, "runs": {first[0].id: 5}}))
    assert finished_runs(tmp_path) == first


def test_a_workspace_that_cannot_be_written_is_read_all_the_same(tmp_path):
    finished_run(tmp_path)
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert len(finished_runs(tmp_path)) == 1
    assert finished_runs(tmp_path / "nowhere") == ()
    assert unfinished_runs(tmp_path / "nowhere") == ()


def test_the_accuracy_after_the_first_of_many_cuts_is_not_taken_for_one_shot(tmp_path):
    once, turns = finished_run(tmp_path), finished_run(tmp_path, kind="uniform")
    settings = json.loads((turns / "settings.json").read_text())
    (turns / "settings.json").write_text(json.dumps({**settings, "kind": "steps"}))
    found = {one.id: one for one in finished_runs(tmp_path)}
    assert (found[once.name].one_shot, found[turns.name].one_shot) == (0.5, None)
    assert kind_of(found[turns.name]) == "run"  # no plain baseline either
    heads, rows = table(list(found.values()))
    column = heads.index("accuracy one-shot, % (measured)")
    assert {list(row)[column] for row in rows} == {50.0, None}
    (row,) = [
        row for row in differing_rows(list(found.values())) if row.name.startswith("one-shot")
    ]
    assert set(row.values) == {50.0, "–"}


def test_the_best_epoch_of_a_run_in_steps_is_one_of_its_last_stage(tmp_path):
    path = finished_run(tmp_path, accuracies=(0.99, 0.98, 0.91, 0.93, 0.92))
    settings = json.loads((path / "settings.json").read_text())
    (path / "settings.json").write_text(json.dumps({**settings, "kind": "steps"}))
    order = {"recipe": asdict(Recipe()), "edits": None}
    order["steps"] = steps_to_dict(Steps(stages=2, epochs=2, last_epochs=3))
    (path / "steps.json").write_text(json.dumps(order))
    write_stages(path, [Stage(n, 0.2 * n, 0.2 * n, 9000, 900, 0.5, "h") for n in (1, 2)])
    (one,) = finished_runs(tmp_path)
    assert (one.accuracy, one.best, one.best_epoch) == (0.92, 0.93, 4)
