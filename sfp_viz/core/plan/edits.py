"""Edits: what a person changed by hand on one network; sorted tuples, so equal edits are equal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from itertools import pairwise
from typing import Any

from sfp_viz.core.json_format import reading
from sfp_viz.errors import PlanError


@dataclass(frozen=True)
class Edits:
    """Changes by hand, valid for the weights with ``digest``.

    ``ratios``: (group, share of its filters to remove 0..1). ``protected``: groups left whole.
    ``clusters``: (group, label of each filter) where clusters were merged, split or moved, or
    their number changed. ``keep`` and ``remove``: (group, filter) kept or removed whatever the
    clusters say. A filter is a unit of its group, counted from 0. ``least``: (group, units that
    stay at least), ``most``: (group, units that stay at most). ``makeup``: whether the groups
    without a ratio by hand make up for those with one, so that the target holds; without it they
    keep what they would have without these ratios.
    """

    digest: str
    ratios: tuple[tuple[str, float], ...] = ()
    protected: tuple[str, ...] = ()
    clusters: tuple[tuple[str, tuple[int, ...]], ...] = ()
    keep: tuple[tuple[str, int], ...] = ()
    remove: tuple[tuple[str, int], ...] = ()
    least: tuple[tuple[str, int], ...] = ()
    makeup: bool = True
    most: tuple[tuple[str, int], ...] = ()

    def __post_init__(self) -> None:
        for group, ratio in self.ratios:
            if not 0 <= ratio <= 1:
                raise PlanError(f"The ratio of '{group}' is a share from 0 to 1, not {ratio}.")
        for group, units in self.least:
            if units < 1:
                raise PlanError(f"'{group}' keeps at least 1 filter; its least cannot be {units}.")
        for group, units in self.most:
            least = dict(self.least).get(group, 1)
            if units < least:
                raise PlanError(
                    f"'{group}' keeps at least {least:,} filters; its most cannot be {units:,}."
                )
        both = set(self.keep) & set(self.remove)
        if both:
            group, unit = sorted(both)[0]
            raise PlanError(f"Filter {unit} of '{group}' cannot be both kept and removed.")
        for name in ("ratios", "clusters", "keep", "remove", "least", "most"):
            object.__setattr__(self, name, tuple(sorted(set(getattr(self, name)))))
        for pairs in (self.ratios, self.clusters, self.least, self.most):
            twice = [a[0] for a, b in pairwise(pairs) if a[0] == b[0]]
            if twice:
                raise PlanError(f"The edits change '{twice[0]}' twice in two ways; keep one.")
        object.__setattr__(self, "protected", tuple(sorted(set(self.protected))))
        object.__setattr__(self, "ratios", tuple((g, round(float(r), 6)) for g, r in self.ratios))

    def __bool__(self) -> bool:
        bounds = self.ratios, self.protected, self.least, self.most
        return any((*bounds, self.clusters, self.keep, self.remove))

    def with_ratio(self, group: str, ratio: float | None) -> Edits:
        """The edits with this ratio of ``group``.

        Args:
            group: Name of the group.
            ratio: Share of its filters to remove, 0..1; None leaves it to the suggestion.

        Raises:
            PlanError: The ratio is no share.
        """
        others = tuple(pair for pair in self.ratios if pair[0] != group)
        return replace(self, ratios=others if ratio is None else (*others, (group, ratio)))

    def with_clusters(self, group: str, labels: tuple[int, ...] | None) -> Edits:
        """The edits with these clusters of ``group``.

        Args:
            group: Name of the group.
            labels: Cluster of each filter [units]; None leaves them to the recipe.
        """
        others = tuple(pair for pair in self.clusters if pair[0] != group)
        whole = others if labels is None else (*others, (group, tuple(int(x) for x in labels)))
        return replace(self, clusters=whole)

    def with_protected(self, group: str, protected: bool) -> Edits:
        """Leave ``group`` whole, or free it again.

        Args:
            group: Name of the group.
            protected: Whether it is left whole.
        """
        others = tuple(name for name in self.protected if name != group)
        return replace(self, protected=(*others, group) if protected else others)

    def with_least(self, group: str, units: int | None) -> Edits:
        """The edits with this minimum of ``group``.

        Args:
            group: Name of the group.
            units: Units that it keeps at least; None for no minimum.

        Raises:
            PlanError: The minimum is below 1 or above the group's maximum.
        """
        others = tuple(pair for pair in self.least if pair[0] != group)
        return replace(self, least=others if units is None else (*others, (group, int(units))))

    def with_most(self, group: str, units: int | None) -> Edits:
        """The edits with this maximum of ``group``.

        Args:
            group: Name of the group.
            units: Units that it keeps at most; None for no maximum.

        Raises:
            PlanError: The maximum is below the group's minimum.
        """
        others = tuple(pair for pair in self.most if pair[0] != group)
        return replace(self, most=others if units is None else (*others, (group, int(units))))

    def with_filter(self, group: str, unit: int, fate: str | None) -> Edits:
        """The edits with one filter fixed, or left to the recipe again.

        Args:
            group: Name of the group.
            unit: The filter, counted from 0.
            fate: 'keep', 'remove', or None to leave it to the recipe.
        """
        keep = tuple(pair for pair in self.keep if pair != (group, unit))
        remove = tuple(pair for pair in self.remove if pair != (group, unit))
        if fate == "keep":
            keep = (*keep, (group, unit))
        if fate == "remove":
            remove = (*remove, (group, unit))
        return replace(self, keep=keep, remove=remove)


def edits_to_dict(edits: Edits) -> dict[str, Any]:
    """The edits as JSON values, as they stand in a plan. ``most`` came later than the rest: it
    stands there only where it is set, so that plans without it keep their hash."""
    value = asdict(edits)
    if not edits.most:
        del value["most"]
    return value


def edits_from_dict(value: Any) -> Edits:
    """The edits in a JSON object that was read already, as they stand in a plan. Raises PlanError
    on anything that is none."""
    known = {field.name for field in fields(Edits)}
    if not isinstance(value, Mapping) or set(value) - known or "digest" not in value:
        raise PlanError("These are no edits of ours: entries are missing, or no edits have them.")
    with reading("file of edits"):
        return Edits(
            digest=str(value["digest"]),
            ratios=tuple((str(g), float(r)) for g, r in value.get("ratios", ())),
            protected=tuple(str(g) for g in value.get("protected", ())),
            clusters=tuple(
                (str(g), tuple(int(x) for x in labels)) for g, labels in value.get("clusters", ())
            ),
            keep=tuple((str(g), int(u)) for g, u in value.get("keep", ())),
            remove=tuple((str(g), int(u)) for g, u in value.get("remove", ())),
            least=tuple((str(g), int(u)) for g, u in value.get("least", ())),
            makeup=bool(value.get("makeup", True)),
            most=tuple((str(g), int(u)) for g, u in value.get("most", ())),
        )
