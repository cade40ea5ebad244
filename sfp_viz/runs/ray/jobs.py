"""Ray Jobs, spoken to as plain HTTP: who submits, watches and stops needs no Ray installed, and
no version of it that matches the cluster's. After the Ray documentation, 'Ray Jobs REST API'.

``token`` says whether the address may hear the token of the environment: only the workspace's own
cluster does, not an address that stands in the folder of a run.
"""

from __future__ import annotations

import http.client
import json
import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, urlsplit

from sfp_viz.errors import RunError

Status = Literal["PENDING", "RUNNING", "STOPPED", "SUCCEEDED", "FAILED", "UNKNOWN"]
AT_WORK = ("PENDING", "RUNNING")
NODES_NEED = "pip install 'ray[default]'"
_MOST = 4_000_000  # bytes of an answer
_EXITED = "JOB_ENTRYPOINT_COMMAND_ERROR"  # the worker itself ended, and not well


class Unreachable(RunError):
    """The cluster does not answer."""


@dataclass(frozen=True)
class Job:
    """How a job is: UNKNOWN when the cluster knows none of that name. ``exited`` says that its
    process has ended for sure, and not only what watched it. ``message`` is Ray's, '' if none."""

    status: Status
    message: str = ""
    exited: bool = False


def dashboard(address: str) -> str:
    """``address`` as the URL of a Ray dashboard: 'node1:8265' means http. Raises RunError."""
    url = address.strip()
    url = (url if "://" in url else f"http://{url}").rstrip("/")
    with suppress(ValueError):
        parts = urlsplit(url)
        usual = parts.port is None or parts.port > 0  # no number at all is a ValueError
        if parts.scheme in ("http", "https") and parts.hostname and usual:
            return url
    raise RunError(
        f"'{address}' is not the address of a Ray dashboard. It looks like http://node1:8265; "
        "'ray start --head' prints it."
    )


def version(address: str) -> str:
    """The version of Ray that answers at ``address``. Raises RunError when none does."""
    answer = _ask(address, "/api/version")
    try:
        return str(json.loads(answer)["ray_version"])
    except (ValueError, KeyError, TypeError) as problem:
        raise RunError(
            f"What answers at {address} is not a Ray dashboard. Start the head node with "
            f"'ray start --head'; it needs {NODES_NEED}."
        ) from problem


def submit(address: str, job: str, command: str, *, cpus: float, gpus: float, run: str) -> None:
    """Put a job in the cluster's queue. It runs in the environment of its node.

    Args:
        address: The dashboard of the cluster.
        job: The name of the job.
        command: A shell command, which is the job.
        cpus: CPUs that the node must have free.
        gpus: GPUs that the node must have free; parts of one are allowed.
        run: The id of the run, for the metadata of the job.

    Raises:
        RunError: The cluster does not answer, or refuses.
    """
    body: dict[str, Any] = {
        "submission_id": job,
        "entrypoint": command,
        "entrypoint_num_cpus": cpus,  # without it, Ray starts all jobs on the head node
        "entrypoint_num_gpus": gpus,
        "metadata": {"sfp-viz": run},
    }
    _ask(address, "/api/jobs/", body=body, patience=60.0)


def status(address: str, job: str, token: bool = True, *, patience: float = 5.0) -> Job:
    """The status of a job.

    Args:
        address: The dashboard of the cluster.
        job: The name of the job.
        token: Whether the address may get the token of the environment.
        patience: Seconds to wait for an answer.

    Raises:
        Unreachable: The cluster does not answer, or not as expected.
    """
    try:
        url = f"/api/jobs/{quote(job, safe='')}"
        answer = json.loads(_ask(address, url, patience=patience, token=token))
        reported = str(answer["status"])
    except _Missing:
        return Job("UNKNOWN")
    except (ValueError, KeyError, TypeError) as problem:
        raise Unreachable(f"The cluster at {address} gives an unexpected answer.") from problem
    exited = reported in ("STOPPED", "SUCCEEDED") or answer.get("error_type") == _EXITED
    statuses: Mapping[str, Status] = {word: word for word in (*AT_WORK, "STOPPED", "SUCCEEDED")}
    return Job(statuses.get(reported, "FAILED"), str(answer.get("message") or ""), exited)


