"""Commands that look and compute, and cut nothing: models, data, import, analyze, plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from sfp_viz.cli.find import find_network, find_recipe, shares
from sfp_viz.cli.text import facts, say, table, with_json
from sfp_viz.core.cost import Cost, cost, cost_of_widths, kept_units
from sfp_viz.core.network import Network
from sfp_viz.core.recipe import NAMED
from sfp_viz.errors import PlanError
from sfp_viz.figures.numbers import change, count, percent, size
from sfp_viz.runs.files import write_whole
from sfp_viz.runs.folder import home

_FILE = click.Path(path_type=Path, dir_okay=False)


def recipe_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that make a recipe."""
    options = (
        click.option("--target", type=float, help="Share of MACs to remove, 0 to 1."),
        click.option("--recipe", "recipe_file", type=_FILE, help="Take the recipe in this file."),
        click.option("--named", type=click.Choice(list(NAMED)), help="Take a recipe by its name."),
        click.option(
            "--set", "settings", multiple=True, metavar="KEY=VALUE",
            help="Change a setting of the recipe, such as gamma=1.5; may be repeated.",
        ),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


@click.command()
@with_json
def models(as_json: bool) -> None:
    """List the networks that a NET can name: samples and imported ones."""
    from sfp_viz.nets import samples, store

    found = []
    for name in samples.sample_names():
        card = samples.sample_card(name)
        entry = {"net": name, "kind": "sample", "title": str(card.get("title", ""))}
        found.append({**entry, "bytes": samples.sample_path(name).stat().st_size})
    for kept in store.stored_models(home()):
        entry = {"net": kept.digest, "kind": "imported", "title": kept.name}
        found.append({**entry, "bytes": kept.size})
    rows = [(f["net"], f["kind"], f["title"], size(f["bytes"])) for f in found]
    say(found, table(("net", "kind", "title", "size"), rows), as_json=as_json)


@click.command()
@with_json
def data(as_json: bool) -> None:
    """List the named data sets, and whether they are on this machine."""
    from sfp_viz.nets.data import NAMES, available

    found = {name: available(name) for name in NAMES}
    rows = [(name, "here" if there else "not here") for name, there in found.items()]
    say(found, table(("data", "on this machine"), rows), as_json=as_json)


@click.command("import")
@click.argument("net")
@click.option("--architecture", help="What a state dict belongs to, such as torchvision:resnet18.")
@click.option("--argument", "arguments", multiple=True, metavar="KEY=VALUE",
              help="An argument of the architecture, such as num_classes=10.")  # fmt: skip
@click.option("--input-shape", type=(int, int, int), help="Channels, height and width of images.")
@with_json
def import_(
    net: str,
    architecture: str | None,
    arguments: tuple[str, ...],
    input_shape: tuple[int, int, int] | None,
    as_json: bool,
) -> None:
    """Keep a copy of NET in the workspace, and print the digest that names it from now on."""
    import json

    from sfp_viz.nets.open import load_model
    from sfp_viz.nets.store import import_model

    given: dict[str, Any] = {}
    for word in arguments:
        key, _, text = word.partition("=")
        try:
            given[key] = json.loads(text)
        except ValueError:
            given[key] = text
    model = load_model(
        net, architecture=architecture, arguments=given or None, input_shape=input_shape
    )
    digest = import_model(home(), model)
    say({"digest": digest, "name": model.name}, digest, as_json=as_json)


@click.command()
@click.argument("net")
@recipe_options
@click.option("--why", is_flag=True, help="Add the reason for each suggestion.")
@with_json
def analyze(
    net: str,
    target: float | None,
    recipe_file: Path | None,
    named: str | None,
    settings: tuple[str, ...],
    why: bool,
    as_json: bool,
) -> None:
    """Kernel Dispersion of each group of NET, and the filters it could lose (computed)."""
    from sfp_viz.core.analysis import dispersions
    from sfp_viz.core.ratios import suggest, why_ratio

    network = find_network(net)
    recipe = find_recipe(recipe_file, named, target, settings)
    spread = dispersions(network, recipe)
    note, kept = "", kept_units(network, None)
    try:
        kept = suggest(network, spread, recipe)
    except PlanError as problem:
        note = str(problem)
    reasons = {
        g.name: why_ratio(network, g.name, spread.get(g.name, 1.0), kept[g.name], recipe)
        for g in network.groups
    }
    before, after = cost(network), cost_of_widths(network, kept)
    groups = [
        {
            "group": g.name,
            "layers": list(g.layers),
            "filters": g.size,
            "kept": kept[g.name],
            "ratio": round(1 - kept[g.name] / g.size, 6),
            "dispersion": spread.get(g.name),
            "protected": g.protected,
            "why": reasons[g.name],
        }
        for g in network.groups
    ]
    value = {**_head(network), "target": recipe.target_reduction, "groups": groups, "note": note}
    value |= {"computed": {"before": _cost(before), "after": _cost(after)}}
    text = f"{_title(network)}\n\n{_group_table(network, spread, kept)}\n"
    if why:
        text += "\n" + facts((name, reason) for name, reason in reasons.items()) + "\n"
    text += f"\n{note}" if note else f"\n{_cost_table(before, after)}"
    say(value, text, as_json=as_json)


@click.command()
@click.argument("net")
@recipe_options
@click.option("--ratio", "ratios", multiple=True, metavar="GROUP=SHARE",
              help="Remove this share of a group's filters; may be repeated.")  # fmt: skip
@click.option("--protect", multiple=True, metavar="GROUP", help="Leave a group whole.")
@click.option("-o", "--output", type=_FILE, help="Write the plan to this file.")
@with_json
def plan(
    net: str,
    target: float | None,
    recipe_file: Path | None,
    named: str | None,
    settings: tuple[str, ...],
    ratios: tuple[str, ...],
    protect: tuple[str, ...],
    output: Path | None,
    as_json: bool,
) -> None:
    """Choose the exact filters of NET that go, and compute what is left."""
    from sfp_viz.core.edits import Edits
    from sfp_viz.core.making import make_plan_for
    from sfp_viz.core.plan import plan_json

    network = find_network(net)
    recipe = find_recipe(recipe_file, named, target, settings)
    edits = Edits(network.digest, ratios=shares(ratios), protected=protect)
    for group in (*dict(edits.ratios), *edits.protected):
        network.group(group)
    made = make_plan_for(network, recipe, edits)
    before, after = cost(network), cost(network, made)
    if output is not None:
        try:
            output.parent.mkdir(parents=True, exist_ok=True)
            write_whole(output, plan_json(made))
        except OSError as problem:
            raise PlanError(f"The plan cannot be written to {output}: {problem}.") from problem
    removed = {r.group: list(r.filters) for r in made.removals}
    value = {**_head(network), "plan": made.hash, "removed": removed}
    value |= {"computed": {"before": _cost(before), "after": _cost(after)}}
    value |= {"file": str(output) if output else None}
    kept = kept_units(network, made)
    text = f"{_title(network)}, plan {made.hash}\n\n{_group_table(network, {}, kept)}\n"
    text += f"\n{_cost_table(before, after)}"
    if output is not None:
        text += f"\n\nWritten to {output}. Next: sfp-viz prune {output} -o slim.safetensors"
    say(value, text, as_json=as_json)


def _head(network: Network) -> dict[str, Any]:
    return {"network": network.name, "digest": network.digest}


def _title(network: Network) -> str:
    shape = " x ".join(str(n) for n in network.input_shape)
    return f"{network.name} ({network.digest}), images {shape}"


def _cost(value: Cost) -> dict[str, int]:
    return {
        "macs": value.macs,
        "params": value.params,
        "peak_activation_bytes": value.peak_activation_bytes,
    }


def _cost_table(before: Cost, after: Cost) -> str:
    rows = [
        (name, count(old), count(new), change(old, new), f"{old:,}", f"{new:,}")
        for name, old, new in (
            ("MACs", before.macs, after.macs),
            ("params", before.params, after.params),
        )
    ]
    return table(("computed", "before", "after", "change", "exactly before", "after"), rows)


def _group_table(network: Network, spread: Mapping[str, float], kept: Mapping[str, int]) -> str:
    rows = []
    for group in network.groups:
        left = kept[group.name]
        ratio = percent(1 - left / group.size) if left < group.size else ""
        dispersion = f"{spread[group.name]:.3f}" if group.name in spread else ""
        state = "protected" if group.protected else ""
        rows.append((group.name, len(group.layers), group.size, dispersion, left, ratio, state))
    heads = ["group", "layers", "filters", "dispersion", "kept", "removed", ""]
    if not spread:
        heads.pop(3)
        rows = [(*row[:3], *row[4:]) for row in rows]
    return table(heads, rows)
