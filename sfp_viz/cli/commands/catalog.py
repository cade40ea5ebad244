"""Commands about networks and data: list them, and import a network."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from sfp_viz.cli.output.text import print_result, table, with_json
from sfp_viz.runs.folder import home
from sfp_viz.text.numbers import size


@click.command()
@with_json
def models(as_json: bool) -> None:
    """List networks: samples and imported ones.

    Each is a NET for the other commands.
    """
    from sfp_viz.nets.io import model_store, samples

    networks = []
    for name in samples.sample_names():
        card = samples.sample_card(name)
        entry = {"net": name, "kind": "sample", "title": str(card.get("title", ""))}
        networks.append({**entry, "bytes": samples.sample_path(name).stat().st_size})
    for stored in model_store.stored_models(home()):
        entry = {"net": stored.digest, "kind": "imported", "title": stored.name}
        networks.append({**entry, "bytes": stored.size})
    rows = [(f["net"], f["kind"], f["title"], size(f["bytes"])) for f in networks]
    print_result(networks, table(("net", "kind", "title", "size"), rows), as_json=as_json)


@click.command()
@with_json
def data(as_json: bool) -> None:
    """List data sets, and which are on this machine."""
    from sfp_viz.nets.data.datasets import NAMES, available

    present = {name: available(name) for name in NAMES}
    rows = [(name, "yes" if is_here else "no") for name, is_here in present.items()]
    print_result(present, table(("data", "on this machine"), rows), as_json=as_json)


@click.command("import")
@click.argument("net")
@click.option(
    "--architecture", help="The architecture of a state dict, such as torchvision:resnet18."
)
@click.option("--argument", "arguments", multiple=True, metavar="KEY=VALUE",
              help="An argument of the architecture, such as num_classes=10.")  # fmt: skip
@click.option(
    "--input-shape", type=(int, int, int), help="Channels, height and width of its images."
)
@click.option("--input", "images", metavar="CxHxW", help="The same in one word, such as 3x32x32.")
@click.option("--weights", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="A state dict for a network of your own code.")  # fmt: skip
@with_json
def import_(
    net: str,
    architecture: str | None,
    arguments: tuple[str, ...],
    input_shape: tuple[int, int, int] | None,
    images: str | None,
    weights: Path | None,
    as_json: bool,
) -> None:
    """Copy NET into the workspace, and print its digest.

    Other commands take the digest as NET. NET may also be package.module:factory, a function or
    class of your own code that builds a network: it is run here, and torch.export writes down what
    it builds, so that the app opens it without the code.
    """
    import json

    from sfp_viz.nets.io.load import load_model
    from sfp_viz.nets.io.model_store import import_model
    from sfp_viz.nets.io.own_code import is_factory, model_from_factory

    values: dict[str, Any] = {}
    for word in arguments:
        key, _, text = word.partition("=")
        try:
            values[key] = json.loads(text)
        except ValueError:
            values[key] = text
    shape = _image_shape(images) if images else input_shape
    if is_factory(net) and not Path(net).is_file():
        if shape is None:
            raise click.UsageError("Say the size of its images: --input 3x32x32.")
        model = model_from_factory(net, weights=weights, input_shape=shape)
    elif weights:
        raise click.UsageError("--weights is for own code: sfp-viz import package.module:factory.")
    else:
        model = load_model(
            net, architecture=architecture, arguments=values or None, input_shape=shape
        )
    digest = import_model(home(), model)
    notes = list(model.arguments.get("program", {}).get("notes", ()))
    result = {"digest": digest, "name": model.name, "notes": notes}
    if not as_json:
        for note in notes:
            click.echo(note, err=True)
    print_result(result, digest, as_json=as_json)


def _image_shape(text: str) -> tuple[int, int, int]:
    """Channels, height and width out of '3x32x32'."""
    numbers = re.fullmatch(r"(\d{1,6})x(\d{1,6})x(\d{1,6})", text)
    if not numbers:
        raise click.UsageError(f"--input is channels, height and width (3x32x32), not {text}.")
    channels, height, width = (int(n) for n in numbers.groups())
    return channels, height, width
