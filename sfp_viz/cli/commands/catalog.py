"""Commands about networks and data: list them, and import a network."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sfp_viz.cli.output.source import source_lines
from sfp_viz.cli.output.text import print_result, table, with_json
from sfp_viz.errors import ModelError
from sfp_viz.runs.folder import home
from sfp_viz.text.numbers import size

if TYPE_CHECKING:
    from sfp_viz.nets.model import Model


@click.group(invoke_without_command=True)
@with_json
@click.pass_context
def models(context: click.Context, as_json: bool) -> None:
    """List networks: samples and imported ones.

    Each is a NET for the other commands. Imported ones can be renamed and deleted.
    """
    if context.invoked_subcommand:
        return
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


@models.command("find")
@click.argument("part", nargs=-1)
@click.option("--most", default=30, show_default=True, help="How many to list.")
@with_json
def find(part: tuple[str, ...], most: int, as_json: bool) -> None:
    """List networks of torchvision and timm with PART in their names, and what is stated of them.

    Each opens untrained by its name; 'sfp-viz import NAME --pretrained' fetches trained weights.
    """
    from dataclasses import asdict

    from sfp_viz.nets.zoo.names import find_named, named_networks
    from sfp_viz.text.named_networks import row

    networks = find_named(" ".join(part), named_networks(home()))
    heads = ("net", "task", "params", "images", "published", "weights")
    text = table(heads, [row(network) for network in networks[:most]]) if networks else ""
    if not networks:
        text = f"No network of torchvision or timm has '{' '.join(part)}' in its name."
    elif len(networks) > most:
        text += f"\n{len(networks) - most:,} more: give a longer part of the name, or --most."
    print_result([asdict(network) for network in networks[:most]], text, as_json=as_json)


@models.command()
@click.argument("digest")
@click.argument("name")
@with_json
def rename(digest: str, name: str, as_json: bool) -> None:
    """Give the imported network DIGEST another NAME."""
    from sfp_viz.nets.io.model_store import change_stored

    if not name.strip():
        raise click.BadParameter("A network needs a name.")
    name = name.strip()[:200]
    change_stored(home(), digest, name=name)
    result = {"digest": digest, "name": name}
    print_result(result, f"{digest} is now called '{name}'.", as_json=as_json)


@models.command()
@click.argument("digest")
@with_json
def delete(digest: str, as_json: bool) -> None:
    """Delete the imported network DIGEST; runs that began with it keep their own copy."""
    from sfp_viz.nets.io.model_store import delete_stored

    delete_stored(home(), digest)
    print_result({"digest": digest}, f"Deleted {digest}.", as_json=as_json)


@click.command()
@click.argument("net")
@click.option("--data", help="Labeled test images: a name, an .npz file or a folder.")
@click.option("--limit", default=400, show_default=True, help="How many images to measure.")
@click.option("--set", "chosen", metavar="NAME|MEAN/STD", help="Use this one from now on.")
@click.option("--apply", is_flag=True, help="Use the best one from now on, if it is better.")
@with_json
def preprocessing(
    net: str, data: str | None, limit: int, chosen: str | None, apply: bool, as_json: bool
) -> None:
    """Measure NET with each usual preprocessing, and set it.

    NET is imported for this where it is a file. Figures are measured on test images.
    """
    from sfp_viz.cli.options.arguments import data_name, find_model
    from sfp_viz.nets.data.datasets import load_data
    from sfp_viz.nets.evaluation.preprocessing_check import check_preprocessing
    from sfp_viz.nets.io.model_store import import_model
    from sfp_viz.nets.zoo.preprocessing import preprocessing_named
    from sfp_viz.text.preprocessing import check_rows, check_summary

    model = find_model(net)
    if chosen:
        values = preprocessing_named(chosen, model.input_shape[0])
        check = None
    else:
        images = load_data(data_name(model, data), "test")
        check = check_preprocessing(model, images, limit=limit)
        kept = check.best if check.is_better else check.current
        values = kept.mean, kept.std
    digest = ""
    if chosen or apply:
        source = replace(model.source, known=True)
        digest = import_model(home(), replace(model, mean=values[0], std=values[1], source=source))
    result = {"digest": digest, "mean": values[0], "std": values[1]}
    if check is None:
        print_result(result, f"Set for {digest}.", as_json=as_json)
        return
    result["measured"] = [
        {"name": entry.name, "accuracy": entry.accuracy, "images": entry.measured.images}
        for entry in (check.current, *check.others)
    ]
    lines = [table(("preprocessing", "accuracy", "95 % interval", "images"), check_rows(check))]
    lines.append(check_summary(check))
    if digest:
        lines.append(f"Set for {digest}.")
    elif check.is_better:
        lines.append(f"To use it: sfp-viz preprocessing {net} --data {data or model.data} --apply")
    print_result(result, "\n".join(lines), as_json=as_json)


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
@click.option("--preprocessing", metavar="NAME|MEAN/STD",
              help="raw, half, cifar10, imagenet ..., or numbers such as 0.5/0.5.")  # fmt: skip
@click.option("--pretrained", is_flag=False, flag_value="default", metavar="[WEIGHTS]",
              help="With trained weights of torchvision or timm, which are downloaded: the "
              "library's default, or the set called WEIGHTS ('sfp-viz models find').")  # fmt: skip
@click.option("--name", help="What to call it; its file's name when left out.")
@with_json
def import_(
    net: str,
    architecture: str | None,
    arguments: tuple[str, ...],
    input_shape: tuple[int, int, int] | None,
    images: str | None,
    weights: Path | None,
    preprocessing: str | None,
    pretrained: str | None,
    name: str | None,
    as_json: bool,
) -> None:
    """Copy NET into the workspace, and print its digest.

    Other commands take the digest as NET. NET may also be package.module:factory, a function or
    class of your own code that builds a network: it is run here, and torch.export writes down what
    it builds, so that the app opens it without the code.

    Importing the same weights again replaces their name,
    image size, preprocessing and architecture. Weights whose architecture is unknown, and ONNX
    files, are imported for exploring alone.
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
    if pretrained:
        if architecture or arguments or weights or shape or preprocessing:
            raise click.UsageError("--pretrained says itself what the network needs.")
        model = _pretrained(net, pretrained)
    elif is_factory(net) and not Path(net).is_file():
        if shape is None:
            raise click.UsageError("Say the size of its images: --input 3x32x32.")
        model = model_from_factory(net, weights=weights, input_shape=shape)
    elif weights:
        raise click.UsageError("--weights is for own code: sfp-viz import package.module:factory.")
    else:
        model = load_model(
            net,
            architecture=architecture,
            arguments=values or None,
            input_shape=shape,
            preprocessing=preprocessing,
            explore=True,
        )
    model = replace(model, name=name or model.name)
    digest = import_model(home(), model)
    notes = list(model.arguments.get("program", {}).get("notes", ()))
    result = {
        "digest": digest,
        "name": model.name,
        "architecture": model.architecture,
        "notes": notes,
        "keys": dict(model.source.keys),
        "left_out": list(model.source.left_out),
        "assumptions": list(model.source.assumptions),
        "nearest": model.source.nearest,
        "differences": dict(model.source.differences),
    }
    if not as_json:
        for line in (*notes, *source_lines(model.source)):
            click.echo(line, err=True)
    print_result(result, digest, as_json=as_json)


