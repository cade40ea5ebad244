"""Two plans of one network, and only what differs between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

from sfp_viz.core.cost.cost import Cost, cost
from sfp_viz.core.network import Network
from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.plan import Plan
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.core.plan.validation import kept_units


@dataclass(frozen=True)
class Change:
    """One choice that differs. ``what``: a field of the recipe, or an edit ('ratio', 'locked',
    'clusters', 'kept', 'removed', 'minimum', 'maximum', 'makeup') of ``group``. ``a`` and ``b`` are
    the values, None where a plan has no such edit."""

    what: str
    a: object
    b: object
    group: str = ""


@dataclass(frozen=True)
class GroupDifference:
    """A group that the plans cut differently: of ``size`` units, a keeps ``kept_a``, b ``kept_b``;
    ``only_a`` go only in a, ``only_b`` only in b; sorted unit numbers."""

    group: str
    size: int
    kept_a: int
    kept_b: int
    only_a: tuple[int, ...]
    only_b: tuple[int, ...]


@dataclass(frozen=True)
class Differences:
    """What differs between plans a and b; costs of both are there in any case, computed."""

    recipe: tuple[Change, ...]
    edits: tuple[Change, ...]
    groups: tuple[GroupDifference, ...]
    cost_a: Cost
    cost_b: Cost

    def __bool__(self) -> bool:
        return bool(self.recipe or self.edits or self.groups)


def differences(a: Plan, b: Plan, network: Network) -> Differences:
    """What differs between two plans for ``network``.

    Args:
        a: One plan.
        b: The other.
        network: The network of both.

    Returns:
        Groups are in the network's order; those cut alike are left out.

    Raises:
        PlanError: A plan does not fit the network.
    """
    kept_a, kept_b = kept_units(network, a), kept_units(network, b)
    groups = []
    for group in network.groups:
        gone_a, gone_b = set(a.removed(group.name)), set(b.removed(group.name))
        if gone_a != gone_b:
            groups.append(
                GroupDifference(
                    group.name, group.size, kept_a[group.name], kept_b[group.name],
                    tuple(sorted(gone_a - gone_b)), tuple(sorted(gone_b - gone_a)),
                )
            )  # fmt: skip
    recipe = tuple(
        Change(field.name, getattr(a.recipe, field.name), getattr(b.recipe, field.name))
        for field in fields(Recipe)
        if getattr(a.recipe, field.name) != getattr(b.recipe, field.name)
    )
    edits = tuple(_edits(a.edits, b.edits))
    return Differences(recipe, edits, tuple(groups), cost(network, a), cost(network, b))


def _edits(a: Edits, b: Edits) -> Iterator[Change]:
    values_a, values_b = _by_place(a), _by_place(b)
    for what, group in sorted(values_a.keys() | values_b.keys()):
        before, after = values_a.get((what, group)), values_b.get((what, group))
        if before != after:
            yield Change(what, before, after, group)


def _by_place(edits: Edits) -> dict[tuple[str, str], object]:
    """Each edit under (what, group)."""
    values: dict[tuple[str, str], object] = {("makeup", ""): edits.makeup}
    for name in edits.protected:
        values["locked", name] = True
    for what, pairs in (
        ("ratio", edits.ratios), ("clusters", edits.clusters), ("minimum", edits.least),
        ("maximum", edits.most),
    ):  # fmt: skip
        for name, value in pairs:
            values[what, name] = value
    for what, pairs in (("kept", edits.keep), ("removed", edits.remove)):
        for name in dict(pairs):
            values[what, name] = tuple(unit for where, unit in pairs if where == name)
    return values
