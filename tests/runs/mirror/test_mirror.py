"""The mirror in MLflow: off by default, never in the way of a run, and true where it is on."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from sfp_viz.core.training.distillation import Distillation
from sfp_viz.errors import RunError
from sfp_viz.files import read_json
from sfp_viz.runs.folder import read_run
from sfp_viz.runs.launch import process
from sfp_viz.runs.launch.workers import workers
from sfp_viz.runs.mirror import mirror, settings
from sfp_viz.runs.mirror.settings import Mirroring, read_mirroring, set_mirroring
from sfp_viz.runs.worker import main

TINY = Distillation(epochs=2, batch_size=128, augmentation="none", train_images=256)
SAYS = "not mirrored to MLflow for now"


def test_nothing_is_mirrored_unless_it_is_asked_for(tmp_path, new_run):
    path = new_run(settings=TINY)
    assert read_mirroring(tmp_path) is None
    assert mirror.open_mirror(read_run(path)) is None
    assert main([str(path)]) == 0
    assert not (path / "mirror.json").exists()


def test_the_settings_name_the_server_and_the_environment_goes_first(tmp_path, monkeypatch):
    set_mirroring(tmp_path, Mirroring("http://server:5000", "mine"))
    assert read_mirroring(tmp_path) == Mirroring("http://server:5000", "mine")
    monkeypatch.setenv("SFP_VIZ_MLFLOW", "sqlite:////x/mlflow.db")
    assert read_mirroring(tmp_path) == Mirroring("sqlite:////x/mlflow.db", "mine")
    monkeypatch.delenv("SFP_VIZ_MLFLOW")
    set_mirroring(tmp_path, None)
    assert read_mirroring(tmp_path) is None


@pytest.mark.parametrize("uri", ["mlruns", "file:///tmp/mlruns"])
def test_an_address_that_mlflow_does_not_take_is_refused(uri):
    with pytest.raises(RunError, match="looks like http://server:5000"):
        Mirroring(uri)


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("http://me:secret@server:5000/x", "http://***@server:5000/x"),
        ("http://me:se/c@ret@server:5000", "http://***@server:5000"),
        ("me:secret@server", "***@server"),
        (
            "postgresql://host/db?user=me&password=secret",
            "postgresql://host/db?user=me&password=***",
        ),
        ("http://[::1]:5000/a@b", "http://[::1]:5000/a@b"),
        ("sqlite:////home/me@here/mlflow.db", "sqlite:////home/me@here/mlflow.db"),
    ],
)
def test_a_password_in_the_address_is_not_shown(uri, shown):
    assert settings.masked(uri) == shown


def test_a_password_is_neither_printed_nor_kept_with_a_run(tmp_path, new_run, monkeypatch):
    from click.testing import CliRunner

    from sfp_viz.cli import main as cli
    from sfp_viz.runs.mirror import mlflow_client as mirror_server

    uri = "http://me:secret@127.0.0.1:9"
    monkeypatch.setenv("SFP_VIZ_HOME", str(tmp_path))
    for words in (["set", uri], ["show"], ["show", "--json"]):
        said = CliRunner().invoke(cli, ["mirror", *words])
        assert said.exit_code == 0
        assert "***@127.0.0.1:9" in said.output
        assert "secret" not in said.output
    assert read_mirroring(tmp_path) == Mirroring(uri)  # the workspace itself must know it

    def broken(run, **where):
        raise OSError(f"{where['uri']} does not answer")

    monkeypatch.setattr(mirror_server, "Server", broken)
    path = new_run(settings=TINY)
    assert main([str(path)]) == 0
    kept = [file.read_bytes() for file in path.rglob("*") if file.is_file()]
    assert any(b"***@127.0.0.1:9 does not answer" in content for content in kept)
    assert not any(b"secret" in content for content in kept)


def test_an_earlier_note_of_a_mirror_loses_its_password(new_run):
    from types import SimpleNamespace

    from sfp_viz.files import write_json
    from sfp_viz.runs.mirror.mlflow_client import NOTE, _known

    class Client:
        def get_run(self, name):
            return SimpleNamespace(info=SimpleNamespace(run_id=name, lifecycle_stage="active"))

    run, uri = read_run(new_run(settings=TINY)), "http://me:secret@server:5000"
    write_json(run.path / NOTE, {"format": 1, "uri": uri, "run": "abc"})
    for _ in range(2):
        assert _known(Client(), run, uri) == "abc"
        assert (read_json(run.path / NOTE) or {})["uri"] == "http://***@server:5000"
    assert _known(Client(), run, "http://other:5000") is None


def test_without_mlflow_the_run_ends_as_ever_and_its_log_says_what_to_install(
    tmp_path, new_run, monkeypatch
):
    for name in ("mlflow", "mlflow.tracking"):
        monkeypatch.setitem(sys.modules, name, None)
    set_mirroring(tmp_path, Mirroring("http://127.0.0.1:9"))
    path = new_run(settings=TINY)
    assert main([str(path)]) == 0
    assert read_run(path).state == "finished"
    log = (path / "log.txt").read_text()
    assert log.count(SAYS) == 1
    assert settings.NEEDS in log


def test_a_mirror_that_breaks_on_its_way_never_harms_the_run(tmp_path, new_run, monkeypatch):
    from sfp_viz.runs.mirror import mlflow_client as mirror_server

    class Broken:
        def __init__(self, run, **where) -> None:
            assert where == {"uri": "http://127.0.0.1:9", "experiment": "sfp-viz"}

        def report(self) -> None:
            raise OSError("The server burns.")

        def finish(self, outcome: str) -> None:
            (tmp_path / "outcome").write_text(outcome)

    monkeypatch.setattr(mirror_server, "Server", Broken)
    set_mirroring(tmp_path, Mirroring("http://127.0.0.1:9"))
    path = new_run(settings=TINY)
    assert main([str(path)]) == 0
    assert (read_run(path).state, (tmp_path / "outcome").read_text()) == ("finished", "finished")
    log = (path / "log.txt").read_text()
    assert (log.count(SAYS), "The server burns." in log) == (1, True)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of MLflow's own libraries
def test_a_run_that_was_paused_is_one_run_of_mlflow_with_each_epoch_once(
    tmp_path, new_run, monkeypatch
):
    pytest.importorskip("mlflow")
    pytest.importorskip("sqlalchemy")
    uri = f"sqlite:///{tmp_path}/flow/mlflow.db"
    (tmp_path / "flow").mkdir()
    monkeypatch.setenv("SFP_VIZ_MLFLOW", uri)
    path = new_run(settings=Distillation(epochs=400, batch_size=64, learning_rate=0.05))
    process.launch(path)
    until(lambda: (path / "mirror.json").exists() and len(read_run(path).epochs) > 1)
    assert process.pause(path).state == "paused"
    client, run = seen(uri, path)
    assert run.info.status == "SCHEDULED"
    assert run.data.tags["sfp_viz.state"] == "paused"
    told = client.get_metric_history(run.info.run_id, "loss")
    known = read_run(path).epochs
    assert [m.step for m in told] == [e.epoch for e in known]
    again = new_run("short", settings=Distillation(epochs=3, batch_size=64, learning_rate=0.05))
    process.launch(again)
    until(lambda: (again / "mirror.json").exists())
    until(lambda: read_run(again).over and not workers(again))
    process.launch(path)
    until(lambda: len(read_run(path).epochs) > len(known) + 1)
    assert process.cancel(path).state == "cancelled"
    same, ended = seen(uri, path)[1], seen(uri, again)[1]
    assert (same.info.run_id, same.info.status) == (run.info.run_id, "KILLED")
    steps = [m.step for m in client.get_metric_history(run.info.run_id, "loss")]
    assert steps == sorted(set(steps))
    assert len(steps) > len(known)
    finished = read_run(again)
    assert (ended.info.status, ended.info.run_name) == ("FINISHED", again.name)
    assert ended.data.tags["sfp_viz.run"] == again.name
    assert ended.data.params["batch_size"] == "64"
    assert ended.data.metrics["run_accuracy"] == finished.result.accuracy
    assert ended.data.metrics["test_accuracy"] == finished.epochs[-1].test_accuracy
    files = {f.path for f in client.list_artifacts(ended.info.run_id)}
    assert files == {"settings.json", "before.json", "result.json", "student.safetensors"}
    kept = tmp_path / "flow" / "artifacts" / ended.info.run_id / "artifacts/student.safetensors"
    assert kept.read_bytes() == finished.student.read_bytes()
    assert not Path("mlruns").exists()
    for one in (path, again):
        assert SAYS not in (one / "log.txt").read_text()


def until(wanted, seconds: float = 240) -> None:
    end = time.monotonic() + seconds
    while not wanted():
        assert time.monotonic() < end
        time.sleep(0.1)


def seen(uri: str, path: Path):
    """A client, and the run of MLflow that mirrors the run in ``path``."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    return client, client.get_run((read_json(path / "mirror.json") or {})["run"])
