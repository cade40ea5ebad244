"""The work of a run in steps: plan, cut and train the current student, stage by stage.

Each stage goes on from files alone, so that a worker that takes over in the middle does the same
as one that was never disturbed.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.evidence.evidence import Evidence, needs, scores_of
from sfp_viz.core.plan.plan import Plan, plan_from_json, plan_to_json
from sfp_viz.core.plan.request import Request
from sfp_viz.core.selection.iterative import (
    Left,
    all_units,
    check_steps,
    merge_plans,
    stage_request,
    units_after,
)
from sfp_viz.core.selection.iterative_schedule import targets
from sfp_viz.errors import RunError
from sfp_viz.files import write_json, write_text
from sfp_viz.runs.folder import read_run
from sfp_viz.runs.storage.checkpoints import FILES, Checkpoints
from sfp_viz.runs.storage.history import EPOCHS, read_epochs, rewrite
from sfp_viz.runs.storage.records import Before, Run
from sfp_viz.runs.storage.steps import (
    Stage,
    StepsRequest,
    read_stages,
    read_steps_request,
    stage_folder,
    write_stages,
)
from sfp_viz.runs.work.finetune import finish, report_numerics, train
from sfp_viz.runs.work.heartbeat import Heartbeat

if TYPE_CHECKING:
    from sfp_viz.core.network import Network
    from sfp_viz.nets.data.datasets import Images
    from sfp_viz.nets.model import Model

CALIBRATION = 1024  # training images that a recipe which needs observations looks at
SEEDS = 7919  # between the seeds of two stages: each sees the images in an order of its own
PLAN, START, STUDENT = "plan.json", "start.safetensors", "student.safetensors"


@dataclass(frozen=True)
class Task:
    """What the stages share: the run, what was asked for, the unpruned network and its reading,
    and the images for training and for testing."""

    run: Run
    order: StepsRequest
    model: Model
    network: Network
    train: Images
    test: Images
    heartbeat: Heartbeat

    @property
    def problem(self) -> Problem:
        return Problem(self.network, Request.of(self.order.recipe, self.order.edits))

    @property
    def epochs(self) -> tuple[int, ...]:
        return self.order.steps.epochs_of


def work(run: Run, heartbeat: Heartbeat) -> None:
    """Do all stages that are left.

    Args:
        run: The run as it was read.
        heartbeat: The worker's.

    Raises:
        SfpError: Something went wrong; its message says what.
        Stopped: The run was asked to stop.
    """
    heartbeat.report("loading", done=len(run.epochs))
    task = _task(run, heartbeat)
    aims = targets(task.order.steps, task.order.recipe.target_reduction)
    current, left, plans = run.path / START, all_units(task.network), []
    for number, target in enumerate(aims, 1):
        folder = stage_folder(run.path, number)
        for half in folder.glob(".*"):  # of a worker that was killed while writing
            half.unlink()
        if not (folder / STUDENT).exists():
            _begin(task, number, target, current, left)
            _train(task, number)
        plans.append(plan_from_json((folder / PLAN).read_text()))
        left, current = units_after(left, plans[-1]), folder / STUDENT
    _end(task, current, plans)


def _task(run: Run, heartbeat: Heartbeat) -> Task:
    """Open everything; numbers are computed as by the worker before us."""
    order, steps = read_steps_request(run.path), read_stages(run.path)
    last = None
    if steps:
        folder, done = stage_folder(run.path, steps[-1].number), len(run.epochs)
        last = Checkpoints(folder, epochs=done - _first(order, steps[-1].number)).last
    report_numerics(run.settings, heartbeat, last)
    from sfp_viz.nets.data.datasets import load_data
    from sfp_viz.nets.io.model_file import load_saved
    from sfp_viz.nets.tracing.read_network import read_network

    heartbeat.go_on()
    model = load_saved(run.path / START)
    network = read_network(model)
    check_steps(Problem(network, Request.of(order.recipe, order.edits)), order.steps)
    if run.settings.epochs != order.steps.total or run.settings.processes > 1:
        raise RunError(
            "The epochs of a run in steps are those of its stages, and it trains in one process. "
            "Start a new one with the stages you want."
        )
    heartbeat.go_on()
    images = [load_data(run.data, split) for split in ("train", "test")]
    return Task(run, order, model, network, images[0], images[1], heartbeat)


def _first(order: StepsRequest, number: int) -> int:
    """Epochs before the stage ``number``, from 1 on."""
    return sum(order.steps.epochs_of[: number - 1])


def _begin(task: Task, number: int, target: float, current: Path, left: Left) -> None:
    """Plan and cut the student in ``current``, unless that was done; measure what it came to."""
    folder = stage_folder(task.run.path, number)
    folder.mkdir(parents=True, exist_ok=True)
    stages = {stage.number: stage for stage in read_stages(task.run.path)}
    if (folder / START).exists() and number in stages:
        return
    from sfp_viz.nets.io.model_file import load_saved, save_model
    from sfp_viz.nets.training.reproducibility import seed_step

    seed_step(task.run.settings.seed, number, 0)  # whatever was drawn in this process so far
    if not (folder / START).exists():
        plan, small = _cut(task, target, load_saved(current), left)
        write_text(folder / PLAN, plan_to_json(plan))
        task.heartbeat.go_on()
        save_model(small, folder / START)
    plan = plan_from_json((folder / PLAN).read_text())
    stages[number] = _measured(task, number, target, load_saved(folder / START), plan)
    write_stages(task.run.path, [stages[known] for known in sorted(stages) if known <= number])


def _cut(task: Task, target: float, student: Model, left: Left) -> tuple[Plan, Model]:
    from sfp_viz.core.selection.planner import make_plan_for
    from sfp_viz.nets.pruning.prune import prune
    from sfp_viz.nets.tracing.read_network import read_network

    _progress(task, "pruning")
    network = read_network(student)
    request = stage_request(task.problem, network, left, target)
    task.heartbeat.go_on()
    plan = make_plan_for(Problem(network, request, _seen(task, student)))
    task.heartbeat.go_on()
    return plan, prune(student, plan, calibration=task.train, network=network)


def _seen(task: Task, student: Model) -> Evidence:
    """What the student makes of training images, where the recipe asks for it."""
    recipe = task.order.recipe
    if "observations" not in needs(recipe):
        return Evidence()
    from sfp_viz.nets.evaluation.observe import observe

    def progress(_done: int, _total: int) -> None:
        task.heartbeat.go_on()

    _progress(task, "calibrating")
    observations = observe(
        student, task.train, most=CALIBRATION, scores=scores_of(recipe), progress=progress
    )
    _progress(task, "pruning")
    return Evidence(observations=observations)


def _measured(task: Task, number: int, target: float, start: Model, plan: Plan) -> Stage:
    """The line of a stage that begins; before.json says what is trained now."""
    from sfp_viz.nets.evaluation.measure import count_macs, count_params, count_right

    _progress(task, "measuring")
    test = task.test.first(task.run.settings.test_images)
    count, macs, params = len(test), count_macs(start), count_params(start)
    earlier = read_run(task.run.path).before
    one_shot = count_right(start, test) / max(1, count)
    task.heartbeat.go_on()
    if earlier is None:
        teacher = count_right(task.model, test) / max(1, count)
        earlier = Before(one_shot, teacher, count, macs, params, task.heartbeat.started)
    write_json(task.run.path / "before.json", asdict(replace(earlier, macs=macs, params=params)))
    reduction = round(1 - macs / count_macs(task.model), 6)
    return Stage(number, target, reduction, macs, params, one_shot, plan.hash)


def _train(task: Task, number: int) -> None:
    """Train the stage's network to its end; the checkpoints lie in the stage's folder."""
    from sfp_viz.nets.io.model_file import load_saved, save_model
    from sfp_viz.nets.training.distill import Training

    path, folder = task.run.path, stage_folder(task.run.path, number)
    before, settings = _first(task.order, number), task.run.settings
    checkpoints = Checkpoints(folder, epochs=len(read_epochs(path)) - before)
    training = Training(
        load_saved(folder / START),
        teacher=task.model if settings.alpha > 0 else None,
        train=task.train,
        test=task.test,
        settings=replace(
            settings,
            epochs=task.epochs[number - 1],
            seed=(settings.seed + SEEDS * (number - 1)) % 2**31,
        ),
    )
    if checkpoints.last is not None:
        training.load_state_dict(dict(checkpoints.last.state))
    epochs = read_epochs(path)
    if len(epochs) < before + training.done:
        raise RunError(
            f"The history has {len(epochs)} epochs, the stages {before + training.done}: a file of "
            "this run was changed or lost. Start a new run."
        )
    rewrite(path / EPOCHS, epochs[: before + training.done])  # the others are done again
    train(training, path, task.heartbeat, checkpoints, before=before, total=settings.epochs)
    save_model(training.model(), folder / STUDENT)
    for name in (START, *FILES):  # the trained network is what counts from here on
        (folder / name).unlink(missing_ok=True)


def _end(task: Task, student: Path, plans: list[Plan]) -> None:
    """All stages as one plan of the original, the trained network and the result."""
    from sfp_viz.nets.io.model_file import load_saved

    path = task.run.path
    write_text(path / PLAN, plan_to_json(merge_plans(task.problem, plans)))
    before = read_run(path).before
    if before is None:
        raise RunError("before.json is missing, so there is no result. Start a new run.")
    finish(path, load_saved(student), before)


def _progress(task: Task, phase: str) -> None:
    task.heartbeat.report(phase, done=len(read_epochs(task.run.path)))
