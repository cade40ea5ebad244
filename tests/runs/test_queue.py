"""The line of trainings: its order, how many work at once, what survives a kill, and what is said
of runs that cannot start. Most of it with a worker that does nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfp_viz.core.training.distillation import Distillation
from sfp_viz.core.training.history import Epoch
from sfp_viz.errors import RunError
from sfp_viz.files import read_json, write_json
from sfp_viz.runs import queue
from sfp_viz.runs.create.training import create_run
from sfp_viz.runs.folder import read_run, workspace_of
from sfp_viz.runs.launch import process
from sfp_viz.runs.scheduling import scheduler, slots
from sfp_viz.runs.scheduling.activity import mark_seen, read_activity, unfinished_folders
from sfp_viz.runs.scheduling.estimates import start_times
from sfp_viz.runs.scheduling.position import order_between, reorder
from sfp_viz.runs.storage.processes import ROOT

# A worker that trains nothing: it writes a heartbeat, waits for the file 'end' in its folder, and
# leaves a result. It looks like ours in the list of processes.
WORKER = """
import json, os, platform, sys, time
from pathlib import Path
from sfp_viz.files import write_json
folder = Path(sys.argv[2])
attempt = json.loads((folder / "launch.json").read_text())["attempt"]
said = {"attempt": attempt, "pid": os.getpid(), "host": platform.node(), "time": time.time()}
write_json(folder / "worker.json", said)
while not (folder / "end").exists() and (time.sleep(0.02), True)[1]:
    pass
write_json(folder / "result.json", {})
"""


@pytest.fixture(autouse=True)
def _plain_machine(monkeypatch):
    monkeypatch.delenv(slots.VARIABLE, raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr(queue, "gpus", lambda: ())
    monkeypatch.setattr(slots, "gpus", lambda: ())


@pytest.fixture
def line(tmp_path, network_file, monkeypatch):
    """Makes runs whose worker does nothing; no dispatcher starts by itself, and at the end no
    process is left."""
    monkeypatch.setattr(queue, "ensure_dispatcher", lambda *_, **__: None)
    command = lambda module, folder: [sys.executable, "-c", WORKER, module, str(folder)]  # noqa: E731
    monkeypatch.setattr(process, "python_module", command)

    def make(name: str, home: Path = tmp_path, **more) -> Path:
        facts = {"digest": "d" * 16}
        more = {"start": network_file, "teacher": None, "data": "digits", "facts": facts, **more}
        return create_run(home, name=name, settings=Distillation(epochs=4, alpha=0), **more)

    yield make
    for path in (tmp_path / "runs").glob("*"):
        _kill(path)


def _kill(path: Path) -> None:
    for file in ("worker.json", "launch.json"):
        pid = (read_json(path / file) or {}).get("pid")
        if pid and psutil.pid_exists(pid) and path.name in " ".join(_words(pid)):
            os.kill(pid, signal.SIGKILL)


def _words(pid: int) -> list[str]:
    try:
        return psutil.Process(pid).cmdline()
    except psutil.Error:
        return []


def until(look, seconds: float = 120):
    """What ``look`` gives, once it gives something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.02)
    raise AssertionError("nothing came")


def names(home: Path) -> list[str]:
    return [run.name for run in queue.queued_runs(home)]


def states(home: Path) -> dict[str, str]:
    return {read_run(path).name: read_run(path).state for path in (home / "runs").glob("[!.]*")}


def test_the_first_starts_at_once_and_the_others_wait_in_their_order(line, tmp_path):
    first = queue.enqueue(line("a"))
    assert first.state in ("waiting", "running")
    assert [queue.enqueue(line(name)).state for name in "bcd"] == ["queued"] * 3
    assert names(tmp_path) == ["b", "c", "d"]
    assert queue.start_waiting(tmp_path) == ()  # no place is free
    (first.path / "end").touch()
    until(lambda: read_run(first.path).state == "finished")
    assert [path.name[-1] for path in queue.start_waiting(tmp_path)] == ["b"]
    assert names(tmp_path) == ["c", "d"]
    assert queue.start_waiting(tmp_path) == ()


def test_what_stopped_goes_to_the_front_and_what_goes_on_or_ended_is_refused(line, tmp_path):
    first = queue.enqueue(line("a")).path
    for name in "bc":
        queue.enqueue(line(name))
    until(lambda: read_run(first).state == "running")
    with pytest.raises(RunError, match="already running"):
        queue.enqueue(first)
    os.kill(read_json(first / "worker.json")["pid"], signal.SIGKILL)
    until(lambda: read_run(first).state == "lost")
    slots.set_slots(tmp_path, 1)
    queue.start_waiting(tmp_path)  # b has its turn
    assert queue.enqueue(first, front=True).state == "queued"
    assert names(tmp_path) == ["a", "c"]
    queue.enqueue(first)  # again: it keeps its place
    assert names(tmp_path) == ["a", "c"]
    done = line("done")
    (done / "result.json").write_text("{}")
    with pytest.raises(RunError, match="finished"):
        queue.enqueue(done)


