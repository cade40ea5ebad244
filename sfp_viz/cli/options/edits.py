"""The options that edit a plan by hand."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sfp_viz.cli.options.arguments import parse_counts, parse_ratios, read_text
from sfp_viz.cli.options.group import Command, option_group
from sfp_viz.core.network import Network
from sfp_viz.errors import PlanError

if TYPE_CHECKING:
    from sfp_viz.core.plan.edits import Edits

_FILE = click.Path(path_type=Path, dir_okay=False)


@dataclass(frozen=True)
class EditOptions:
    """Edits as the command line gives them.

    Attributes:
        file: A file of edits; the others change what it says.
        ratios: Shares of filters to remove, as GROUP=SHARE.
        protect: Groups that keep all filters.
        least: The fewest filters to keep, as GROUP=N.
        most: The most filters to keep, as GROUP=N.
    """

    file: Path | None = None
    ratios: tuple[str, ...] = ()
    protect: tuple[str, ...] = ()
    least: tuple[str, ...] = ()
    most: tuple[str, ...] = ()

    def edits(self, network: Network) -> Edits:
        """The edits for ``network``.

        Raises:
            PlanError: The file was made for other weights, or a group is unknown.
            RecipeError: A word is not GROUP=SHARE or GROUP=N.
        """
        from sfp_viz.core.plan.edits import Edits
        from sfp_viz.core.plan.interchange import edits_from_json

        edits = Edits(network.digest)
        if self.file:
            edits = edits_from_json(read_text(self.file, "file of edits"))
        if edits.digest != network.digest:
            raise PlanError(
                f"The edits in {self.file} were made for other weights ({edits.digest}, here "
                f"{network.digest}). Make them again for these."
            )
        for group, share in parse_ratios(self.ratios):
            network.group(group)
            edits = edits.with_ratio(group, share)
        for group, units in parse_counts(self.least):
            network.group(group)
            edits = edits.with_least(group, units)
        for group, units in parse_counts(self.most):
            network.group(group)
            edits = edits.with_most(group, units)
        for group in self.protect:
            network.group(group)
            edits = edits.with_protected(group, True)
        return edits


FILE = click.option("--edits", "file", type=_FILE, help="Start from the manual edits in this file.")
PROTECT = click.option(
    "--protect", multiple=True, metavar="GROUP", help="Keep all filters of a group; repeatable."
)
_WIDTHS = (
    click.option("--ratio", "ratios", multiple=True, metavar="GROUP=SHARE",
                 help="Prune this share of a group's filters; repeatable."),
    click.option("--least", multiple=True, metavar="GROUP=N",
                 help="Keep at least N filters of a group; repeatable."),
    click.option("--most", multiple=True, metavar="GROUP=N",
                 help="Keep at most N filters of a group; repeatable."),
)  # fmt: skip


def edit_options(*, widths: bool = False) -> Command:
    """A decorator that adds --edits and --protect, and with ``widths`` --ratio, --least and --most;
    the command gets them as ``edit_options``, an ``EditOptions``."""
    options = (FILE, *(_WIDTHS if widths else ()), PROTECT)
    return lambda command: option_group(command, options, "edit_options", EditOptions)
