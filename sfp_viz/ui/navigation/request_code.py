"""Recipe and edits as a short text for a link, so that any workspace can make the plan again."""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import asdict, fields

from sfp_viz.core.json_format import reading
from sfp_viz.core.network import Network
from sfp_viz.core.plan.edits import Edits, edits_from_dict, edits_to_dict
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.errors import PlanError

MOST = 2_000  # characters of a link; what servers and chats pass on
_MOST_JSON = 100_000  # characters that a code may unpack to


def encode(recipe: Recipe, edits: Edits | None) -> str:
    """The code of a request: what differs from the default, compressed; '' for the default.

    Edits that would make it longer than ``MOST`` are left out.

    Args:
        recipe: The recipe.
        edits: The manual edits, None for none.
    """
    plain = asdict(Recipe())
    changes = {name: value for name, value in asdict(recipe).items() if value != plain[name]}
    if edits:
        changed = {name: value for name, value in edits_to_dict(edits).items() if value != ()}
        code = _code({"recipe": changes, "edits": changed})
        if len(code) <= MOST:
            return code
    return _code({"recipe": changes}) if changes else ""


def decode(code: str, network: Network) -> tuple[Recipe, Edits | None]:
    """The recipe and the edits of a code; edits of other weights are left out.

    Args:
        code: As from ``encode``; it may come from a stranger.
        network: The network that it is for.

    Raises:
        SfpError: It is no such code, or names groups or filters that the network does not have.
    """
    with reading("link"):
        packed = base64.urlsafe_b64decode(code[:MOST] + "=" * (-len(code[:MOST]) % 4))
        unpacking = zlib.decompressobj()
        try:
            text = unpacking.decompress(packed, _MOST_JSON)
            value = json.loads(text)
        except (zlib.error, RecursionError) as problem:
            raise ValueError(str(problem)) from problem
        known = {field.name for field in fields(Recipe)}
        recipe = Recipe(**{name: value["recipe"][name] for name in known & set(value["recipe"])})
        edits = edits_from_dict(value["edits"]) if "edits" in value else None
    if edits is None or edits.digest != network.digest:
        return recipe, None
    _check(network, edits)
    return recipe, edits or None


def _code(value: dict) -> str:
    packed = zlib.compress(json.dumps(value, separators=(",", ":")).encode(), 9)
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def _check(network: Network, edits: Edits) -> None:
    """That the groups and filters of ``edits`` are those of ``network``."""
    sizes = {group.name: group.size for group in network.groups}
    pairs = (*edits.ratios, *edits.least, *edits.most, *edits.clusters)
    names = {*edits.protected, *(pair[0] for pair in pairs)}
    filters = (*edits.keep, *edits.remove)
    if not names <= set(sizes) or any(not 0 <= n < sizes.get(g, 0) for g, n in filters):
        raise PlanError("The link names groups or filters that this network does not have.")
    if any(len(labels) != sizes[name] for name, labels in edits.clusters):
        raise PlanError("The link has clusters of another network.")
