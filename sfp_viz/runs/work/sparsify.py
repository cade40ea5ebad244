"""The work of a run that prunes while training: make sparse, cut, fine-tune, say what it came to.

Each part goes on from files alone, so that a worker that takes over in the middle does the same
as one that was never disturbed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from sfp_viz.core.cost.stripes import stripe_cost
from sfp_viz.core.plan.plan import plan_to_json
from sfp_viz.errors import RunError
from sfp_viz.files import write_json, write_text
from sfp_viz.runs.folder import read_run
from sfp_viz.runs.storage.checkpoints import FILES, Checkpoints
from sfp_viz.runs.storage.history import EPOCHS, append, read_epochs, rewrite
from sfp_viz.runs.storage.records import Before, Run
from sfp_viz.runs.storage.sparsify import (
    CHECKPOINTS,
    PRUNED,
    REFRESHES,
    SPARSE,
    SparsifyRequest,
    read_refreshes,
    read_sparsify_request,
)
from sfp_viz.runs.work.finetune import report_numerics, train
from sfp_viz.runs.work.heartbeat import Heartbeat, Stopped
from sfp_viz.runs.work.sparsify_outcome import write_outcome

if TYPE_CHECKING:
    from sfp_viz.core.training.history import Refresh
    from sfp_viz.nets.data.datasets import Images
    from sfp_viz.nets.model import Model
    from sfp_viz.nets.sparsity.sparse_training import SparseTraining

PLAN, START = "plan.json", "start.safetensors"


@dataclass(frozen=True)
class Task:
    """What both parts share: the run, what was asked for, the unpruned network and the images."""

    run: Run
    order: SparsifyRequest
    model: Model
    train: Images
    test: Images
    heartbeat: Heartbeat


def work(run: Run, heartbeat: Heartbeat) -> None:
    """Train sparse, prune and fine-tune, from where a worker before us ended.

    Args:
        run: The run as it was read.
        heartbeat: The worker's.

    Raises:
        SfpError: Something went wrong; its message says what.
        Stopped: The run was asked to stop.
    """
    heartbeat.report("loading")
    path, first = run.path, run.path / CHECKPOINTS
    first.mkdir(exist_ok=True)
    for half in first.glob(".*"):  # of a worker that was killed while writing
        half.unlink()
    thinning = Checkpoints(first, epochs=len(read_refreshes(path)))
    tuning = Checkpoints(path, epochs=len(read_epochs(path)))
    report_numerics(run.settings, heartbeat, tuning.last or thinning.last)
    from sfp_viz.nets.data.datasets import load_data
    from sfp_viz.nets.io.model_file import load_saved

    heartbeat.go_on()
    images = [load_data(run.data, split) for split in ("train", "test")]
    order = read_sparsify_request(path)
    task = Task(run, order, load_saved(path / START), images[0], images[1], heartbeat)
    heartbeat.go_on()
    if not (path / PRUNED).exists():
        _thin(task, thinning)
    for name in FILES:  # the cut network is what counts from here on
        (first / name).unlink(missing_ok=True)
    _say(task, read_refreshes(path))
    before = _before(task)
    student = _tune(task, tuning) if order.tuned else load_saved(path / PRUNED)
    heartbeat.report("measuring", done=len(read_epochs(path)))
    write_outcome(path, task.model, student, before, order)


def _thin(task: Task, checkpoints: Checkpoints) -> None:
    """Make the network sparse from the last checkpoint, or the start; then cut it."""
    from sfp_viz.nets.io.model_file import save_model
    from sfp_viz.nets.pruning.prune import prune
    from sfp_viz.nets.sparsity.sparse_training import SparseTraining

    path, last = task.run.path, checkpoints.last
    training = SparseTraining(
        task.model, train=task.train, test=task.test, settings=task.order.settings
    )
    lines = read_refreshes(path)[: last.done if last else 0]
    if last is not None:
        notes = tuple(note for line in lines for note in line.notes)
        training.load_state_dict({**last.state, "step": last.state["at"]}, notes)
    rewrite(path / REFRESHES, lines)  # the others are done again
    _say(task, lines)
    _advance(task, training, checkpoints, list(lines))
    task.heartbeat.report("pruning")
    model, plan = training.result()
    save_model(model, path / SPARSE)
    write_text(path / PLAN, plan_to_json(plan))
    task.heartbeat.go_on()
    save_model(prune(model, plan), path / PRUNED)  # dead stripes are zeros: so it trains fastest


def _advance(
    task: Task, training: SparseTraining, checkpoints: Checkpoints, history: list[Refresh]
) -> None:
    """Train to the end, with a line for each refresh, and checkpoints after epochs, every
    ``checkpoint_steps`` steps, and where it is asked to stop."""
    from sfp_viz.nets.training.reproducibility import numerics

    facts, every = numerics(), task.run.settings.checkpoint_steps
    saved = training.step

    def save() -> None:
        nonlocal saved
        state, lines = training.state_dict(), len(history)
        at = state["step"]  # two numbers; checkpoints want the steps since the last line
        inside = {"at": at, "step": at[0] - at[1], "done": at.new_tensor(lines)}
        checkpoints.save({**state, **inside}, facts, done=lines, step=int(at[0] - at[1]))
        saved = training.step

    def stop() -> bool:
        stopping = task.heartbeat.step()
        if training.step != saved and (stopping or (every and training.step % every == 0)):
            save()
        return stopping

    in_epoch = training.steps // training.epochs
    while not training.finished:
        done, step = divmod(training.step, in_epoch)
        task.heartbeat.report("sparsifying", done=done, steps=in_epoch, step=step)
        with _falling_back(checkpoints):
            line = training.advance(stop)
        if line is None:
            word = "Paused" if task.heartbeat.outcome() == "paused" else "Stopped"
            raise Stopped(
                f"{word} during sparse training, after step {training.step} of "
                f"{training.steps}. Resume continues from there."
            )
        append(task.run.path / REFRESHES, line)  # a line without its checkpoint is taken back
        history.append(line)
        if line.notes:
            _say(task, history)
        due = every > 0 and training.step - saved >= every
        if training.finished or line.test_accuracy is not None or due:
            with _falling_back(checkpoints):
                save()


@contextmanager
def _falling_back(checkpoints: Checkpoints) -> Iterator[None]:
    """Where the loss is no longer finite, what was kept since the last line is of no use."""
    try:
        yield
    except RunError:
        checkpoints.drop_begun()
        raise


def _tune(task: Task, checkpoints: Checkpoints) -> Model:
    """Fine-tune the cut network with the unpruned one as its teacher; what is 0 by its stripes
    stays 0."""
    from sfp_viz.nets.io.model_file import load_saved
    from sfp_viz.nets.stripes.striped_model import freeze_stripes
    from sfp_viz.nets.training.distill import Training

    path, settings = task.run.path, task.run.settings
    training = Training(
        load_saved(path / PRUNED),
        teacher=task.model if settings.alpha > 0 else None,
        train=task.train,
        test=task.test,
        settings=settings,
    )
    if task.order.settings.method == "stripes":
        freeze_stripes(training.module)
    if checkpoints.last is not None:
        training.load_state_dict(dict(checkpoints.last.state))
    rewrite(path / EPOCHS, read_epochs(path)[: training.done])  # the others are done again
    train(training, path, task.heartbeat, checkpoints)
    return training.model()


def _before(task: Task) -> Before:
    """What the cut network is before it is tuned: read back, or measured now and written down."""
    measured = read_run(task.run.path).before
    if measured is not None:
        return measured
    from sfp_viz.nets.evaluation.measure import count_right
    from sfp_viz.nets.io.model_file import load_saved
    from sfp_viz.nets.tracing.read_network import read_network

    task.heartbeat.report("measuring")
    small = load_saved(task.run.path / PRUNED)
    test = task.test.first(task.run.settings.test_images)
    counted, count = stripe_cost(read_network(small)), len(test)
    before = Before(
        one_shot=count_right(small, test) / max(1, count),
        teacher_accuracy=count_right(task.model, test) / max(1, count),
        images=count,
        macs=counted.macs,
        params=counted.params,
        started=task.heartbeat.started,
    )
    write_json(task.run.path / "before.json", asdict(before))
    return before


def _say(task: Task, lines: list[Refresh] | tuple[Refresh, ...]) -> None:
    """The sentences of the training so far become the run's message."""
    notes = dict.fromkeys(note for line in lines for note in line.notes)
    if notes:
        task.heartbeat.say({}, " ".join(notes))