def test_a_run_out_of_line_is_cancelled_or_what_it_was_before(line, tmp_path):
    first = queue.enqueue(line("a")).path
    second = queue.enqueue(line("b")).path
    queue.withdraw(second)
    assert read_run(second).state == "cancelled"
    with pytest.raises(RunError, match="not in the queue any more: it is cancelled"):
        queue.withdraw(second)
    with pytest.raises(RunError, match="not in the queue"):
        queue.move(second, 0)
    until(lambda: read_run(first).state == "running")
    _kill(first)
    until(lambda: read_run(first).state == "lost")
    queue.enqueue(second)  # resumed
    assert read_run(second).state in ("waiting", "running")
    queue.enqueue(first)
    queue.withdraw(first)
    assert read_run(first).state == "lost"  # its checkpoint is there as before


moves = st.lists(st.tuples(st.integers(0, 7), st.integers(-2, 10)), max_size=60)


@given(moves)
def test_places_between_two_others_keep_the_order_of_a_list(steps):
    """What ``move`` does, on numbers alone: a number between its neighbors, or all anew."""
    wanted = list(range(8))
    orders = {name: float(name) for name in wanted}
    for at, to in steps:
        name = wanted.pop(at)
        place = max(0, min(to, len(wanted)))
        number = order_between([orders[other] for other in wanted], to)
        wanted.insert(place, name)
        if number is None:
            orders = {other: float(n) for n, other in enumerate(wanted)}
        else:
            orders[name] = number
        assert sorted(orders, key=orders.__getitem__) == wanted


def test_numbers_are_given_anew_when_none_is_left_between():
    low, high = 1.0, 2.0
    for _ in range(60):
        if (middle := order_between([low, high], 1)) is None:
            break
        assert low < middle < high
        high = middle
    assert middle is None


def test_the_order_after_many_moves_is_that_of_a_list(line, tmp_path):
    import random

    source = random.Random(5)
    queue.enqueue(line("at work"))
    paths = {name: queue.enqueue(line(name)).path for name in "bcdef"}
    wanted = list("bcdef")
    for _ in range(25):
        name, to = source.choice(wanted), source.randrange(-1, 7)
        queue.move(paths[name], to)
        wanted.remove(name)
        wanted.insert(max(0, min(to, len(wanted))), name)
        assert names(tmp_path) == wanted
    write_json(paths[wanted[1]] / "queued.json", {"order": 1.0})  # two places that touch
    write_json(paths[wanted[0]] / "queued.json", {"order": 1.0 - 2**-53})
    for other in wanted[2:]:
        write_json(paths[other] / "queued.json", {"order": 2.0 + wanted.index(other)})
    queue.move(paths[wanted[4]], 1)
    wanted.insert(1, wanted.pop(4))
    assert names(tmp_path) == wanted


def test_who_leaves_the_line_while_it_is_numbered_anew_is_not_put_back(line, tmp_path):
    queue.enqueue(line("at work"))
    runs = [queue.enqueue(line(name)) for name in "bcd"]
    for run in runs[:2]:  # two places that touch: all are numbered anew
        write_json(run.path / "queued.json", {"order": 1.0})
    process.request_cancel(runs[0].path)
    reorder(runs[2], runs[:2], 1)
    assert names(tmp_path) == ["d", "c"]
    assert read_run(runs[0].path).state == "cancelled"


def test_never_more_than_the_places_work_at_once_however_many_ask(line, tmp_path):
    slots.set_slots(tmp_path, 2)
    paths = [line(f"run {n}") for n in range(7)]
    most = 0
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(queue.enqueue, paths))
        left = set(paths)
        while left:
            list(threads.map(queue.start_waiting, [tmp_path] * 4))
            busy = [run.path for run in read_activity(tmp_path).working]
            most = max(most, len(busy))
            assert len(busy) <= 2
            for path in busy:
                (path / "end").touch()
            left = {path for path in left if read_run(path).state != "finished"}
    assert most == 2
    assert all(read_json(path / "launch.json")["attempt"] == 1 for path in paths)


