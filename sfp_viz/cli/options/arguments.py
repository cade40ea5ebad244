"""What the command line's words mean: NET, recipes, edits and settings KEY=VALUE."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sfp_viz.core.network import Network
from sfp_viz.core.plan.recipe import DEFAULT, NAMED, Recipe
from sfp_viz.errors import DataError, ModelError, PlanError, RecipeError
from sfp_viz.runs.folder import home

if TYPE_CHECKING:
    from sfp_viz.core.plan.plan import Plan
    from sfp_viz.nets.model import Model


def find_network(name: str) -> Network:
    """The reading of NET; samples and imported networks need no torch."""
    from sfp_viz.nets.io import model_store as store
    from sfp_viz.nets.io import samples

    if name in samples.sample_names():
        return samples.sample_network(name)
    if _is_stored(name):
        return store.stored_network(home(), name)
    from sfp_viz.nets.tracing.read_network import read_network

    return read_network(find_model(name))


def net_name(name: str, digest: str) -> str:
    """What runs note a NET as: the name of a sample, else its digest, since a file may be gone
    later.

    Args:
        name: NET.
        digest: Its weights.
    """
    from sfp_viz.nets.io.samples import sample_names

    return name if name in sample_names() else digest


def find_model(name: str) -> Model:
    """NET itself."""
    from sfp_viz.nets.io import model_store as store
    from sfp_viz.nets.io.load import load_model

    return store.load_stored(home(), name) if _is_stored(name) else load_model(name)


def find_digest(digest: str, folder: Path | None = None) -> str:
    """The sample or imported network with these weights, or one of our files of them, as a NET.

    Args:
        digest: The weights.
        folder: Where to look for files; None looks for none.

    Raises:
        ModelError: There is none.
    """
    from sfp_viz.nets.io import samples

    for name in samples.sample_names():
        if samples.sample_card(name).get("reading", {}).get("digest") == digest:
            return name
    if _is_stored(digest):
        return digest
    for file in sorted(folder.glob("*.safetensors")) if folder else ():
        if _is_saved(file, digest):
            return str(file)
    raise ModelError(
        f"The plan was made for the weights {digest}, which are neither a sample nor imported. "
        "Name the network with --model NET."
    )


def data_name(model: Model | Network, data: str | None) -> str:
    """The chosen images, or the network's own.

    Args:
        model: The network.
        data: The images, by name or path; None for the network's own.

    Raises:
        DataError: The network has none of its own.
    """
    if not (data or model.data):
        raise DataError(
            f"The network '{model.name}' has no data of its own. Choose some with --data NAME."
        )
    return data or model.data


def _is_saved(file: Path, digest: str) -> bool:
    """Whether a file holds a network that we saved, with these weights."""
    from sfp_viz.nets.io.model_file import load_saved, read_header

    try:
        return bool(read_header(file)) and load_saved(file).digest == digest
    except ModelError:
        return False


def _is_stored(name: str) -> bool:
    is_digest = re.fullmatch(r"[0-9a-f]{16}", name)
    return bool(is_digest) and (home() / "models" / name).is_dir()


def find_recipe(named: str | None, changes: dict[str, Any], settings: Sequence[str] = ()) -> Recipe:
    """A recipe from the command line.

    Args:
        named: A named recipe ('default' is the one that did best in our benchmark), or a file; None
            for 'similarity'.
        changes: Values of fields; None changes nothing.
        settings: More changes as KEY=VALUE, which come last.

    Raises:
        RecipeError: The file cannot be read, or a setting makes no sense.
    """
    from sfp_viz.core.plan.plan import recipe_from_json

    named = DEFAULT if named == "default" else named
    if named is None or named in NAMED:
        recipe = NAMED[named or "similarity"]()
    else:
        what = f"recipe; named ones are default, {', '.join(NAMED)}"
        recipe = recipe_from_json(read_text(Path(named), what))
    recipe = replace(recipe, **{key: value for key, value in changes.items() if value is not None})
    defaults = {f.name: getattr(recipe, f.name) for f in fields(Recipe)}
    return replace(recipe, **dict(parse_setting(word, defaults) for word in settings))


def read_plan(file: Path) -> Plan:
    """The plan in ``file``."""
    from sfp_viz.core.plan.plan import plan_from_json

    return plan_from_json(read_text(file, "plan"))


def read_text(file: Path, what: str) -> str:
    """The text of a file.

    Args:
        file: The file.
        what: What it should be, for the message: 'plan', 'recipe' ...

    Raises:
        RecipeError, PlanError: It cannot be read.
    """
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError) as problem:
        kind = RecipeError if what.startswith("recipe") else PlanError
        raise kind(f"{file} cannot be read as a {what}: {problem}.") from problem


_KINDS = {int: "whole number", float: "number"}


def parse_setting(word: str, defaults: dict[str, Any]) -> tuple[str, Any]:
    """KEY=VALUE as a pair.

    Args:
        word: The setting.
        defaults: The known keys, and a value of the type that each takes.

    Raises:
        RecipeError: The key is unknown, or the value has another type.
    """
    key, equals, text = word.partition("=")
    if not equals or key not in defaults:
        raise RecipeError(
            f"'{word}' is not a setting. Write KEY=VALUE; keys: {', '.join(defaults)}."
        )
    kind = type(defaults[key])
    try:
        return key, kind(text)
    except ValueError as problem:
        raise RecipeError(f"{key} is a {_KINDS[kind]}, not '{text}'.") from problem


def parse_ratios(words: Sequence[str]) -> tuple[tuple[str, float], ...]:
    """GROUP=SHARE as pairs."""
    ratios = []
    for word in words:
        group, _, share = word.rpartition("=")
        try:
            ratios.append((group, float(share)))
        except ValueError:
            group = ""
        if not group:
            raise RecipeError(f"'{word}' is not a ratio. Write GROUP=SHARE, such as conv1=0.3.")
    return tuple(ratios)


def parse_counts(words: Sequence[str]) -> tuple[tuple[str, int], ...]:
    """GROUP=N as pairs."""
    counts = []
    for word in words:
        group, _, units = word.rpartition("=")
        if not group or not units.isdecimal():
            raise RecipeError(
                f"'{word}' is not a number of filters. Write GROUP=N, such as conv1=8."
            )
        counts.append((group, int(units)))
    return tuple(counts)