def logs(address: str, job: str, token: bool = True) -> str:
    """What a job printed; '' when there is nothing yet.

    Args:
        address: The dashboard of the cluster.
        job: The name of the job.
        token: Whether the address may get the token of the environment.

    Raises:
        RunError: The cluster does not answer, or refuses.
    """
    try:
        answer = _ask(address, f"/api/jobs/{quote(job, safe='')}/logs", patience=20.0, token=token)
        return str(json.loads(answer).get("logs") or "")
    except (_Missing, ValueError, AttributeError):
        return ""


def stop(address: str, job: str, token: bool = True) -> None:
    """End a job by Ray: SIGTERM, and SIGKILL after three seconds. Nothing happens to a job that is
    over or unknown.

    Args:
        address: The dashboard of the cluster.
        job: The name of the job.
        token: Whether the address may get the token of the environment.

    Raises:
        Unreachable: The cluster does not answer.
    """
    with suppress(_Missing):
        url = f"/api/jobs/{quote(job, safe='')}/stop"
        _ask(address, url, body={}, patience=20.0, token=token)


class _Missing(RunError):
    """There is no such job."""


def _ask(
    address: str,
    path: str,
    *,
    body: Mapping[str, Any] | None = None,
    patience: float = 5.0,
    token: bool = True,
) -> bytes:
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(dashboard(address) + path, data=data, headers=headers)
    token_header = _token() if token else {}
    for name, word in token_header.items():  # not for whom an answer may send us on to
        request.add_unredirected_header(name, word)
    try:
        with urllib.request.urlopen(request, timeout=patience) as answer:
            return answer.read(_MOST)
    except urllib.error.HTTPError as problem:
        raise _refused(address, problem, token) from problem
    except (OSError, http.client.HTTPException) as problem:
        reason = getattr(problem, "reason", None) or problem
        raise Unreachable(
            f"The Ray cluster at {address} does not answer ({reason}). Start it on its head node "
            "with 'ray start --head', or correct the address: sfp-viz cluster set ADDRESS."
        ) from problem


def _refused(address: str, problem: urllib.error.HTTPError, token: bool) -> RunError:
    if problem.code in (401, 403) and not token:
        return RunError(
            f"{address} requires a token, but is not the cluster of this workspace, so none is "
            "sent. If it is yours, set it: sfp-viz cluster set ADDRESS."
        )
    if problem.code in (401, 403):
        return RunError(
            f"The Ray cluster at {address} requires a token. Set RAY_AUTH_TOKEN, or "
            "RAY_AUTH_TOKEN_PATH, to that of the cluster before you start sfp-viz."
        )
    if problem.code == 404:
        return _Missing(f"The address {address} answers, but has no such job.")
    with suppress(OSError):
        lines = [x for x in problem.read(_MOST).decode(errors="replace").splitlines() if x.strip()]
        reason = lines[-1] if len(lines) < 3 else " ".join(lines[-2:])
        return RunError(f"The Ray cluster at {address} refused: {reason[:500]}")
    return RunError(f"The Ray cluster at {address} refused (HTTP {problem.code}).")


def _token() -> dict[str, str]:
    """The header of a cluster that wants a token, from where Ray itself looks for it."""
    token = os.environ.get("RAY_AUTH_TOKEN", "")
    file = os.environ.get("RAY_AUTH_TOKEN_PATH") or (
        "~/.ray/auth_token" if os.environ.get("RAY_AUTH_MODE") == "token" else ""
    )
    if not token and file:
        with suppress(OSError):
            token = Path(file).expanduser().read_text()
    return {"Authorization": f"Bearer {token.strip()}"} if token.strip() else {}
