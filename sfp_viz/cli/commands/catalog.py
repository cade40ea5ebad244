"""Commands that look around: the networks and data that are here, and import."""

from __future__ import annotations

from typing import Any

import click

from sfp_viz.cli.output.text import print_result, table, with_json
from sfp_viz.runs.folder import home
from sfp_viz.text.numbers import size


@click.command()
@with_json
def models(as_json: bool) -> None:
    """List the networks that a NET can name: samples and imported ones."""
    from sfp_viz.nets.io import model_store, samples

    found = []
    for name in samples.sample_names():
        card = samples.sample_card(name)
        entry = {"net": name, "kind": "sample", "title": str(card.get("title", ""))}
        found.append({**entry, "bytes": samples.sample_path(name).stat().st_size})
    for kept in model_store.stored_models(home()):
        entry = {"net": kept.digest, "kind": "imported", "title": kept.name}
        found.append({**entry, "bytes": kept.size})
    rows = [(f["net"], f["kind"], f["title"], size(f["bytes"])) for f in found]
    print_result(found, table(("net", "kind", "title", "size"), rows), as_json=as_json)


@click.command()
@with_json
def data(as_json: bool) -> None:
    """List the named data sets, and whether they are on this machine."""
    from sfp_viz.nets.data.datasets import NAMES, available

    found = {name: available(name) for name in NAMES}
    rows = [(name, "here" if there else "not here") for name, there in found.items()]
    print_result(found, table(("data", "on this machine"), rows), as_json=as_json)


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

    from sfp_viz.nets.io.load import load_model
    from sfp_viz.nets.io.model_store import import_model

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
    print_result({"digest": digest, "name": model.name}, digest, as_json=as_json)
