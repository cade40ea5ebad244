"""Commands that prune and train: steps (in stages) and sweep (many combinations)."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import click

from sfp_viz.cli.commands.queue import check_finished, print_started, start_and_follow
from sfp_viz.cli.options.arguments import (
    data_name,
    find_model,
    find_network,
    find_recipe,
    net_name,
)
from sfp_viz.cli.options.edits import EditOptions, edit_options
from sfp_viz.cli.options.group import option_group
from sfp_viz.cli.options.recipe import recipe_options
from sfp_viz.cli.options.start import StartOptions, start_options
from sfp_viz.cli.options.training import TrainingOptions, training_options
from sfp_viz.cli.output.sweep import follow_sweep, print_hint, sweep_card, sweep_run_to_dict
from sfp_viz.cli.output.text import print_result
from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.cost.cost import cost
from sfp_viz.core.plan.recipe import DEFAULT, NAMED, Coupled, Recipe
from sfp_viz.core.plan.request import Request
from sfp_viz.core.plan.sweep import FLOORS, Sweep, comparable_recipe
from sfp_viz.core.selection.iterative import check_steps
from sfp_viz.core.selection.iterative_schedule import Growth, Steps
from sfp_viz.runs.create.steps import check_settings, create_steps
from sfp_viz.runs.create.sweep import create_sweep
from sfp_viz.runs.folder import home
from sfp_viz.runs.storage.facts import training_facts
from sfp_viz.runs.storage.steps import StepsRequest

_STEPS = Steps()


@dataclass(frozen=True)
class SweepOptions:
    """What a sweep combines, as the command line gives it."""

    targets: tuple[float, ...]
    recipes: tuple[str, ...]
    seeds: tuple[int, ...]
    no_floors: bool
    protect: tuple[str, ...]
    coupled: Coupled

    def sweep(self) -> Sweep:
        """The sweep. A recipe file is taken as it is, under the name of the file."""
        baselines = () if self.no_floors else FLOORS
        names = dict.fromkeys([*(self.recipes or ("similarity",)), *baselines])
        like = Recipe(coupled=self.coupled)
        recipes = tuple(
            (name, comparable_recipe(name, like))
            if name in NAMED
            else (Path(name).stem, find_recipe(name, {}))
            for name in (DEFAULT if name == "default" else name for name in names)
        )
        return Sweep(self.targets, recipes, self.seeds)


_STEPS_OPTIONS = (
    click.option("--stages", type=click.IntRange(1, 20), default=_STEPS.stages, show_default=True,
                 help="How often the network is pruned and trained."),
    click.option("--growth", type=click.Choice(get_args(Growth)), default=_STEPS.growth,
                 show_default=True,
                 help="What each stage removes. linear: the same share of the unpruned NET; "
                 "geometric: the same share of the current network; cubic: much at first, little "
                 "at the end."),
    click.option("--stage-epochs", "epochs", type=click.IntRange(1), default=_STEPS.epochs,
                 show_default=True, help="Epochs of each stage but the last."),
    click.option("--epochs", "last_epochs", type=click.IntRange(1), default=_STEPS.last_epochs,
                 show_default=True, help="Epochs of the last stage."),
)  # fmt: skip
_SWEEP_OPTIONS = (
    click.option("--target", "targets", multiple=True, type=float, default=Sweep().targets,
                 show_default=True, help="Share of the MACs to remove; repeatable."),
    click.option("--recipe", "recipes", multiple=True, metavar="FILE|NAME",
                 help="A recipe to try; repeatable. Names: default (the best; needs 'observe'), "
                 f"{', '.join(NAMED)}. [default: similarity]"),
    click.option("--seed", "seeds", multiple=True, type=int, default=(0,), show_default=True,
                 help="Seed of a training; repeatable. Two or more show the spread."),
    click.option("--no-floors", "--no-baselines", is_flag=True,
                 help="Leave out the baselines uniform_l1 and random."),
    click.option("--protect", multiple=True, metavar="GROUP",
                 help="Keep all filters of a group in every plan; repeatable."),
    click.option("--coupled", type=click.Choice(["protect", "shared", "pacesetter"]),
                 default=Recipe().coupled, show_default=True,
                 help="How named recipes treat layers that are tied by an addition."),
)  # fmt: skip


@click.command()
@click.argument("net")
@recipe_options
@lambda command: option_group(command, _STEPS_OPTIONS, "stages", Steps)
@edit_options()
@training_options()
@start_options("Return at once; the run is queued.")
def steps(
    net: str,
    recipe: Recipe,
    stages: Steps,
    edit_options: EditOptions,
    training: TrainingOptions,
    start: StartOptions,
) -> None:
    """Prune and fine-tune the unpruned NET in several stages.

    Each stage makes a new plan for the current network; the unpruned NET is the teacher of all
    stages. The target and the edits refer to the unpruned NET, and are met at the end.
    """
    network = find_network(net)
    edits = edit_options.edits(network)
    check_steps(Problem(network, Request(recipe, edits)), stages)
    images = data_name(network, training.data)
    settings = training.settings(images, epochs=stages.total)
    check_settings(settings)
    before = cost(network)
    facts = training_facts(
        digest=network.digest, model=net_name(net, network.digest), recipe=recipe, edits=edits,
        before=(before.macs, before.params),
    )  # fmt: skip
    request = StepsRequest(recipe, edits or None, stages)
    with _model_file(net) as file:
        path = create_steps(
            home(), model_file=file, order=request, settings=settings, data=images, facts=facts
        )
    start_and_follow(path, start)


@click.command()
@click.argument("net")
@lambda command: option_group(command, _SWEEP_OPTIONS, "grid", SweepOptions)
@click.option("--epochs", default=20, show_default=True, help="Epochs of each training.")
@training_options(processes=True, seed=False)
@start_options("Return before all runs are created.")
def sweep(
    net: str, grid: SweepOptions, epochs: int, training: TrainingOptions, start: StartOptions
) -> None:
    """Prune and fine-tune the unpruned NET many times.

    Every recipe is combined with every target and every seed.

    Every combination becomes a run of its own in the queue ('runs queue' shows it). 'runs show
    SWEEP' compares the recipes: mean and spread over the seeds.
    """
    from sfp_viz.runs import queue
    from sfp_viz.runs.launch import process

    network = find_network(net)
    EditOptions(protect=grid.protect).edits(network)  # an unknown group is reported here
    images = data_name(network, training.data)
    with _model_file(net) as file:
        path = create_sweep(
            home(), model_file=file, sweep=grid.sweep(),
            settings=training.settings(images, epochs=epochs), data=images, locks=grid.protect,
            facts={"model": net_name(net, network.digest)},
        )  # fmt: skip
    if start.where == "cluster":
        queue.enqueue(path, where="ray")
    else:
        process.launch(path)
    if start.background:
        print_started(path, path.name, as_json=start.as_json)
        return
    run = follow_sweep(path)
    print_result(sweep_run_to_dict(run), sweep_card(run), as_json=start.as_json)
    check_finished(run)
    print_hint(run)


@contextmanager
def _model_file(net: str) -> Iterator[Path]:
    """A file of NET, for as long as the block lasts."""
    from sfp_viz.nets.io.model_file import save_model

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.safetensors"
        save_model(find_model(net), file)
        yield file
