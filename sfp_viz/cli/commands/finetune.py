"""The command finetune. The training itself runs in a process of its own."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sfp_viz.cli.commands.queue import start_and_follow
from sfp_viz.cli.options.arguments import data_name, find_model, net_name
from sfp_viz.cli.options.start import StartOptions, start_options
from sfp_viz.cli.options.training import TrainingOptions, training_options
from sfp_viz.core.training.distillation import Distillation
from sfp_viz.errors import RunError
from sfp_viz.runs.create.training import create_run
from sfp_viz.runs.folder import home
from sfp_viz.runs.storage.facts import training_facts

if TYPE_CHECKING:
    from sfp_viz.nets.model import Model

_DEFAULT = Distillation()


@click.command()
@click.argument("net")
@click.option("--teacher", metavar="NET", help="The unpruned network; needed unless alpha is 0.")
@click.option("--run", "place", metavar="NAME_OR_DIR",
              help="The run's name in the workspace, or a folder for it.")  # fmt: skip
@click.option("--epochs", default=_DEFAULT.epochs, show_default=True, help="Epochs of training.")
@training_options(processes=True)
@start_options("Return at once; the run is queued.")
def finetune(
    net: str,
    teacher: str | None,
    place: str | None,
    epochs: int,
    training: TrainingOptions,
    start: StartOptions,
) -> None:
    """Fine-tune the pruned NET with the unpruned teacher.

    The training runs in a process and folder of its own. Without --background its epochs are shown
    as they come, and Ctrl-C cancels it. 'runs resume' continues a run that was stopped. With
    --background the run is queued: 'runs queue' shows the queue.
    """
    student = find_model(net)
    images = data_name(student, training.data)
    settings = training.settings(images, epochs=epochs)
    if teacher is None and settings.alpha > 0:
        raise RunError("Name the unpruned network with --teacher NET, or train with --alpha 0.")
    path = _create(student, teacher, images, place, settings)
    start_and_follow(path, start, show=f"{place or path.name} --follow")


def _create(
    student: Model, teacher: str | None, data: str, place: str | None, settings: Distillation
) -> Path:
    from sfp_viz.nets.evaluation.measure import count_macs, count_params
    from sfp_viz.nets.io.model_file import save_model

    folder = None
    if place:
        named = Path(place).name == place and place not in (".", "..")
        folder = home() / "runs" / place if named else Path(place).expanduser().absolute()
    plan = student.plans[-1] if student.plans else None
    source_facts: dict[str, Any] = {"digest": plan.digest if plan else student.digest}
    with tempfile.TemporaryDirectory() as aside:
        files = [Path(aside) / "start.safetensors", Path(aside) / "teacher.safetensors"]
        save_model(student, files[0])
        if teacher is not None:
            master = find_model(teacher)
            save_model(master, files[1])
            source_facts = {"digest": master.digest, "model": net_name(teacher, master.digest)}
            source_facts["before"] = count_macs(master), count_params(master)
        facts = training_facts(
            **source_facts,
            recipe=plan.recipe if plan else None,
            edits=plan.edits if plan else None,
            plan=plan,
            after=(count_macs(student), count_params(student)),
        )
        return create_run(
            home(),
            start=files[0],
            teacher=files[1] if teacher else None,
            settings=settings,
            data=data,
            name=student.name,
            plan=plan,
            facts=facts,
            folder=folder,
        )
