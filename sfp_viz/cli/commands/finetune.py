"""The command that trains: finetune. The training itself works in a process of its own."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sfp_viz.cli.commands.queue import print_started, start_training
from sfp_viz.cli.commands.runs import follow, run_value
from sfp_viz.cli.options.arguments import data_name, find_model, net_name
from sfp_viz.cli.options.training import Make, training_options
from sfp_viz.cli.output.text import print_result, with_json
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
@click.option("--data", help="Images to train and test with; the network's own by default.")
@click.option("--run", "place", metavar="NAME_OR_DIR",
              help="The run's name in the workspace, or a folder for it.")  # fmt: skip
@click.option("--background", is_flag=True,
              help="Return at once; the run goes on by itself, or waits for its turn.")  # fmt: skip
@click.option("--where", type=click.Choice(["here", "cluster"]), default="here", show_default=True,
              help="On this machine, or on the Ray cluster of 'sfp-viz cluster'.")  # fmt: skip
@click.option("--epochs", default=_DEFAULT.epochs, show_default=True)
@training_options
@click.option("--seed", default=0, show_default=True)
@with_json
def finetune(
    net: str,
    teacher: str | None,
    data: str | None,
    place: str | None,
    background: bool,
    where: str,
    epochs: int,
    make: Make,
    seed: int,
    as_json: bool,
) -> None:
    """Train the pruned NET with the unpruned one as its teacher.

    The training works in a process and folder of its own; without --background its epochs are
    shown as they come, and Ctrl-C cancels it. A stopped run goes on with 'runs resume'. With
    --background it starts when its turn comes: 'runs queue' shows the line.
    """
    student = find_model(net)
    name = data_name(student, data)
    chosen = make(name, epochs=epochs, seed=seed)
    if teacher is None and chosen.alpha > 0:
        raise RunError("Name the unpruned network with --teacher NET, or train with --alpha 0.")
    path = _lay_out(student, teacher, name, place, chosen)
    start_training(path, background=background, where=where)
    if background:
        print_started(path, f"{place or path.name} --follow", as_json=as_json)
        return
    run = follow(path, quiet=as_json)
    if as_json:
        print_result(run_value(run), "", as_json=True)
    if run.state != "finished":
        raise RunError(run.message or f"The run is {run.state}.")


def _lay_out(
    student: Model, teacher: str | None, data: str, place: str | None, settings: Distillation
) -> Path:
    from sfp_viz.nets.evaluation.measure import count_macs, count_params
    from sfp_viz.nets.io.model_file import save_model

    folder = None
    if place:
        named = Path(place).name == place and place not in (".", "..")
        folder = home() / "runs" / place if named else Path(place).expanduser().absolute()
    plan = student.plans[-1] if student.plans else None
    known: dict[str, Any] = {"digest": plan.digest if plan else student.digest}
    with tempfile.TemporaryDirectory() as aside:
        files = [Path(aside) / "start.safetensors", Path(aside) / "teacher.safetensors"]
        save_model(student, files[0])
        if teacher is not None:
            master = find_model(teacher)
            save_model(master, files[1])
            known = {"digest": master.digest, "model": net_name(teacher, master.digest)}
            known["before"] = count_macs(master), count_params(master)
        facts = training_facts(
            **known,
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
