"""The command line: the acts of the app from a shell. Loads torch only where it must."""

from __future__ import annotations

from typing import Any

import click

import sfp_viz
from sfp_viz.cli import (
    cluster,
    comparing,
    control,
    cutting,
    kinds,
    looking,
    mirror,
    planning,
    run_table,
    running,
    sparsify,
    studying,
    training,
)
from sfp_viz.errors import SfpError


class _Commands(click.Group):
    """Shows an error of ours as one line, with exit status 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except SfpError as problem:
            raise click.ClickException(str(problem)) from problem

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)  # in the order of work, not of the alphabet


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(sfp_viz.__version__, prog_name="sfp-viz")
def main() -> None:
    """See which filters of a convolutional network are redundant, prune them for real, and
    fine-tune what is left.

    NET is a sample ('sfp-viz models' lists them), an imported network's digest, a file of weights
    (.safetensors, .pt, .pth), or an architecture by name (torchvision:resnet18, untrained).
    Each command takes --json. Numbers are computed (exact), or measured, and say which.
    """


for command in (
    running.app,
    looking.models,
    looking.data,
    looking.import_,
    planning.analyze,
    studying.observe,
    studying.sensitivity,
    studying.latency,
    planning.plan,
    studying.trust,
    comparing.compare,
    cutting.prune,
    cutting.measure,
    training.finetune,
    kinds.steps,
    kinds.sweep,
    sparsify.sparsify,
    cutting.export,
    control.runs,
    cluster.cluster,
    mirror.mirror,
    comparing.schema_command,
):
    main.add_command(command)
running.runs.add_command(run_table.table_command)
