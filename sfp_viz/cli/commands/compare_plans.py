"""Commands about files of plans: how two differ, and the JSON Schemas of the files."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from sfp_viz.cli.commands.plan import cost_table, cost_to_dict
from sfp_viz.cli.options.arguments import find_digest, find_network, read_plan
from sfp_viz.cli.output.text import print_result, table, with_json
from sfp_viz.core.plan.interchange import SCHEMAS, schema, schema_json
from sfp_viz.errors import PlanError
from sfp_viz.files import write_text

_FILE = click.Path(path_type=Path, dir_okay=False)
_SOME = 8  # filters that are named; the rest is counted


@click.command()
@click.argument("plan_a", type=_FILE)
@click.argument("plan_b", type=_FILE)
@click.option(
    "--model", "net", metavar="NET", help="The network, if it is neither a sample nor imported."
)
@with_json
def compare(plan_a: Path, plan_b: Path, net: str | None, as_json: bool) -> None:
    """Compare two plans of one network, and their computed costs."""
    from sfp_viz.core.comparison.plan_diff import differences

    a, b = read_plan(plan_a), read_plan(plan_b)
    if a.digest != b.digest:
        raise PlanError(
            f"{plan_a} was made for the weights {a.digest}, {plan_b} for {b.digest}. Only plans "
            "of the same weights can be compared."
        )
    diff = differences(a, b, find_network(net or find_digest(a.digest)))
    value: dict[str, Any] = {"same": not diff, "plans": [a.hash, b.hash]}
    value |= {key: entry for key, entry in asdict(diff).items() if not key.startswith("cost")}
    value["computed"] = {"a": cost_to_dict(diff.cost_a), "b": cost_to_dict(diff.cost_b)}
    if not diff:
        print_result(value, "The plans are the same.", as_json=as_json)
        return
    choices = [(c.what, c.group, _words(c.a), _words(c.b)) for c in (*diff.recipe, *diff.edits)]
    groups = [
        (g.group, g.size, g.kept_a, g.kept_b, _words(g.only_a), _words(g.only_b))
        for g in diff.groups
    ]
    tables = []
    if choices:
        tables.append(table(("setting", "group", "a", "b"), choices))
    if groups:
        heads = ("group", "filters", "kept in a", "in b", "only a removes", "only b removes")
        tables.append(table(heads, groups))
    tables.append(cost_table(diff.cost_a, diff.cost_b, heads=("a", "b")))
    print_result(value, "\n\n".join(tables), as_json=as_json)


@click.command("schema")
@click.argument("kind", type=click.Choice(list(SCHEMAS)))
@click.option("-o", "--output", type=_FILE, help="Write the schema to this file.")
@with_json
def schema_command(kind: str, output: Path | None, as_json: bool) -> None:
    """Print the JSON Schema of a recipe, edits or a plan.

    Draft 2020-12.
    """
    if output is not None:
        write_text(output, schema_json(kind))
    text = f"Written to {output}." if output else schema_json(kind).rstrip()
    print_result(schema(kind), text, as_json=as_json)


def _words(value: object) -> str:
    """A value of a recipe or an edit; of many filters the first few."""
    if value is None:
        return "-"
    if not isinstance(value, tuple):
        return f"{value:g}" if isinstance(value, float) else str(value)
    rest = f" and {len(value) - _SOME} more" if len(value) > _SOME else ""
    return ", ".join(str(item) for item in value[:_SOME]) + rest