def test_a_run_that_cannot_be_started_fails_with_a_sentence_and_the_next_has_its_turn(
    line, tmp_path
):
    first = queue.enqueue(line("a")).path
    broken, good = queue.enqueue(line("b")).path, queue.enqueue(line("c")).path
    (broken / "log.txt").mkdir()  # nothing can be written there
    (first / "end").touch()
    until(lambda: read_run(first).state == "finished")
    assert queue.start_waiting(tmp_path) == (good,)
    failed = read_run(broken)
    assert failed.state == "failed"
    assert failed.message.startswith("It could not be started when its turn came.")
    assert "log.txt" in failed.message
    assert [run.id for run in read_activity(tmp_path).failed] == [broken.name]
    (broken / "log.txt").rmdir()
    assert queue.enqueue(broken).state == "queued"  # it can be tried again


def test_a_run_whose_end_cannot_be_written_either_does_not_hold_up_the_others(line, tmp_path):
    first = queue.enqueue(line("a")).path
    broken, good = queue.enqueue(line("b")).path, queue.enqueue(line("c")).path
    (broken / "launch.json").mkdir()
    (broken / "worker.json").mkdir()
    (first / "end").touch()
    until(lambda: read_run(first).state == "finished")
    assert good in queue.start_waiting(tmp_path)


def test_a_run_that_somebody_started_out_of_turn_is_not_started_again(line, tmp_path):
    queue.enqueue(line("a"))
    second = queue.enqueue(line("b")).path
    process.launch(second)
    assert names(tmp_path) == []
    until(lambda: read_run(second).state == "running")
    assert read_json(second / "launch.json")["attempt"] == 1


def test_a_broken_or_removed_folder_in_line_is_passed_over(line, tmp_path):
    import shutil

    queue.enqueue(line("a"))
    broken, gone = queue.enqueue(line("b")).path, queue.enqueue(line("c")).path
    queue.enqueue(line("d"))
    (broken / "settings.json").write_text("{")
    shutil.rmtree(gone)
    assert names(tmp_path) == ["d"]


def test_a_run_belongs_to_the_workspace_that_it_lies_in_or_to_the_one_in_whose_line_it_was_put(
    line, tmp_path, monkeypatch
):
    monkeypatch.setenv("SFP_VIZ_HOME", str(tmp_path / "usual"))
    other = tmp_path / "other" / "runs" / "a"
    assert workspace_of(other) == tmp_path / "other"
    assert workspace_of(tmp_path / "elsewhere" / "a") == tmp_path / "usual"
    (tmp_path / "usual" / "queue").mkdir(parents=True)
    (tmp_path / "usual" / "queue" / "outside.json").write_text(json.dumps({"paths": [str(other)]}))
    assert workspace_of(other) == tmp_path / "usual"


def test_a_run_outside_of_the_workspace_waits_in_the_same_line(line, tmp_path, monkeypatch):
    monkeypatch.setenv("SFP_VIZ_HOME", str(tmp_path))
    first = queue.enqueue(line("a")).path
    outside = line("b", folder=tmp_path / "elsewhere" / "b")
    assert queue.enqueue(outside).state == "queued"
    assert names(tmp_path) == ["b"]
    (first / "end").touch()
    until(lambda: read_run(first).state == "finished")
    assert queue.start_waiting(tmp_path) == (outside,)
    assert queue.enqueue(line("c")).state == "queued"  # b takes the only place
    (outside / "end").touch()
    until(lambda: read_run(outside).state == "finished")
    assert outside not in unfinished_folders(tmp_path)


