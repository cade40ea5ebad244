"""The work of a sweep: prune for each member, create its training, and queue that."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.evidence.evidence import Evidence, needs, scores_of
from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.request import Request
from sfp_viz.core.plan.sweep import Member, Sweep
from sfp_viz.errors import PlanError, SurgeryError
from sfp_viz.files import write_json
from sfp_viz.runs.create.training import create_run
from sfp_viz.runs.folder import read_run
from sfp_viz.runs.results.evidence import evidence_in
from sfp_viz.runs.results.sweeps import child_folder, read_sweep
from sfp_viz.runs.storage.facts import training_facts
from sfp_viz.runs.storage.history import POINTS, append, rewrite
from sfp_viz.runs.storage.launch_record import LaunchRecord
from sfp_viz.runs.storage.records import Point, Run
from sfp_viz.runs.work.heartbeat import Heartbeat

if TYPE_CHECKING:
    from sfp_viz.core.network import Network
    from sfp_viz.core.plan.plan import Plan
    from sfp_viz.nets.data.datasets import Images
    from sfp_viz.nets.model import Model


def work(run: Run, heartbeat: Heartbeat) -> None:
    """Create and start each run that is not there yet.

    Args:
        run: The run as it was read.
        heartbeat: The worker's.

    Raises:
        SfpError: Something went wrong; its message says what.
        Stopped: The run was asked to stop.
    """
    heartbeat.report("loading")
    sweep, locks = read_sweep(run.path)
    done = {point.task: point for point in run.points if isinstance(point.value, str)}
    rewrite(run.path / POINTS, tuple(done.values()))
    heartbeat.say({"total": len(sweep)})
    subject = None
    for number, member in enumerate(sweep.members, 1):
        heartbeat.go_on()
        if member.task in done:
            continue
        started, folder = time.perf_counter(), child_folder(run.path, number)
        heartbeat.report("pruning", done=len(done))
        problem = ""
        if not folder.exists():  # a worker before us may have come so far
            subject = subject or _open(run, sweep, locks, heartbeat)
            problem = _create_child(subject, folder, member)
        if not problem:
            _start(run.path, folder)
        value: Any = {"problem": problem} if problem else folder.name
        done[member.task] = Point(member.task, value, round(time.perf_counter() - started, 4))
        append(run.path / POINTS, done[member.task])
    ended = {"started": heartbeat.started, "ended": time.time(), "members": len(sweep)}
    write_json(run.path / "result.json", ended)


def _start(path: Path, folder: Path) -> None:
    """Queue a child, unless that was done before."""
    child = read_run(folder)
    new = child.state in ("waiting", "lost")  # lost: laid out by a worker that died
    if new and child.launch.attempt == 0:
        from sfp_viz.runs import queue

        queue.enqueue(folder, where=LaunchRecord.load(path).where)


@dataclass(frozen=True)
class _Subject:
    """What the members share: the sweep's run, the unpruned network and its reading, the training
    images, the locks as edits, and the evidence that the recipes need."""

    run: Run
    model: Model
    network: Network
    images: Images
    edits: Edits
    evidence: Evidence


def _open(run: Run, sweep: Sweep, locks: tuple[str, ...], heartbeat: Heartbeat) -> _Subject:
    from sfp_viz.nets.data.datasets import load_data
    from sfp_viz.nets.io.model_file import load_saved
    from sfp_viz.nets.tracing.read_network import read_network
    from sfp_viz.nets.training.reproducibility import numerics

    heartbeat.say(numerics(heartbeat.earlier.threads or None))
    model, images = load_saved(run.path / "start.safetensors"), load_data(run.data, "train")
    network = read_network(model)
    heartbeat.go_on()
    edits = Edits(network.digest, protected=locks)
    evidence = _evidence(run, sweep, model, images, heartbeat)
    return _Subject(run, model, network, images, edits, evidence)


def _create_child(subject: _Subject, folder: Path, member: Member) -> str:
    """Prune for a member, and create the folder of its training; why that failed, or ''."""
    from sfp_viz.core.selection.planner import make_plan_for
    from sfp_viz.nets.io.model_file import save_model
    from sfp_viz.nets.pruning.prune import prune

    run, network = subject.run, subject.network
    request = Request(member.recipe, subject.edits)
    try:
        plan = make_plan_for(Problem(network, request, subject.evidence))
        pruned = prune(subject.model, plan, calibration=subject.images, network=network)
    except (PlanError, SurgeryError) as problem:
        return str(problem)  # the others may do
    with tempfile.TemporaryDirectory() as aside:
        start = Path(aside) / "start.safetensors"
        save_model(pruned, start)
        create_run(
            folder.parent.parent,
            start=start,
            teacher=run.path / "start.safetensors" if run.settings.alpha > 0 else None,
            settings=replace(run.settings, seed=member.seed),
            data=run.data,
            name=run.name,
            plan=plan,
            facts=_facts(subject, member, plan),
            folder=folder,
        )
    return ""


def _facts(subject: _Subject, member: Member, plan: Plan) -> dict[str, object]:
    """What a child says of where it comes from."""
    from sfp_viz.core.cost.cost import cost

    run, network = subject.run, subject.network
    before, after = cost(network), cost(network, plan)
    facts = training_facts(
        digest=network.digest,
        model=str(run.facts.get("model") or ""),
        recipe=member.recipe,
        edits=subject.edits,
        plan=plan,
        name=member.name,
        before=(before.macs, before.params),
        after=(after.macs, after.params),
    )
    return {**facts, "sweep": run.id, "target": member.target, "seed": member.seed}


def _evidence(
    run: Run, sweep: Sweep, model: Model, images: Images, heartbeat: Heartbeat
) -> Evidence:
    """What the recipes ask for: measurements that were taken along, and a look at images."""
    evidence = evidence_in(run.path / "evidence")
    recipes = [recipe for _, recipe in sweep.recipes]
    if not any("observations" in needs(recipe) for recipe in recipes):
        return evidence
    from sfp_viz.nets.evaluation.observe import observe

    def progress(_donervations: int, _total: int) -> None:
        heartbeat.go_on()

    heartbeat.report("calibrating", done=len(run.points))
    scores = sorted({score for recipe in recipes for score in scores_of(recipe)})
    observations = observe(model, images, scores=scores, progress=progress)
    return Evidence(observations, evidence.sensitivity, evidence.latency)
