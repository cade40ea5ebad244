"""The command line: what the app does, from a shell. Loads torch only where it must."""

from __future__ import annotations

from typing import Any

import click

import sfp_viz
from sfp_viz.cli.commands import (
    catalog,
    cluster,
    compare_plans,
    finetune,
    mirror,
    plan,
    prune,
    run_control,
    run_table,
    runs,
    sparsify,
    steps_and_sweep,
    study,
)
from sfp_viz.errors import SfpError


class _Commands(click.Group):
    """Shows an error of ours as one line, with exit status 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except SfpError as problem:
            from sfp_viz.text.plan.feasibility import error_text

            raise click.ClickException(error_text(problem)) from problem

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)  # in the order of work, not of the alphabet


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(sfp_viz.__version__, prog_name="sfp-viz")
def main() -> None:
    """Find redundant filters of a convolutional network, prune them, and fine-tune the network.

    NET is the name of a sample ('sfp-viz models' lists them), the digest of an imported network,
    a file of weights (.safetensors, .pt, .pth), or the name of an architecture
    (torchvision:resnet18, untrained). Every command but 'app' takes --json. Each number is labeled
    as computed (exact), measured or estimated.
    """


for command in (
    runs.app,
    catalog.models,
    catalog.data,
    catalog.import_,
    catalog.preprocessing,
    plan.analyze,
    study.observe,
    study.sensitivity,
    study.latency,
    plan.plan,
    study.trust,
    compare_plans.compare,
    prune.prune,
    prune.measure,
    finetune.finetune,
    steps_and_sweep.steps,
    steps_and_sweep.sweep,
    sparsify.sparsify,
    prune.export,
    run_control.runs,
    cluster.cluster,
    mirror.mirror,
    compare_plans.schema_command,
):
    main.add_command(command)
runs.runs.add_command(run_table.table_command)