def test_the_worker_gets_the_data_folder_of_the_one_who_asked(line, tmp_path, monkeypatch):
    queue.enqueue(line("a"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SFP_VIZ_DATA", "mine")
    second = queue.enqueue(line("b")).path
    entry = read_json(second / "queued.json") or {}
    entry["environment"]["LD_PRELOAD"] = "of a folder from elsewhere"
    write_json(second / "queued.json", entry)
    monkeypatch.setenv("SFP_VIZ_DATA", "other")
    given = []

    def launch(path, environment=None, **_):
        given.append((path, environment))

    monkeypatch.setattr(process, "launch", launch)
    slots.set_slots(tmp_path, 2)
    queue.start_waiting(tmp_path)
    assert given == [(second, {"SFP_VIZ_DATA": str(tmp_path / "mine")})]


def test_each_of_several_graphics_cards_gets_its_own_run(line, tmp_path, monkeypatch):
    monkeypatch.setattr(queue, "gpus", lambda: ("0", "1"))
    monkeypatch.setattr(slots, "gpus", lambda: ("0", "1"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert slots.slot_setting(tmp_path) == (2, "machine")
    given = []

    def launch(path, environment=None, **_):
        given.append((environment or {}).get("CUDA_VISIBLE_DEVICES"))
        entry = {
            "attempt": 1,
            "host": queue.hostname(),
            "environment": environment,
            "pid": os.getpid(),
        }
        write_json(path / "launch.json", {**entry, "time": time.time()})
        (path / "queued.json").unlink()

    monkeypatch.setattr(process, "launch", launch)
    monkeypatch.setattr("sfp_viz.runs.liveness.is_alive", lambda *_: True)
    paths = [queue.enqueue(line(name)).path for name in "abc"]
    assert given == ["0", "1"]
    write_json(paths[0] / "result.json", {})  # it ended
    queue.start_waiting(tmp_path)
    assert given == ["0", "1", "0"]


def test_a_run_of_several_processes_takes_as_many_cards_and_nobody_overtakes_it():
    assert scheduler.free_gpus(["0", "1", "0"], ("0", "1", "2"), 2) == ("1", "2")
    assert scheduler.free_gpus([], ("0", "1"), 3) == ("0", "1")


sometimes = st.one_of(st.none(), st.floats(0, 1000))


@settings(max_examples=200)
@given(st.lists(sometimes, max_size=6), st.lists(sometimes, max_size=8), st.integers(1, 4))
def test_expected_starts_are_those_of_a_line_that_is_played_through(left, lengths, places):
    """Against a clock that runs event by event; what is unknown takes for ever."""
    forever = float("inf")
    ends = [forever if x is None else x for x in left]
    wanted: list[float | None] = []
    now = 0.0
    for length in lengths:
        while sum(end > now for end in ends) >= places and now < forever:
            now = min(end for end in ends if end > now)
        wanted.append(None if now == forever else now)
        ends.append(forever if length is None else now + length)
    assert start_times(left, lengths, places) == pytest.approx(tuple(wanted), abs=1e-9)


def test_a_start_is_estimated_from_epochs_of_the_same_network(line, tmp_path):
    old = line("old")
    epochs = [Epoch(n + 1, 4, 0.5, 0.9, 0.9, 360, 2.0, 0.01, 900.0, 5.0) for n in range(2)]
    (old / "epochs.jsonl").write_text("".join(json.dumps(asdict(e)) + "\n" for e in epochs))
    queue.enqueue(line("a"))
    second, third = queue.enqueue(line("b")), queue.enqueue(line("c"))
    unknown = queue.enqueue(line("d", facts={"digest": "other"}))
    after = queue.enqueue(line("e"))
    assert queue.expected_starts(tmp_path) == {
        second.id: pytest.approx(20), third.id: pytest.approx(40),
        unknown.id: pytest.approx(60), after.id: None,
    }  # fmt: skip


def test_how_many_at_a_time_is_kept_in_the_workspace_and_the_variable_goes_first(
    tmp_path, monkeypatch
):
    assert slots.slot_setting(tmp_path) == (1, "machine")
    slots.set_slots(tmp_path, 3)
    assert slots.slot_setting(tmp_path) == (3, "settings")
    monkeypatch.setenv(slots.VARIABLE, "2")
    assert slots.slot_setting(tmp_path) == (2, "variable")
    monkeypatch.setenv(slots.VARIABLE, "many")
    with pytest.raises(RunError, match="SFP_VIZ_SLOTS must be a whole number from 1 to 64"):
        slots.slot_count(tmp_path)
    monkeypatch.delenv(slots.VARIABLE)
    for wrong in (0, 65):
        with pytest.raises(RunError, match="1 to 64"):
            slots.set_slots(tmp_path, wrong)
    slots.set_slots(tmp_path, None)
    assert slots.slot_count(tmp_path) == 1


def test_a_failure_is_news_until_it_was_looked_at_and_again_after_a_new_start(line, tmp_path):
    path = queue.enqueue(line("a")).path
    until(lambda: read_run(path).state == "running")
    assert read_activity(tmp_path).failed == ()
    _kill(path)
    until(lambda: read_run(path).state == "lost")
    assert [run.id for run in read_activity(tmp_path).failed] == [path.name]
    mark_seen(path)
    assert read_activity(tmp_path).failed == ()
    queue.enqueue(path)
    until(lambda: read_run(path).state == "running")
    _kill(path)
    until(lambda: [run.id for run in read_activity(tmp_path).failed] == [path.name])


def test_looking_at_what_goes_on_opens_no_finished_run(line, tmp_path, monkeypatch):
    for n in range(5):
        (line(f"old {n}") / "result.json").write_text("{}")
    queue.enqueue(line("a"))
    read = []
    monkeypatch.setattr(
        "sfp_viz.runs.scheduling.activity.read_run", lambda p, n: read.append(p) or read_run(p)
    )
    assert len(read_activity(tmp_path).working) == 1
    assert len(read) == 1


# The dispatcher as a process of its own, with workers that do nothing.
DISPATCHER = f"""
import sys
from pathlib import Path
from sfp_viz.runs import queue
from sfp_viz.runs.launch import process
WORKER = {WORKER!r}
process.python_module = lambda module, folder: [sys.executable, "-c", WORKER, module, str(folder)]
queue.serve(Path(sys.argv[2]), look=0.05)
"""


@pytest.fixture
def dispatcher(tmp_path):
    """The command of a dispatcher whose workers do nothing; none is left at the end."""
    yield [sys.executable, "-c", DISPATCHER, queue.MODULE, str(tmp_path)]
    if pid := queue.dispatcher_pid(tmp_path):
        os.kill(pid, signal.SIGKILL)


WAKE = queue.ensure_dispatcher


def test_a_killed_worker_does_not_stop_the_line_and_the_dispatcher_ends_with_it(
    line, tmp_path, dispatcher
):
    first, second = (queue.enqueue(line(name)).path for name in "ab")
    WAKE(tmp_path, command=dispatcher)
    pid = until(lambda: queue.dispatcher_pid(tmp_path))
    until(lambda: _holds_lock(tmp_path))
    WAKE(tmp_path, command=["never started"])
    again = subprocess.run(dispatcher, cwd=ROOT, timeout=60)
    assert (again.returncode, queue.dispatcher_pid(tmp_path)) == (0, pid)  # it gave way
    until(lambda: read_run(first).state == "running")
    _kill(first)
    until(lambda: read_run(second).state == "running")
    assert read_run(first).state == "lost"
    until(lambda: queue.dispatcher_pid(tmp_path) is None)
    assert not (tmp_path / "queue" / "dispatcher.json").exists()


def test_a_killed_dispatcher_is_replaced_at_the_next_look(line, tmp_path, dispatcher):
    first, second = (queue.enqueue(line(name)).path for name in "ab")
    WAKE(tmp_path, command=dispatcher)
    pid = until(lambda: queue.dispatcher_pid(tmp_path))
    until(lambda: _holds_lock(tmp_path))
    os.kill(pid, signal.SIGKILL)
    until(lambda: queue.dispatcher_pid(tmp_path) is None)
    (first / "end").touch()
    until(lambda: read_run(first).state == "finished")
    assert read_run(second).state == "queued"  # nobody starts it now
    WAKE(tmp_path, command=dispatcher)
    until(lambda: read_run(second).state == "running")


def _holds_lock(home: Path) -> bool:
    with queue.file_lock(home / "queue" / "dispatcher.lock", patience=0.0) as free:
        return not free


def test_many_looks_at_once_start_one_dispatcher(line, tmp_path, dispatcher, monkeypatch):
    for name in "ab":
        queue.enqueue(line(name))
    started = []
    real = queue.start_process
    monkeypatch.setattr(queue, "start_process", lambda *a, **k: started.append(1) or real(*a, **k))
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: WAKE(tmp_path, command=dispatcher), range(8)))
    assert len(started) == 1


def test_a_dispatcher_of_another_machine_counts_while_it_holds_its_lock(tmp_path):
    (tmp_path / "queue").mkdir()
    write_json(tmp_path / "queue" / "dispatcher.json", {"pid": 7, "host": "another"})
    with queue.file_lock(tmp_path / "queue" / "dispatcher.lock"):
        assert queue.dispatcher_pid(tmp_path) == 7
    assert queue.dispatcher_pid(tmp_path) is None


def test_two_real_runs_pass_through_the_real_dispatcher_one_after_the_other(
    new_processes, new_run, tmp_path
):
    small = Distillation(epochs=1, batch_size=256, augmentation="none")
    first, second = (queue.enqueue(new_run(settings=small)).path for _ in range(2))
    assert read_run(second).state == "queued"
    pid = until(lambda: queue.dispatcher_pid(tmp_path))
    assert not any("torch" in file.path for file in psutil.Process(pid).memory_maps())
    until(lambda: read_run(second).state == "finished", seconds=300)
    assert read_run(first).result.ended <= read_run(second).result.started
    until(lambda: queue.dispatcher_pid(tmp_path) is None)
    assert (tmp_path / "queue" / "log.txt").read_text() == ""


def test_the_dispatcher_needs_one_workspace(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["queue"])
    assert queue.main() == 2
