"""Commands that prune and train in one go: steps (in turns) and sweep (many of them)."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import click

from sfp_viz.cli.commands.queue import print_started, start_training
from sfp_viz.cli.commands.runs import follow, run_value
from sfp_viz.cli.options.arguments import data_name, find_edits, find_model, find_recipe, net_name
from sfp_viz.cli.options.recipe import recipe_options
from sfp_viz.cli.options.training import Make, options_of_one_process, training_options
from sfp_viz.cli.output.sweep import follow_sweep, print_hint, sweep_card, sweep_json
from sfp_viz.cli.output.text import print_result, with_json
from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.cost.cost import cost
from sfp_viz.core.plan.recipe import DEFAULT, NAMED, Recipe
from sfp_viz.core.plan.request import Request
from sfp_viz.core.plan.sweep import FLOORS, Sweep, fair
from sfp_viz.core.selection.iterative import check_steps
from sfp_viz.core.selection.iterative_schedule import Growth, Steps
from sfp_viz.errors import RunError
from sfp_viz.runs.create.steps import check_settings, create_steps
from sfp_viz.runs.create.sweep import create_sweep
from sfp_viz.runs.folder import home, read_run
from sfp_viz.runs.storage.facts import training_facts
from sfp_viz.runs.storage.records import Run
from sfp_viz.runs.storage.steps import StepsRequest

_FILE = click.Path(path_type=Path, dir_okay=False)
_STEPS = Steps()
_WHERE = click.option("--where", type=click.Choice(["here", "cluster"]), default="here",
                      show_default=True,
                      help="On this machine, or on the Ray cluster.")  # fmt: skip


@click.command()
@click.argument("net")
@recipe_options
@click.option("--stages", type=click.IntRange(1, 20), default=_STEPS.stages, show_default=True,
              help="How often it is pruned and trained.")  # fmt: skip
@click.option("--growth", type=click.Choice(get_args(Growth)), default=_STEPS.growth,
              show_default=True,
              help="The same share of the original each time, the same share of what is left, or "
              "much at first and little at the end.")  # fmt: skip
@click.option("--stage-epochs", type=click.IntRange(1), default=_STEPS.epochs, show_default=True,
              help="Epochs of each stage but the last.")  # fmt: skip
@click.option("--epochs", type=click.IntRange(1), default=_STEPS.last_epochs, show_default=True,
              help="Epochs of the last stage.")  # fmt: skip
@click.option("--edits", "edits_file", type=_FILE, help="Take the changes by hand in this file.")
@click.option("--protect", multiple=True, metavar="GROUP", help="Leave a group whole.")
@click.option("--data", help="Images to train and test with; the network's own by default.")
@options_of_one_process
@click.option("--seed", default=0, show_default=True, help="Draws the order of the images.")
@click.option("--background", is_flag=True, help="Return at once; it waits for its turn.")
@_WHERE
@with_json
def steps(
    net: str,
    recipe: Recipe,
    stages: int,
    growth: Growth,
    stage_epochs: int,
    epochs: int,
    edits_file: Path | None,
    protect: tuple[str, ...],
    data: str | None,
    make: Make,
    seed: int,
    background: bool,
    where: str,
    as_json: bool,
) -> None:
    """Prune the unpruned NET a little, fine-tune it, prune it further, and so on.

    Each stage plans anew on what the network has become; the unpruned NET teaches all of them.
    The target, locks and ratios by hand are of the original NET, and hold at the end.
    """
    from sfp_viz.cli.options.arguments import find_network

    network = find_network(net)
    edits = find_edits(network, edits_file, (), protect)
    order = StepsRequest(recipe, edits or None, Steps(stages, growth, stage_epochs, epochs))
    check_steps(Problem(network, Request(recipe, edits)), order.steps)
    images = data_name(network, data)
    settings = make(images, seed=seed, epochs=order.steps.total)
    check_settings(settings)
    before = cost(network)
    facts = training_facts(
        digest=network.digest, model=net_name(net, network.digest), recipe=recipe, edits=edits,
        before=(before.macs, before.params),
    )  # fmt: skip
    path = _with_file(net, lambda file: create_steps(
        home(), model_file=file, order=order, settings=settings, data=images, facts=facts,
    ))  # fmt: skip
    start_training(path, background=background, where=where)
    if background:
        print_started(path, path.name, as_json=as_json)
        return
    run = follow(path, quiet=as_json)
    if as_json:
        print_result(run_value(run), "", as_json=True)
    _check(run)


@click.command()
@click.argument("net")
@click.option("--target", "targets", multiple=True, type=float, default=Sweep().targets,
              show_default=True, help="Share of the MACs to remove; repeatable.")  # fmt: skip
@click.option("--recipe", "recipes", multiple=True, metavar="FILE|NAME",
              help="A recipe to try; repeatable. Names: default (the best; needs 'observe'), "
              f"{', '.join(NAMED)}. [without: similarity]")  # fmt: skip
@click.option("--seed", "seeds", multiple=True, type=int, default=(0,), show_default=True,
              help="Repeatable: with two or more the spread by chance is seen.")  # fmt: skip
@click.option("--no-floors", is_flag=True,
              help="Leave uniform_l1 and random out, which are tried along otherwise.")  # fmt: skip
@click.option("--protect", multiple=True, metavar="GROUP", help="Leave a group whole in all.")
@click.option("--coupled", type=click.Choice(["protect", "shared", "pacesetter"]),
              default=Recipe().coupled, show_default=True,
              help="What becomes of layers tied by an addition; of all named recipes.")  # fmt: skip
@click.option("--data", help="Images to train and test with; the network's own by default.")
@click.option("--epochs", default=20, show_default=True, help="Epochs of each training.")
@training_options
@click.option("--background", is_flag=True, help="Return before all is laid out.")
@_WHERE
@with_json
def sweep(
    net: str,
    targets: tuple[float, ...],
    recipes: tuple[str, ...],
    seeds: tuple[int, ...],
    no_floors: bool,
    protect: tuple[str, ...],
    coupled: Any,
    data: str | None,
    epochs: int,
    make: Make,
    background: bool,
    where: str,
    as_json: bool,
) -> None:
    """Prune the unpruned NET by several recipes to several targets, and fine-tune each.

    Every combination becomes a run of its own and waits for its turn ('runs queue' shows the
    line). 'runs show SWEEP' says what each recipe comes to: mean and spread over the seeds.
    """
    from sfp_viz.cli.options.arguments import find_network
    from sfp_viz.runs.launch import process

    network = find_network(net)
    find_edits(network, None, (), protect)  # an unknown group is told here
    names = list(dict.fromkeys([*(recipes or ("similarity",)), *(() if no_floors else FLOORS)]))
    asked = Sweep(tuple(targets), _recipes(names, coupled), tuple(seeds))
    images = data_name(network, data)
    path = _with_file(net, lambda file: create_sweep(
        home(), model_file=file, sweep=asked, settings=make(images, epochs=epochs), data=images,
        locks=protect, facts={"model": net_name(net, network.digest)},
    ))  # fmt: skip
    if where == "cluster":
        from sfp_viz.runs import queue

        queue.enqueue(path, where="ray")
    else:
        process.launch(path)
    if background:
        print_started(path, path.name, as_json=as_json)
        return
    run = follow_sweep(path)
    print_result(sweep_json(run), sweep_card(run), as_json=as_json)
    _check(run)
    print_hint(run)


def _recipes(names: Sequence[str], coupled: Any) -> tuple[tuple[str, Recipe], ...]:
    """Recipes by name or file; a file's is taken as it is, under the name of the file."""
    like = Recipe(coupled=coupled)
    names = [DEFAULT if n == "default" else n for n in names]
    return tuple(
        (n, fair(n, like)) if n in NAMED else (Path(n).stem, find_recipe(n, {})) for n in names
    )


def _with_file(net: str, lay_out: Any) -> Path:
    """The folder that ``lay_out`` makes of a file of NET."""
    from sfp_viz.nets.io.model_file import save_model

    with tempfile.TemporaryDirectory() as aside:
        file = Path(aside) / "model.safetensors"
        save_model(find_model(net), file)
        return lay_out(file)


def _check(run: Run) -> None:
    now = read_run(run.path)
    if now.state != "finished":
        again = f" Go on with it: sfp-viz runs resume {run.id}"
        raise RunError((now.message or f"The run is {now.state}.") + again)
