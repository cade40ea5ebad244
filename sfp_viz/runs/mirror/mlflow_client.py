"""MLflow, and the run there that mirrors one of ours. The only file that knows mlflow.

All of it may take seconds and raise anything: mirror.py calls it from a thread of its own.
"""

# pyright: reportMissingImports=false
from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sfp_viz.files import read_json, write_json
from sfp_viz.runs.mirror.settings import masked
from sfp_viz.runs.storage.history import EPOCHS
from sfp_viz.runs.storage.records import Run

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

NOTE = "mirror.json"  # in the folder of a run: which run of MLflow mirrors it
FIRST = ("settings.json", "plan.json", "before.json")  # files that are there from the start
LAST = ("result.json", "student.safetensors")
_STATUS = {"finished": "FINISHED", "failed": "FAILED", "cancelled": "KILLED", "paused": "SCHEDULED"}
_QUIET = {  # a server that does not answer is given up soon, and nobody is told of us
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GIT_PYTHON_REFRESH": "quiet",
}


class Server:
    """The run of the tracking server ``uri`` in its ``experiment`` that mirrors ``run``: begun,
    or gone on with."""

    def __init__(self, run: Run, *, uri: str, experiment: str) -> None:
        for name, value in _QUIET.items():
            os.environ.setdefault(name, value)
        from mlflow.tracking import MlflowClient

        self._run = run
        self._client = MlflowClient(tracking_uri=uri)
        mirrored = _known(self._client, run, uri)
        self._id = mirrored or _begin(self._client, run, uri, experiment)
        history = self._client.get_metric_history(self._id, "loss")
        self._epochs = max((int(metric.step) for metric in history), default=0)  # told before
        self._client.update_run(self._id, status="RUNNING")
        self._client.set_tag(self._id, "sfp_viz.state", "running")

    def report(self) -> None:
        """Report the epochs that are new. One that is done again comes to the same, and is not."""
        from mlflow.entities import Metric

        timestamp = int(time.time() * 1000)
        for epoch in _epochs(self._run.path):
            number = int(epoch.pop("epoch"))
            if number > self._epochs:
                metrics = [Metric(name, value, timestamp, number) for name, value in epoch.items()]
                self._client.log_batch(self._id, metrics=metrics)
                self._epochs = number

    def finish(self, outcome: str) -> None:
        """Log the result of the run, with its files, and end it there."""
        from mlflow.entities import Metric

        folder, timestamp = self._run.path, int(time.time() * 1000)
        result = read_json(folder / "result.json") if outcome == "finished" else None
        values = _numbers(result or read_json(folder / "before.json") or {}, prefix="run_")
        metrics = [Metric(name, value, timestamp, 0) for name, value in values.items()]
        self._client.log_batch(self._id, metrics=metrics)
        for name in (*FIRST, *(LAST if result else ())):
            if (folder / name).exists():
                self._client.log_artifact(self._id, str(folder / name))
        self._client.set_tag(self._id, "sfp_viz.state", outcome)
        status = _STATUS.get(outcome, "FAILED")
        if status == "SCHEDULED":  # it will go on: no end yet
            self._client.update_run(self._id, status=status)
        else:
            self._client.set_terminated(self._id, status)


def _known(client: MlflowClient, run: Run, uri: str) -> str | None:
    """The run of MLflow that mirrored an earlier part of ``run``, if it is still there."""
    note = read_json(run.path / NOTE) or {}
    if masked(str(note.get("uri"))) != masked(uri) or not note.get("run"):
        return None
    write_json(run.path / NOTE, {**note, "uri": masked(uri)})  # earlier versions kept it whole
    with suppress(Exception):  # it was deleted there: begin another
        mirrored = client.get_run(str(note["run"]))
        return mirrored.info.run_id if mirrored.info.lifecycle_stage == "active" else None
    return None


def _begin(client: MlflowClient, run: Run, uri: str, experiment: str) -> str:
    existing = client.get_experiment_by_name(experiment)
    if existing is None:
        name = client.create_experiment(experiment, artifact_location=_artifacts(uri))
    else:
        name = existing.experiment_id
    tags = {"sfp_viz.run": run.id, "sfp_viz.kind": run.kind, "sfp_viz.network": run.name}
    tags["sfp_viz.plan"] = run.plan.hash if run.plan else ""
    tags |= {f"sfp_viz.{key}": str(run.facts.get(key) or "") for key in ("digest", "sweep")}
    created = client.create_run(
        name, run_name=run.id, tags=tags, start_time=int(run.created * 1000)
    )
    identity = created.info.run_id
    write_json(run.path / NOTE, {"format": 1, "uri": masked(uri), "run": identity})
    _parameters(client, identity, run)
    return identity


def _parameters(client: MlflowClient, identity: str, run: Run) -> None:
    from mlflow.entities import Param

    facts = {key: value for key, value in run.facts.items() if isinstance(value, str | int | float)}
    parameters: dict[str, Any] = {**facts, **asdict(run.settings), "data": run.data}
    client.log_batch(
        identity, params=[Param(key, str(parameters[key])) for key in sorted(parameters)]
    )


def _artifacts(uri: str) -> str | None:
    """Where files go that belong to a database which is a file: beside it. A server knows itself;
    left to itself, MLflow would put them into the folder that the worker was started in."""
    if not uri.startswith("sqlite:///"):
        return None
    return (Path(uri.removeprefix("sqlite:///")).absolute().parent / "artifacts").as_uri()


def _epochs(folder: Path) -> list[dict[str, float]]:
    """The numbers of the whole lines of a history."""
    epochs = []
    with suppress(OSError):
        for line in (folder / EPOCHS).read_text().splitlines(keepends=True):
            value = json.loads(line) if line.endswith("\n") else {}
            if "epoch" in value:
                epochs.append(_numbers({k: v for k, v in value.items() if k != "epochs"}))
    return epochs


def _numbers(value: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    return {
        f"{prefix}{key}": float(entry)
        for key, entry in value.items()
        if isinstance(entry, int | float) and not isinstance(entry, bool)
    }
