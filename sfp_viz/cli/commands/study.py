"""Commands that measure, each as a run of its own: observe, sensitivity, latency and trust.

Their results are used by later plans of the same network in the same workspace.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from sfp_viz.cli.options.arguments import data_name, find_model
from sfp_viz.cli.options.edits import EditOptions
from sfp_viz.cli.options.recipe import recipe_options
from sfp_viz.cli.output.study import follow_study, study_card, study_run_to_dict
from sfp_viz.cli.output.text import print_result, with_json
from sfp_viz.core.evidence.observations import SCORES
from sfp_viz.core.evidence.study import Study
from sfp_viz.errors import RunError
from sfp_viz.runs.folder import home

_FILE = click.Path(path_type=Path, dir_okay=False)
_COUNT = click.IntRange(1)


def _with_images(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of a study that measures accuracy."""
    options = (
        click.option("--data", help="Images to use; the network's own by default."),
        click.option("--images", type=_COUNT, help="Test with the first N only."),
        click.option("--calibration", type=click.IntRange(2), default=Study("trust").calibration,
                     show_default=True, help="Training images to re-estimate BatchNorm on."),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


_background = click.option("--background", is_flag=True, help="Return at once; the run continues.")


@click.command()
@click.argument("net")
@click.option("--data", help="Images to calibrate on; by default the network's own.")
@click.option("--images", "calibration", type=click.IntRange(2), default=1024, show_default=True,
              help="Number of training images, evenly spread.")  # fmt: skip
@click.option("--scores", multiple=True, type=click.Choice(SCORES),
              help="Also compute this score of filters; repeatable.")  # fmt: skip
@_background
@with_json
def observe(net: str, data: str | None, background: bool, as_json: bool, **settings: Any) -> None:
    """Calibrate on images: activation statistics of NET."""
    _study(net, Study("observe", **settings), data, background, as_json)


@click.command()
@click.argument("net")
@_with_images
@click.option("--at", "ratios", multiple=True, type=float, default=Study("sensitivity").ratios,
              show_default=True, help="Prune this share of each group; repeatable.")  # fmt: skip
@recipe_options
@_background
@with_json
def sensitivity(
    net: str, data: str | None, background: bool, as_json: bool, **settings: Any
) -> None:
    """Measure the accuracy lost by pruning single groups.

    The recipe says which filters are pruned and how the loss is compensated; its target is not
    used.
    """
    _study(net, Study("sensitivity", **settings), data, background, as_json)


@click.command()
@click.argument("net")
@_with_images
@click.option("--count", type=click.IntRange(3), default=Study("trust").count, show_default=True,
              help="Number of plans to sample around the suggestion.")  # fmt: skip
@click.option("--seed", default=0, show_default=True, help="Seed of the sample.")
@click.option("--edits", "edits_file", type=_FILE, help="Start from the edits in this file.")
@recipe_options
@_background
@with_json
def trust(
    net: str,
    data: str | None,
    edits_file: Path | None,
    background: bool,
    as_json: bool,
    **settings: Any,
) -> None:
    """Test the suggestion for NET against sampled plans.

    Is it better than uniform pruning, and do the predictions rank plans as their measured accuracy
    does?
    """
    from sfp_viz.cli.options.arguments import find_network

    edits = EditOptions(edits_file).edits(find_network(net)) if edits_file else None
    _study(net, Study("trust", edits=edits, **settings), data, background, as_json)


@click.command()
@click.argument("net")
@click.option(
    "--batch",
    "--batch-size",
    type=_COUNT,
    default=1,
    show_default=True,
    help="Images per forward pass.",
)
@click.option("--repeats", type=click.IntRange(2), default=Study("latency").repeats,
              show_default=True, help="Timings of each width.")  # fmt: skip
@_background
@with_json
def latency(net: str, background: bool, as_json: bool, **settings: Any) -> None:
    """Time the layers of NET on this machine.

    Each layer is timed at several widths, to estimate the latency of any plan.
    """
    _study(net, Study("latency", **settings), "", background, as_json)


def _study(net: str, study: Study, data: str | None, background: bool, as_json: bool) -> None:
    from sfp_viz.nets.io.model_file import save_model
    from sfp_viz.runs.create.study import create_study
    from sfp_viz.runs.launch.process import launch

    model = find_model(net)
    with tempfile.TemporaryDirectory() as aside:
        file = Path(aside) / "model.safetensors"
        save_model(model, file)
        path = create_study(
            home(),
            kind=study.kind,
            model_file=file,
            recipe=study.recipe,
            data="" if study.kind == "latency" else data_name(model, data),
            settings=study,
            edits=study.edits,
        )
    launch(path)
    if background:
        value = {"run": path.name, "path": str(path)}
        text = f"Run {path.name} started. Follow it: sfp-viz runs show {path.name} --follow"
        print_result(value, text, as_json=as_json)
        return
    run = follow_study(path)
    if run.state != "finished":
        again = f" Resume it: sfp-viz runs resume {path.name}"
        raise RunError((run.message or f"The run is {run.state}.") + again)
    print_result(study_run_to_dict(run), study_card(run), as_json=as_json)
