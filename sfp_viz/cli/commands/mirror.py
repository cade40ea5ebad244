"""Commands about the mirror of runs in MLflow: mirror set, show, forget."""

from __future__ import annotations

from dataclasses import asdict

import click

from sfp_viz.cli.output.text import print_result, with_json
from sfp_viz.runs.folder import home
from sfp_viz.runs.mirror import settings


@click.group()
def mirror() -> None:
    """Mirror trainings to MLflow: parameters, metrics, files.

    Off by default.
    """


@mirror.command("set")
@click.argument("uri")
@click.option("--experiment", default="sfp-viz", show_default=True, help="Name of the experiment.")
@with_json
def set_command(uri: str, experiment: str, as_json: bool) -> None:
    """Mirror trainings that start from now on to URI.

    URI is a tracking server, http://server:5000, or a file, sqlite:////path/mlflow.db, with the
    artifacts beside it. A mirror that fails does not affect the run; its log.txt says why.
    """
    new_mirroring = settings.Mirroring(uri, experiment)
    settings.set_mirroring(home(), new_mirroring)
    text = f"Trainings are mirrored to {new_mirroring.shown.uri}, experiment '{experiment}'."
    missing = settings.missing_packages()
    if missing:
        text += f" This machine lacks the packages: {missing}."
    print_result({**asdict(new_mirroring.shown), "missing": missing}, text, as_json=as_json)


@mirror.command("show")
@with_json
def show_command(as_json: bool) -> None:
    """Show where trainings are mirrored, without passwords."""
    current = settings.read_mirroring(home())
    text = "Trainings are not mirrored. Turn it on: sfp-viz mirror set URI"
    if current:
        text = f"Trainings are mirrored to {current.shown.uri}, experiment '{current.experiment}'."
    print_result(asdict(current.shown) if current else None, text, as_json=as_json)


@mirror.command("forget")
@with_json
def forget_command(as_json: bool) -> None:
    """Stop mirroring; nothing is deleted from the server."""
    settings.set_mirroring(home(), None)
    remaining = settings.read_mirroring(home())
    text = "Trainings are no longer mirrored."
    if remaining:
        text = f"The server was removed from the settings, but {settings.VARIABLE} still sets one."
    print_result(asdict(remaining.shown) if remaining else None, text, as_json=as_json)
