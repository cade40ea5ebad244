"""The options of commands that start a run: in the background, and where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import click

from sfp_viz.cli.options.group import Command, option_group


@dataclass(frozen=True)
class StartOptions:
    """How a run is started.

    Attributes:
        background: Whether the command returns at once.
        where: 'here', or 'cluster' for the Ray cluster of the workspace.
        as_json: Whether the command prints JSON.
    """

    background: bool
    where: Literal["here", "cluster"]
    as_json: bool


def start_options(background_help: str) -> Command:
    """A decorator that adds --background, --where and --json; the command gets them as ``start``,
    a ``StartOptions``."""
    options = (
        click.option("--background", is_flag=True, help=background_help),
        click.option("--where", type=click.Choice(["here", "cluster"]), default="here",
                     show_default=True,
                     help="On this machine, or on the Ray cluster of 'sfp-viz cluster'."),
        click.option("--json", "as_json", is_flag=True, help="Print one JSON value instead."),
    )  # fmt: skip
    return lambda command: option_group(command, options, "start", StartOptions)
