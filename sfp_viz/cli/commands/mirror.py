"""Commands about the mirror of runs in MLflow: mirror set, show, forget."""

from __future__ import annotations

from dataclasses import asdict

import click

from sfp_viz.cli.output.text import print_result, with_json
from sfp_viz.runs.folder import home
from sfp_viz.runs.mirror import settings


@click.group()
def mirror() -> None:
    """Trainings mirrored to MLflow: parameters, metrics, files. Off by default."""


@mirror.command("set")
@click.argument("uri")
@click.option("--experiment", default="sfp-viz", show_default=True)
@with_json
def set_command(uri: str, experiment: str, as_json: bool) -> None:
    """Mirror trainings to the tracking server at URI, from their next start on.

    URI is http://server:5000, or sqlite:////path/mlflow.db for a file, with the files of runs
    beside it. A mirror that fails does not affect the run; its log.txt says why.
    """
    chosen = settings.Mirroring(uri, experiment)
    settings.set_mirroring(home(), chosen)
    text = f"Trainings are mirrored to {chosen.shown.uri}, experiment '{experiment}'."
    missing = settings.missing_packages()
    if missing:
        text += f" This machine lacks what that needs: {missing}."
    print_result({**asdict(chosen.shown), "missing": missing}, text, as_json=as_json)


@mirror.command("show")
@with_json
def show_command(as_json: bool) -> None:
    """Where trainings of this workspace are mirrored; a password is not shown."""
    chosen = settings.read_mirroring(home())
    text = "Trainings are not mirrored. Turn it on: sfp-viz mirror set URI"
    if chosen:
        text = f"Trainings are mirrored to {chosen.shown.uri}, experiment '{chosen.experiment}'."
    print_result(asdict(chosen.shown) if chosen else None, text, as_json=as_json)


@mirror.command("forget")
@with_json
def forget_command(as_json: bool) -> None:
    """Stop mirroring; nothing is deleted from the server."""
    settings.set_mirroring(home(), None)
    given = settings.read_mirroring(home())
    text = "Trainings are no longer mirrored."
    if given:
        text = f"The settings name no server any longer, but {settings.VARIABLE} still does."
    print_result(asdict(given.shown) if given else None, text, as_json=as_json)
