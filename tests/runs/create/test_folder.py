"""The run folder: laid out whole, read without torch, forgiving towards half-written lines."""

from __future__ import annotations

import json
import time
from dataclasses import asdict

import pytest

from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.plan import Plan
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.core.training.history import Epoch
from sfp_viz.errors import RunError
from sfp_viz.files import atomic_path, file_lock, read_json, write_text
from sfp_viz.runs import folder, liveness
from sfp_viz.runs.create.training import create_run
from sfp_viz.runs.folder import find_run, list_runs, read_run, read_runs


def an_epoch(number: int) -> Epoch:
    return Epoch(number, 3, 0.5, 0.8, 0.7, 100, 2.0, 0.01, 900.0, 1.5)


def test_a_new_run_holds_all_it_needs_and_waits(new_run, small, network_file):
    plan = Plan("ab", Recipe(), Edits("ab"), ())
    path = new_run("My first run!", plan=plan, facts={"base": "lenet5"})
    run = read_run(path)
    assert (run.state, run.name, run.settings, run.data) == (
        "waiting",
        "My first run!",
        small,
        "digits",
    )
    assert run.plan == plan
    assert run.facts == {"base": "lenet5"}
    assert run.id.endswith("my-first-run")
    assert (path / "start.safetensors").read_bytes() == network_file.read_bytes()
    assert (path / "teacher.safetensors").exists()
    assert not list(path.parent.glob(".new-*"))


def test_two_runs_of_one_second_get_two_folders(new_run):
    assert new_run("twin") != new_run("twin")


def test_a_run_is_never_laid_over_another(new_run, tmp_path):
    new_run(folder=tmp_path / "here")
    with pytest.raises(RunError, match="already"):
        new_run(folder=tmp_path / "here")


def test_a_missing_network_leaves_nothing_behind(tmp_path, small):
    with pytest.raises(RunError, match="cannot be created"):
        create_run(
            tmp_path,
            start=tmp_path / "none.safetensors",
            teacher=None,
            settings=small,
            data="digits",
            name="x",
        )
    assert list((tmp_path / "runs").iterdir()) == []


def test_the_newest_run_is_listed_first_and_other_folders_are_left_out(new_run, tmp_path):
    assert list_runs(tmp_path) == ()
    paths = [new_run(name) for name in ("one", "two")]
    (tmp_path / "runs" / "notes").mkdir()
    (tmp_path / "runs" / "broken").mkdir()
    (tmp_path / "runs" / "broken" / "settings.json").write_text("{")
    assert [run.path for run in list_runs(tmp_path)] == paths[::-1]


def test_a_run_is_found_by_its_id_its_beginning_or_its_path(new_run, tmp_path):
    path = new_run("only")
    assert find_run(tmp_path, path.name) == path
    assert find_run(tmp_path, path.name[:6]) == path
    assert find_run(tmp_path / "elsewhere", str(path)) == path
    with pytest.raises(RunError, match="No run is called"):
        find_run(tmp_path, "nothing")
    new_run("other")
    with pytest.raises(RunError, match="2 runs begin with"):
        find_run(tmp_path, "2")


def test_a_half_written_last_line_is_left_out(new_run):
    path = new_run()
    lines = [json.dumps(asdict(an_epoch(n))) + "\n" for n in (1, 2, 3)]
    (path / "epochs.jsonl").write_text("".join(lines)[:-9])
    assert read_run(path).epochs == (an_epoch(1), an_epoch(2))


def test_lines_out_of_order_are_not_a_history(new_run):
    path = new_run()
    lines = [json.dumps(asdict(an_epoch(n))) + "\n" for n in (1, 3)]
    (path / "epochs.jsonl").write_text("".join(lines))
    assert read_run(path).epochs == (an_epoch(1),)


def test_what_the_result_depends_on_is_still_said_when_the_run_is_finished(new_run):
    path, note = new_run(), "BatchNorm's statistics are per process."
    said = {"attempt": 1, "time": 1.0, "outcome": "finished", "message": note}
    (path / "worker.json").write_text(json.dumps(said))
    (path / "result.json").write_text("{}")
    assert (read_run(path).state, read_run(path).message) == ("finished", note)


