"""Measured latencies: kept with their condition, measured in a process of their own."""

from __future__ import annotations

import json
import shutil
import time

import pytest

from sfp_viz.errors import RunError
from sfp_viz.files import read_json
from sfp_viz.nets.io.samples import sample_path
from sfp_viz.runs.results import latencies
from sfp_viz.runs.results.latencies import (
    Condition,
    RunLatency,
    cancel_timing,
    latencies_of_runs,
    read_latencies,
    read_timing,
)
from sfp_viz.runs.results.summary import finished_runs
from sfp_viz.runs.storage.processes import is_alive
from sfp_viz.runs.work import latencies as work_latencies
from tests.finished_runs import MODEL, finished_run


def one(
    subject: str, ms: float, *, ended: float = 4.0, batch: int = 1, threads: int = 2
) -> RunLatency:
    return RunLatency(subject, ended, "cpu", threads, batch, "here", ms, (ms, ms), 30, "2", 1.0)


def test_the_newest_of_each_condition_is_kept_and_conditions_stay_apart(tmp_path):
    for timed in (one("a", 2.0), one("a", 3.0), one("a", 9.0, batch=8), one("b", 1.0)):
        latencies.append_latency(tmp_path, timed)
    found = read_latencies(tmp_path)
    assert {name: t.ms for name, t in found[Condition("cpu", 2, 1, "here")].items()} == {
        "a": 3.0, "b": 1.0,
    }  # fmt: skip
    assert found[Condition("cpu", 2, 8, "here")]["a"].ms == 9.0


def test_damaged_lines_are_passed_over(tmp_path):
    latencies.append_latency(tmp_path, one("a", 2.0))
    with (tmp_path / latencies.FILE).open("a") as file:
        file.write('no json\n{"subject": "b"}\n[]\n{"iqr": 3}\n{"half')
    assert [*read_latencies(tmp_path).values()] == [{"a": one("a", 2.0)}]
    assert read_latencies(tmp_path / "nowhere") == {}


def test_a_latency_of_a_run_that_came_to_another_end_does_not_count(tmp_path):
    run = finished_run(tmp_path)
    runs = finished_runs(tmp_path)
    timed = {run.name: one(run.name, 2.0, ended=4.0), "whole:x": one("whole:x", 5.0, ended=0)}
    assert set(latencies_of_runs(timed, runs)) == {run.name, "whole:x"}
    assert set(latencies_of_runs({run.name: one(run.name, 2.0, ended=3.0)}, runs)) == set()
    shutil.rmtree(run)
    assert set(latencies_of_runs(timed, finished_runs(tmp_path))) == {"whole:x"}


def test_the_worker_measures_each_network_and_says_what_it_could_not_read(tmp_path):
    missing = tmp_path / "gone.safetensors"
    subjects = [["run", 4.0, str(sample_path(MODEL))], ["gone", 1.0, str(missing)]]
    todo = {"batch": 2, "threads": 1, "subjects": subjects}
    (tmp_path / latencies.TODO).write_text(json.dumps(todo))
    work_latencies.main(tmp_path)
    ((where, timed),) = read_latencies(tmp_path).items()
    assert (where.batch, where.threads, where.device) == (2, 1, "cpu")
    assert timed["run"].iqr[0] <= timed["run"].ms <= timed["run"].iqr[1]
    now = read_timing(tmp_path)
    assert now is not None
    assert (now.done, now.total, now.alive) == (2, 2, False)
    assert "1 could not be measured" in now.message


def test_measuring_goes_on_alone_is_seen_and_leaves_no_process_when_cancelled(tmp_path):
    many = [(f"run {n}", 4.0, sample_path(MODEL)) for n in range(10_000)]
    latencies.start_timing(tmp_path, many, threads=1)
    pid = (read_json(tmp_path / latencies.JOB) or {})["pid"]
    try:
        with pytest.raises(RunError, match="already"):
            latencies.start_timing(tmp_path, many)
        until = time.monotonic() + 120
        while not read_latencies(tmp_path) and time.monotonic() < until:
            time.sleep(0.05)
        now = read_timing(tmp_path)
        assert now is not None
        assert now.alive
        assert now.total == 10_000
    finally:
        cancel_timing(tmp_path)
    assert not is_alive(pid, latencies.WORKER, tmp_path)
    after = read_timing(tmp_path)
    assert after is not None
    assert not after.alive
    assert after.message == "Cancelled."
    assert read_latencies(tmp_path)  # what was measured stays
    cancel_timing(tmp_path)  # once more is no error


def test_a_worker_that_died_is_said_so(tmp_path):
    latencies.write_job(tmp_path, pid=2**22 + 1, done=3, total=9)
    now = read_timing(tmp_path)
    assert now is not None
    assert not now.alive
    assert "ended early" in now.message
    assert read_timing(tmp_path / "nowhere") is None
