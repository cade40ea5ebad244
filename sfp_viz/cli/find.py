"""What the command line's words mean: NET, recipes and settings KEY=VALUE."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sfp_viz.core.network import Network
from sfp_viz.core.recipe import NAMED, Recipe
from sfp_viz.errors import DataError, ModelError, RecipeError
from sfp_viz.runs.folder import home

if TYPE_CHECKING:
    from sfp_viz.nets.model import Model


def find_network(name: str) -> Network:
    """The reading of NET; samples and imported networks need no torch."""
    from sfp_viz.nets import samples, store

    if name in samples.sample_names():
        return samples.sample_network(name)
    if _is_stored(name):
        return store.stored_network(home(), name)
    from sfp_viz.nets.reading import read_network

    return read_network(find_model(name))


def find_model(name: str) -> Model:
    """NET itself."""
    from sfp_viz.nets import store
    from sfp_viz.nets.open import load_model

    return store.load_stored(home(), name) if _is_stored(name) else load_model(name)


def find_digest(digest: str) -> str:
    """The sample or imported network with these weights, as a NET."""
    from sfp_viz.nets import samples

    for name in samples.sample_names():
        if samples.sample_card(name).get("reading", {}).get("digest") == digest:
            return name
    if _is_stored(digest):
        return digest
    raise ModelError(
        f"The plan was made for the weights {digest}, which are neither a sample nor imported. "
        "Say where they are with --model NET."
    )


def data_of(model: Model, data: str | None) -> str:
    """The images that are asked for, or the network's own."""
    if not (data or model.data):
        raise DataError(f"The network '{model.name}' names no data of its own. Say --data NAME.")
    return data or model.data


def _is_stored(name: str) -> bool:
    found = re.fullmatch(r"[0-9a-f]{16}", name)
    return bool(found) and (home() / "models" / name).is_dir()


def find_recipe(
    file: Path | None, named: str | None, target: float | None, settings: Sequence[str]
) -> Recipe:
    """The recipe in ``file`` or with a name, changed by ``target`` and settings KEY=VALUE."""
    from sfp_viz.core.plan import recipe_from_json

    if file is not None and named is not None:
        raise RecipeError("Give a recipe as a file or by its name, not both.")
    try:
        recipe = recipe_from_json(file.read_text()) if file else NAMED[named or "default"]()
    except (OSError, UnicodeDecodeError) as problem:
        raise RecipeError(f"The recipe {file} cannot be read: {problem}.") from problem
    if target is not None:
        recipe = replace(recipe, target_reduction=target)
    defaults = {f.name: getattr(recipe, f.name) for f in fields(Recipe)}
    return replace(recipe, **dict(pair(word, defaults) for word in settings))


_KINDS = {int: "whole number", float: "number"}


def pair(word: str, defaults: dict[str, Any]) -> tuple[str, Any]:
    """KEY=VALUE as the key and a value of the default's kind."""
    key, equals, text = word.partition("=")
    if not equals or key not in defaults:
        raise RecipeError(f"'{word}' is no setting. Write KEY=VALUE; keys: {', '.join(defaults)}.")
    kind = type(defaults[key])
    try:
        return key, kind(text)
    except ValueError as problem:
        raise RecipeError(f"{key} is a {_KINDS[kind]}, not '{text}'.") from problem


def shares(words: Sequence[str]) -> tuple[tuple[str, float], ...]:
    """GROUP=SHARE as pairs."""
    found = []
    for word in words:
        group, _, share = word.rpartition("=")
        try:
            found.append((group, float(share)))
        except ValueError:
            group = ""
        if not group:
            raise RecipeError(f"'{word}' is no ratio. Write GROUP=SHARE, such as conv1=0.3.")
    return tuple(found)
