"""The options that make a recipe, and the evidence of the workspace that it asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import click

from sfp_viz.cli.options.arguments import find_recipe
from sfp_viz.cli.options.group import Command, option_group
from sfp_viz.cli.output.text import time_text
from sfp_viz.core.evidence.evidence import Evidence, needs
from sfp_viz.core.plan.recipe import CHOICES, NAMED, Recipe
from sfp_viz.runs.folder import home
from sfp_viz.runs.results.evidence import FILES, Source, find_sources, read_evidence


def recipe_options(command: Command) -> Command:
    """Give a command the options that make a recipe; it gets the recipe as ``recipe``."""
    return option_group(command, _OPTIONS, "recipe", _recipe)


def _recipe(
    *,
    named: str | None,
    target: float | None,
    goal: str | None,
    allocation: str | None,
    settings: tuple[str, ...],
) -> Recipe:
    changes = {"target_reduction": target, "goal": goal, "allocation": allocation}
    return find_recipe(named, changes, settings)


_OPTIONS = (
    click.option("--target", type=float, help="Share of the goal to remove, 0 to 1."),
    click.option("--goal", type=click.Choice(CHOICES["goal"]), help="The cost to reduce."),
    click.option(
        "--allocation", type=click.Choice(CHOICES["allocation"]),
        help="What decides how many filters each group keeps.",
    ),
    click.option(
        "--recipe", "named", metavar="FILE|NAME",
        help="A recipe file, or one of: default (the best; needs 'observe'), "
        f"{', '.join(NAMED)}. [default: similarity, from weights alone]",
    ),
    click.option(
        "--set", "settings", multiple=True, metavar="KEY=VALUE",
        help="Change a setting of the recipe, such as gamma=1.5; repeatable.",
    ),
)  # fmt: skip


@dataclass(frozen=True)
class WorkspaceEvidence:
    """Evidence of the workspace, and where each part comes from."""

    evidence: Evidence
    sources: tuple[Source, ...] = ()

    @property
    def value(self) -> list[dict[str, Any]]:
        """The sources as JSON."""
        return [
            {"kind": s.kind, "run": s.run, "data": s.data, "images": s.images, "ended": s.ended}
            for s in self.sources
        ]

    @property
    def lines(self) -> list[tuple[str, str]]:
        """The sources as text: what, and measured when, on what."""
        lines = []
        for source in self.sources:
            on = f" on {source.images:,} images of {source.data}" if source.images else ""
            words = f"measured {time_text(source.ended)}{on}, run {source.run}"
            lines.append((FILES[source.kind][0], words))
        return lines


def workspace_evidence(recipe: Recipe, digest: str, *more: str) -> WorkspaceEvidence:
    """The evidence in the workspace that a recipe needs; those who need it report what is missing.

    Args:
        recipe: The recipe.
        digest: The weights that were measured.
        more: Names of further parts of Evidence.
    """
    required = {*needs(recipe), *more}
    if not required:
        return WorkspaceEvidence(Evidence())
    sources = tuple(s for s in find_sources(home(), digest) if FILES[s.kind][0] in required)
    return WorkspaceEvidence(read_evidence(sources), sources)
