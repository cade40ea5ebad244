"""The work of a study: points, one after the other, each with its line; then what they come to."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from sfp_viz.core.evidence.study import Study
from sfp_viz.errors import RunError
from sfp_viz.files import write_bytes, write_json
from sfp_viz.runs.create.study import single_group_recipe
from sfp_viz.runs.results.evidence import FILES, evidence_in
from sfp_viz.runs.storage.history import POINTS, append, rewrite
from sfp_viz.runs.storage.processes import hostname
from sfp_viz.runs.storage.records import Finding, Point, Run
from sfp_viz.runs.work.heartbeat import Heartbeat

if TYPE_CHECKING:
    from sfp_viz.core.network import Network
    from sfp_viz.nets.model import Model

Task = tuple[Any, ...]
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Job:
    """A study in parts: its ``tasks``; ``measure``, which yields the value of each task it is
    given, in order; ``content``, which makes the result's file of all values and the seconds they
    took, and tells how far it is where that takes long; and the ``images`` of ``data`` it counts
    on."""

    tasks: tuple[Task, ...]
    measure: Callable[[Sequence[Task]], Iterator[Any]]
    content: Callable[[Mapping[Task, Any], float, Progress], str | bytes]
    data: str = ""
    images: int = 0


def work(run: Run, heartbeat: Heartbeat) -> None:
    """Measure what is not measured yet, and write the result.

    Args:
        run: The run as it was read.
        heartbeat: The worker's.

    Raises:
        SfpError: Something went wrong; its message says what.
        Stopped: The run was asked to stop.
    """
    study = run.study
    if study is None:
        raise RunError(f"The run at {run.path} is not a study.")
    heartbeat.report("loading")
    from sfp_viz.nets.io.model_file import load_saved
    from sfp_viz.nets.tracing.read_network import read_network
    from sfp_viz.nets.training.reproducibility import numerics

    heartbeat.go_on()
    heartbeat.say(numerics(heartbeat.earlier.threads or None))
    model = load_saved(run.path / "start.safetensors")
    job = _JOBS[study.kind](run, study, model, read_network(model))
    done = _measured(run, job, heartbeat)
    started = time.perf_counter()
    seconds = sum(point.seconds for point in done.values())

    def progress(reached: int, total: int) -> None:
        heartbeat.say({"total": total})
        heartbeat.report("measuring", done=reached)
        heartbeat.go_on()

    content = job.content({task: point.value for task, point in done.items()}, seconds, progress)
    heartbeat.go_on()
    file = FILES[study.kind][1]
    write_bytes(run.path / file, content.encode() if isinstance(content, str) else content)
    seconds += time.perf_counter() - started
    finding = Finding(
        model.digest, file, job.data, job.images, seconds, heartbeat.started, time.time()
    )
    write_json(run.path / "result.json", asdict(finding))


def _measured(run: Run, job: Job, heartbeat: Heartbeat) -> dict[Task, Point]:
    """All points: those of workers before us, and the rest, each written as it comes."""
    earlier = run.points if _same_machine(run, heartbeat) else ()
    done = {point.task: point for point in earlier if point.task in set(job.tasks)}
    rewrite(run.path / POINTS, tuple(done.values()))
    todo = [task for task in job.tasks if task not in done]
    heartbeat.say({"total": len(job.tasks)})
    heartbeat.report("measuring", done=len(done))
    heartbeat.go_on()
    started = time.perf_counter()
    for task, value in zip(todo, job.measure(todo), strict=True) if todo else ():
        ended = time.perf_counter()
        done[task] = Point(task, value, round(ended - started, 4))
        append(run.path / POINTS, done[task])
        heartbeat.report("measuring", done=len(done))
        heartbeat.go_on()
        started = ended
    return done


def _same_machine(run: Run, heartbeat: Heartbeat) -> bool:
    """Whether points of the worker before us may stand beside ours: times of two machines do not
    mix, counts do."""
    return run.kind != "latency" or (heartbeat.earlier.host or hostname()) == hostname()


def _sensitivity(run: Run, study: Study, model: Model, network: Network) -> Job:
    from sfp_viz.core.evidence.sensitivity import collect_sensitivity, sensitivity_to_json
    from sfp_viz.nets.data.datasets import load_data
    from sfp_viz.nets.evaluation.one_shot import measure_sensitivity_points, sensitivity_tasks

    recipe, evidence = single_group_recipe(study.recipe), evidence_in(run.path / "evidence")
    calibration = load_data(run.data, "train")
    test = load_data(run.data, "test", limit=study.images)
    data = f"{test.name}, {test.split}"

    def measure(todo: Sequence[Task]) -> Iterator[int]:
        points = measure_sensitivity_points(
            model, network, recipe, todo=todo, calibration=calibration, test=test,
            evidence=evidence, most=study.calibration,
        )  # fmt: skip
        return (right for _, _, right in points)

    def content(points: Mapping[Task, Any], seconds: float, _: Progress) -> str:
        lines = [(group, kept, right) for (group, kept), right in points.items()]
        record = collect_sensitivity(
            network, recipe, lines, data=data, images=len(test), seconds=seconds
        )
        return sensitivity_to_json(record)

    return Job(sensitivity_tasks(network, recipe, study.ratios), measure, content, data, len(test))


def _latency(run: Run, study: Study, model: Model, network: Network) -> Job:
    from sfp_viz.core.cost.latency_table import latency_to_json
    from sfp_viz.nets.evaluation.layer_latency import latency_table, measure_table, table_tasks

    def measure(todo: Sequence[Task]) -> Iterator[float]:
        points = measure_table(model, todo=todo, batch=study.batch, repeats=study.repeats)
        return (ms for _, _, _, ms in points)

    def content(points: Mapping[Task, Any], seconds: float, _: Progress) -> str:
        lines = [(name, outs, ins, ms) for (name, outs, ins), ms in points.items()]
        return latency_to_json(latency_table(network, lines, batch=study.batch))

    return Job(table_tasks(model, network), measure, content)


def _observe(run: Run, study: Study, model: Model, network: Network) -> Job:
    from sfp_viz.nets.data.datasets import load_data
    from sfp_viz.nets.evaluation.observe import observe
    from sfp_viz.nets.io.observation_file import observations_bytes

    images = load_data(run.data, "train")
    count = min(study.calibration, len(images))

    def content(points: Mapping[Task, Any], seconds: float, progress: Progress) -> bytes:
        observations = observe(model, images, most=count, scores=study.scores, progress=progress)
        total = count * (1 + ("taylor" in study.scores))
        for (
            group
        ) in observations.covariance:  # seconds for thousands of units, so no page waits for it
            observations.elimination(group)
            progress(total, total)
        return observations_bytes(observations)

    return Job((), lambda todo: iter(()), content, f"{images.name}, {images.split}", count)


def _trust(run: Run, study: Study, model: Model, network: Network) -> Job:
    from sfp_viz.core.allocation.alternatives import alternatives, left_out
    from sfp_viz.core.allocation.problem import Problem
    from sfp_viz.core.comparison.sampled_plans import draws, edits_of
    from sfp_viz.core.comparison.trust import Trust, trust_to_json
    from sfp_viz.core.plan.request import Request
    from sfp_viz.core.selection.analysis import analyze
    from sfp_viz.core.selection.planner import make_plan
    from sfp_viz.nets.data.datasets import load_data
    from sfp_viz.nets.evaluation.one_shot import measure_plans

    recipe, edits, evidence = study.recipe, study.edits, evidence_in(run.path / "evidence")
    analysis = analyze(network, recipe, evidence)
    problem = Problem(network, Request.of(recipe, edits), evidence, analysis.dispersions)
    drawn = draws(problem, count=study.count, seed=study.seed)
    others = alternatives(problem)
    plans = [
        make_plan(network, analysis, recipe, edits_of(network, d, edits), warn=False) for d in drawn
    ]
    calibration = load_data(run.data, "train")
    test = load_data(run.data, "test", limit=study.images)
    data = f"{test.name}, {test.split}"

    def measure(todo: Sequence[Task]) -> Iterator[int]:
        measured_plans = [plans[number] for number, _ in todo]
        return measure_plans(
            model,
            network,
            measured_plans,
            calibration=calibration,
            test=test,
            most=study.calibration,
        )

    def content(points: Mapping[Task, Any], seconds: float, _: Progress) -> str:
        right = {number: count for (number, _), count in points.items()}
        measured = tuple(replace(draw, right=right[number]) for number, draw in enumerate(drawn))
        record = Trust(network.digest, data, len(test), recipe, measured, seconds, left_out(others))
        return trust_to_json(record)

    tasks = tuple((number, plan.hash) for number, plan in enumerate(plans))
    return Job(tasks, measure, content, data, len(test))


_JOBS: dict[str, Callable[[Run, Study, Model, Network], Job]] = {
    "sensitivity": _sensitivity,
    "latency": _latency,
    "observe": _observe,
    "trust": _trust,
}
