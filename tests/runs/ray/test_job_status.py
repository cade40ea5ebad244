"""Runs on a cluster, without one: what a page takes for alive, and what is said to Ray."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sfp_viz.errors import RunError
from sfp_viz.files import read_json, write_json
from sfp_viz.runs.folder import read_run
from sfp_viz.runs.launch import ray_launch
from sfp_viz.runs.launch.ray_launch import submit
from sfp_viz.runs.ray import jobs, settings
from sfp_viz.runs.ray.job_status import SULK, Watch
from sfp_viz.runs.ray.jobs import Job, Unreachable
from sfp_viz.runs.ray.settings import Cluster, set_cluster
from sfp_viz.runs.storage.launch_record import LaunchRecord
from sfp_viz.runs.storage.state import PATIENCE, STALE
from sfp_viz.runs.storage.worker_record import WorkerRecord
from sfp_viz.runs.storage.workspace import change_settings, read_settings
from sfp_viz.runs.work.ray_node import folder_of_job
from tests.runs.jobs_server import serving

RUN = Path("runs/x")
LAUNCH = LaunchRecord(1, "ray", job="j", address="http://head:8265")


class Scene:
    """A clock that is set, a Ray that is told what to answer, and a watch that has only those."""

    def __init__(self) -> None:
        self.now = 100.0
        self.job: Job | None = Job("RUNNING")
        self.asked = 0
        self.watch = Watch(self._answer, lambda: self.now)

    def _answer(self, address: str, job: str, own: bool) -> Job:
        self.asked += 1
        if self.job is None:
            raise Unreachable("The cluster does not answer.")
        return self.job

    def at(self, seconds: float, beat: int | None = None, **worker) -> str:
        self.now = 100.0 + seconds
        record = WorkerRecord()
        if beat is not None:
            record = WorkerRecord(1, beat=beat, time=5e12, **worker)
        return self.watch.process(RUN, LAUNCH, record)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_a_beat_that_moves_is_alive_and_one_that_stands_still_is_gone_whatever_the_clocks_say(
    scene,
):
    assert scene.at(0, beat=7) == "alive"
    assert scene.at(STALE, beat=7) == "alive"
    assert scene.at(STALE + 0.1, beat=7) == "gone"
    assert scene.at(STALE + 1, beat=8) == "alive"  # it only was slow


def test_a_job_in_the_clusters_line_is_alive_however_long_it_waits(scene):
    scene.job = Job("PENDING")
    assert scene.at(0) == scene.at(100_000) == "alive"
    assert scene.watch.sentence(RUN, LAUNCH) == "It waits for free resources in the cluster."


def test_a_worker_that_has_ended_is_gone_at_once_and_ray_is_not_asked(scene):
    assert scene.at(0, beat=9, outcome="finished") == "gone"
    assert scene.asked == 0


def test_a_worker_whose_process_ended_without_a_word_is_gone_at_once(scene):
    assert scene.at(0, beat=3) == "alive"
    assert scene.at(2, beat=4) == "alive"
    scene.job = Job("FAILED", "Job entrypoint command failed\nKilled", exited=True)
    assert scene.at(4.5, beat=4) == "gone"
    assert scene.watch.sentence(RUN, LAUNCH) == "The cluster says: Killed"


def test_a_worker_that_outlives_what_watched_it_is_alive_as_long_as_it_beats(scene):
    assert scene.at(0, beat=3) == "alive"
    scene.job = Job("FAILED", "Job supervisor actor died")
    assert scene.at(5, beat=5) == "alive"
    assert scene.at(6 + STALE, beat=5) == "gone"


def test_a_job_that_failed_before_it_reported_is_gone(scene):
    assert scene.at(0) == "alive"
    scene.job = Job("FAILED", "Runtime env failed")
    assert scene.at(3) == "gone"


def test_a_cluster_that_was_started_anew_knows_no_job(scene):
    scene.job = Job("UNKNOWN")
    assert scene.at(0) == "gone"
    assert "was restarted" in scene.watch.sentence(RUN, LAUNCH)


def test_a_silent_cluster_is_asked_rarely_and_the_beat_alone_tells(scene):
    assert scene.at(0, beat=1) == "alive"
    scene.job = None
    for second in range(3, 13):
        assert scene.at(second, beat=second) == "alive"
    assert scene.asked == 2  # one answer, one in vain
    assert scene.watch.sentence(RUN, LAUNCH) == "The cluster does not answer."
    assert scene.at(12 + STALE + 1, beat=12) == "gone"
    scene.job = Job("RUNNING")
    assert scene.at(13 + STALE + 2 * SULK, beat=40) == "alive"


def test_a_job_of_a_silent_cluster_that_never_reported_is_given_up_after_a_while(scene):
    scene.job = None
    assert scene.at(0) == scene.at(PATIENCE) == "alive"
    assert scene.at(PATIENCE + 1) == "gone"


def test_a_folder_seen_by_another_path_is_the_same_run(scene):
    assert scene.at(0, beat=7) == "alive"
    scene.now += STALE + 1
    other = Path("/mnt/shared/runs/x")
    assert scene.watch.process(other, LAUNCH, WorkerRecord(1, beat=7)) == "gone"
    assert scene.watch.still(RUN, LAUNCH) == STALE + 1


def test_what_is_being_submitted_this_moment_is_unknown(scene):
    launch = replace(LAUNCH, job="")
    assert scene.watch.process(RUN, launch, WorkerRecord()) == "unknown"
    assert scene.watch.sentence(RUN, launch) == ""


def test_ray_is_asked_once_in_two_seconds_and_never_again_of_what_is_over(scene):
    for tenth in range(19):
        scene.at(tenth / 10, beat=tenth)
    assert scene.asked == 1
    scene.job = Job("SUCCEEDED", exited=True)
    for second in range(3, 60):
        scene.at(second, beat=99)
    assert scene.asked == 2


def test_settings_of_a_workspace_are_kept_beside_each_other(tmp_path):
    assert read_settings(tmp_path) == {}
    change_settings(tmp_path, {"mirror": {"uri": "x"}})
    set_cluster(tmp_path, Cluster("node1:8265", cpus=2, gpus=0.5))
    assert settings.read_cluster(tmp_path) == Cluster("http://node1:8265", 2, 0.5)
    set_cluster(tmp_path, None)
    assert settings.read_cluster(tmp_path) is None
    assert read_json(tmp_path / "settings.json") == {"format": 1, "mirror": {"uri": "x"}}


def test_settings_of_a_newer_version_or_unreadable_ones_say_so(tmp_path):
    file = tmp_path / "settings.json"
    file.write_text('{"format": 2}')
    with pytest.raises(RunError, match="newer version"):
        settings.read_cluster(tmp_path)
    file.write_text("{")
    with pytest.raises(RunError, match="not readable"):
        change_settings(tmp_path, {"x": 1})
    write_json(file, {"format": 1, "cluster": {"address": "a:1", "cpus": "many"}})
    with pytest.raises(RunError, match="not readable"):
        settings.read_cluster(tmp_path)


def test_the_environment_names_the_cluster_before_the_settings(tmp_path, monkeypatch):
    set_cluster(tmp_path, Cluster("http://a:1", cpus=3))
    monkeypatch.setenv("SFP_VIZ_RAY", "b:2")
    assert settings.read_cluster(tmp_path) == Cluster("http://b:2", cpus=3)


@pytest.mark.parametrize("address", ["", "ray://head:10001", "http://", "http://a:x"])
def test_an_address_that_is_no_dashboard_is_refused(address):
    with pytest.raises(RunError, match="looks like http://node1:8265"):
        Cluster(address)


def test_a_run_is_submitted_by_its_id_and_its_job_is_watched(tmp_path, new_run):
    with serving() as ray:
        set_cluster(tmp_path, Cluster(ray.address, cpus=2))
        path = new_run()
        job = submit(path)
        [sent] = ray.submitted
        assert sent["submission_id"] == job
        assert sent["entrypoint_num_cpus"] == 2
        assert sent["entrypoint"].endswith(f"sfp_viz.runs.worker --attempt 1 --run {path.name}")
        assert str(tmp_path) not in str(sent)  # nodes know the workspace by another path
        assert read_run(path).state == "waiting"
        with pytest.raises(RunError, match="already waiting"):
            submit(path)
        assert ray_launch.logs(path) == "hello\n"
        ray_launch.stop(path, LaunchRecord.load(path))
        assert jobs.status(ray.address, job) == Job("STOPPED", exited=True)


def test_a_run_that_is_lost_is_resumed_under_a_new_name_and_its_old_job_is_ended(tmp_path, new_run):
    with serving() as ray:
        set_cluster(tmp_path, Cluster(ray.address))
        path = new_run()
        first = submit(path)
        ray.jobs[first] = {"status": "FAILED", "message": "Node died."}
        write_json(path / "launch.json", {**(read_json(path / "launch.json") or {}), "job": first})
        deadline = Watch(jobs.status)
        assert deadline.process(path, LaunchRecord.load(path), WorkerRecord()) == "gone"
        write_json(path / "request", "cancel")  # so it is over for any reader
        second = submit_when_over(path)
        assert second != first
        assert (read_json(path / "launch.json") or {})["attempt"] == 2
        assert ray.jobs[first]["status"] == "STOPPED"


def submit_when_over(path: Path) -> str:
    """Submit as soon as the run is seen to be over: answers of Ray count for two seconds."""
    import time

    end = time.monotonic() + 10
    while not read_run(path).over and time.monotonic() < end:
        time.sleep(0.05)
    return submit(path)


def test_a_submission_that_fails_leaves_the_run_as_it_was(tmp_path, new_run):
    path = new_run()
    with pytest.raises(RunError, match="No cluster is set"):
        submit(path)
    set_cluster(tmp_path, Cluster("http://127.0.0.1:9"))
    with pytest.raises(RunError, match="does not answer"):
        submit(path)
    assert not (path / "launch.json").exists()
    assert read_run(path).state == "waiting"


def test_a_run_outside_of_the_workspace_is_not_for_a_cluster(tmp_path, new_run):
    set_cluster(tmp_path, Cluster("http://127.0.0.1:9"))
    with pytest.raises(RunError, match="must lie in the workspace"):
        submit(new_run(folder=tmp_path / "mine"))


def test_a_run_in_the_clusters_line_can_be_taken_out_of_it(tmp_path, new_run):
    with serving() as ray:
        set_cluster(tmp_path, Cluster(ray.address))
        path = new_run()
        job = submit(path)
        assert ray_launch.withdraw_job(path)
        assert ray.jobs[job]["status"] == "STOPPED"
        assert (read_run(path).state, (path / "launch.json").exists()) == ("waiting", False)
        ray.jobs[submit(path)]["status"] = "RUNNING"
        assert not ray_launch.withdraw_job(path)


def test_a_token_is_not_handed_on_to_where_a_cluster_sends_us(monkeypatch):
    monkeypatch.setenv("RAY_AUTH_TOKEN", "abc")
    with serving() as ray, serving() as other:
        ray.sent_on = other.address
        assert jobs.version(ray.address) == "2.60.0"
        assert (ray.heard, other.heard) == (["Bearer abc"], [None])


def test_an_address_in_the_folder_of_a_run_that_is_not_the_workspaces_hears_no_token(
    tmp_path, new_run, monkeypatch
):
    monkeypatch.setenv("RAY_AUTH_TOKEN", "abc")
    with serving() as ray, serving() as other:
        set_cluster(tmp_path, Cluster(ray.address))
        path = new_run()
        job = submit(path)
        assert ray_launch.logs(path) == "hello\n"
        assert read_run(path).state == "waiting"
        assert set(ray.heard) == {"Bearer abc"}
        launch = read_json(path / "launch.json") or {}
        write_json(path / "launch.json", {**launch, "address": other.address})
        other.jobs[job] = {"status": "PENDING"}
        read_run(path)
        ray_launch.logs(path)
        assert ray_launch.withdraw_job(path)
        assert len(other.heard) >= 3
        assert set(other.heard) == {None}
        other.token = "abc"
        with pytest.raises(RunError, match="is not the cluster of this workspace"):
            jobs.logs(other.address, job, False)


def test_a_cluster_that_wants_a_token_gets_it(monkeypatch, tmp_path):
    with serving() as ray:
        ray.token = "abc"
        with pytest.raises(RunError, match="RAY_AUTH_TOKEN"):
            jobs.version(ray.address)
        (tmp_path / "token").write_text("abc\n")
        monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))
        assert jobs.version(ray.address) == "2.60.0"


def test_what_ray_refuses_is_said(tmp_path):
    with serving() as ray:
        for _ in range(2):
            problem = ""
            try:
                jobs.submit(ray.address, "j", "true", cpus=1, gpus=0, run="x")
            except RunError as said:
                problem = str(said)
        assert "ValueError: It already exists." in problem
        assert jobs.status(ray.address, "unheard of") == Job("UNKNOWN")
        jobs.stop(ray.address, "unheard of")


def test_images_below_a_root_are_found_by_each_machines_own_root(tmp_path, new_run, monkeypatch):
    for name in ("mine", "theirs"):
        (tmp_path / name / "sub").mkdir(parents=True)
        (tmp_path / name / "sub" / "set.npz").write_bytes(b"")
    (tmp_path / "other.npz").write_bytes(b"")
    monkeypatch.setenv("SFP_VIZ_DATA", str(tmp_path / "mine"))
    path = new_run(data=str(tmp_path / "mine" / "sub" / "set.npz"))
    assert (read_json(path / "settings.json") or {})["data"] == "${SFP_VIZ_DATA}/sub/set.npz"
    assert read_run(path).data == str(tmp_path / "mine" / "sub" / "set.npz")
    monkeypatch.setenv("SFP_VIZ_DATA", str(tmp_path / "theirs"))
    assert read_run(path).data == str(tmp_path / "theirs" / "sub" / "set.npz")
    assert read_run(new_run("x", data=str(tmp_path / "other.npz"))).data.endswith("/other.npz")
    assert read_run(new_run("y", data="digits")).data == "digits"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--run", "unheard-of"], "has no run 'unheard-of'. Set SFP_VIZ_HOME"),
        (["--attempt", "1", "--run", "{run}"], "stopped or restarted elsewhere"),
        (["--run", "../x"], "Usage"),
        (["--run"], "Usage"),
        (["--attempt", "x", "--run", "{run}"], "Usage"),
    ],
)
def test_a_job_that_is_not_for_this_node_or_no_longer_wanted_says_so_and_does_nothing(
    tmp_path, new_run, monkeypatch, capsys, words, says
):
    monkeypatch.setenv("SFP_VIZ_HOME", str(tmp_path))
    path = new_run()
    write_json(path / "launch.json", {"attempt": 2, "where": "ray", "time": 0})
    assert folder_of_job([word.format(run=path.name) for word in words], patience=0) is None
    assert says in capsys.readouterr().err
    assert not (path / "log.txt").exists()