def test_a_dead_worker_is_lost_and_the_message_says_how_to_go_on(new_run):
    path = new_run()
    (path / "launch.json").write_text(json.dumps({"attempt": 1, "time": 0}))
    worker = {
        "attempt": 1,
        "pid": 1,
        "host": liveness.hostname(),
        "time": time.time(),
        "threads": 2,
    }
    (path / "worker.json").write_text(json.dumps(worker))
    run = read_run(path)
    assert run.state == "lost"
    assert "Resume" in run.message
    assert run.threads == 2


def test_a_worker_that_starts_while_we_look_is_not_lost(new_run, monkeypatch):
    path = new_run()
    (path / "launch.json").write_text(json.dumps({"attempt": 2, "time": 0}))

    def write(attempt: int, pid: int) -> None:
        worker = {"attempt": attempt, "pid": pid, "host": liveness.hostname(), "time": time.time()}
        (path / "worker.json").write_text(json.dumps(worker))

    def look(pid: int, module: str, where: object) -> bool:
        write(2, 22)  # the new worker reports in the very moment in which the old one is looked at
        return pid == 22

    write(1, 11)
    monkeypatch.setattr(liveness, "is_alive", look)
    assert read_run(path).state == "running"


def test_a_worker_on_another_machine_is_judged_by_its_heartbeat(new_run):
    path = new_run()
    worker = {"attempt": 0, "pid": 1, "host": "elsewhere", "time": 1000.0, "phase": "training"}
    (path / "worker.json").write_text(json.dumps({**worker, "step": 1, "steps": 2}))
    run = read_run(path, now=1005.0)
    assert (run.state, run.phase, run.age_seconds) == ("running", "training", 5.0)
    assert run.progress == pytest.approx(0.5 / 3)
    assert read_run(path, now=1011.0).state == "lost"


@pytest.mark.parametrize("said", [{"pid": "x", "host": "here"}, {"attempt": []}, {"time": "now"}])
def test_a_damaged_word_of_the_worker_is_said_so_and_does_not_hide_the_other_runs(
    new_run, tmp_path, monkeypatch, said
):
    monkeypatch.setattr(liveness, "hostname", lambda: "here")
    broken, whole = new_run("broken"), new_run("whole")
    (broken / "worker.json").write_text(json.dumps(said))
    with pytest.raises(RunError, match=r"worker\.json is damaged.*Delete this file"):
        read_run(broken)
    assert [run.path for run in list_runs(tmp_path)] == [whole]
    runs, damaged = read_runs(tmp_path)
    assert [run.path for run in runs] == [whole]
    assert [(one.path, "worker.json" in one.problem) for one in damaged] == [(broken, True)]
    (broken / "worker.json").write_text("{}")  # nothing is said at all
    assert read_run(broken).state == "waiting"


def test_what_is_no_run_is_said_so(tmp_path):
    with pytest.raises(RunError, match="There is no run at"):
        read_run(tmp_path)


def test_a_run_of_a_newer_version_is_refused(new_run):
    path = new_run()
    value = read_json(path / "settings.json")
    write_text(path / "settings.json", json.dumps({**value, "format": 99}))
    with pytest.raises(RunError, match="newer version"):
        read_run(path)


def test_images_given_as_a_path_are_found_from_any_folder(new_run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.npz").write_bytes(b"")
    assert read_run(new_run(data="mine.npz")).data == str(tmp_path / "mine.npz")


def test_the_workspace_is_where_the_environment_says(tmp_path, monkeypatch):
    monkeypatch.setenv("SFP_VIZ_HOME", str(tmp_path / "w"))
    assert folder.home() == tmp_path / "w"
    monkeypatch.delenv("SFP_VIZ_HOME")
    monkeypatch.chdir(tmp_path)
    assert folder.home() == tmp_path / ".sfp_viz"


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "file.json"
    write_text(path, "old")
    with pytest.raises(UnicodeEncodeError), atomic_path(path) as fresh:
        fresh.write_text("half \udc00", encoding="utf-8")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["file.json"]


def test_a_lock_is_held_by_one_and_waited_for_as_long_as_asked(tmp_path):
    with file_lock(tmp_path / "lock") as mine:
        assert mine
        with file_lock(tmp_path / "lock", patience=0.05) as theirs:
            assert not theirs
    with file_lock(tmp_path / "lock", patience=0) as again:
        assert again