def _pretrained(name: str, weights: str) -> Model:
    """A network of torchvision or timm with trained weights; the download goes to stderr."""
    from sfp_viz.nets.io.pretrained import load_pretrained
    from sfp_viz.nets.zoo.names import named_networks

    network = next((n for n in named_networks(home()) if n.name == name), None)
    if network is None:
        raise ModelError(
            f"torchvision and timm have no network called '{name}'. 'sfp-viz models find PART' "
            "lists them with their full names."
        )
    if not network.weights:
        raise ModelError(f"There are no trained weights of '{name}'; it opens untrained.")
    sets = {entry.name: entry for entry in network.weights}
    if weights != "default" and weights not in sets:
        raise ModelError(f"'{name}' has no weights '{weights}'. It has {', '.join(sets)}.")
    shown = -1

    def progress(file: str, share: float) -> None:
        nonlocal shown
        if int(10 * share) > shown:
            shown = int(10 * share)
            click.echo(f"Downloading {file}: {share:.0%}", err=True)

    return load_pretrained(network, sets.get(weights, network.weights[0]), progress=progress)


def _image_shape(text: str) -> tuple[int, int, int]:
    """Channels, height and width out of '3x32x32'."""
    numbers = re.fullmatch(r"(\d{1,6})x(\d{1,6})x(\d{1,6})", text)
    if not numbers:
        raise click.UsageError(f"--input is channels, height and width (3x32x32), not {text}.")
    channels, height, width = (int(n) for n in numbers.groups())
    return channels, height, width
