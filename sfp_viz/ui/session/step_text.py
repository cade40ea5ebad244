"""What changed from one step to the next, in a few words. Pure, so tested without a browser."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

from sfp_viz.core.network import Network
from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.recipe import FREE, Recipe, name_of
from sfp_viz.ui.session.tree import Step

Bounds = tuple[tuple[str, int], ...]
_MOST = 2  # changes that are named; of more only how many


def changes(
    network: Network, before: Step, after: Step, kept: tuple[Mapping[str, int], ...]
) -> str:
    """The change between two steps of one network, as 'conv2: 48 -> 40, target 50 -> 60 %'.

    ``kept`` are the units that each group keeps before and after.
    """
    old, new = before.edits or Edits(network.digest), after.edits or Edits(network.digest)
    parts = [
        *_ratios(network, old, new, kept),
        *_recipe(before.recipe, after.recipe),
        *_groups(old, new),
        *_filters(old, new),
    ]
    if before.edits and not after.edits:
        taken = "all changes by hand taken back"
        parts = [*_recipe(before.recipe, after.recipe), taken]
    if len(parts) > _MOST + 1:
        parts = [*parts[:_MOST], f"{len(parts) - _MOST} more changes"]
    return ", ".join(parts) or "the same plan"


def _recipe(old: Recipe, new: Recipe) -> list[str]:
    parts = []
    if old.target_reduction != new.target_reduction:
        parts.append(
            f"target {100 * old.target_reduction:.3g} → {100 * new.target_reduction:.3g} %"
        )
    changed = [
        field.name for field in fields(Recipe)
        if field.name != "target_reduction"
        and getattr(old, field.name) != getattr(new, field.name)
    ]  # fmt: skip
    named = name_of(new)
    if named and named != name_of(old) and changed:
        parts.append(f"recipe '{named.replace('_', ' ')}'")
        changed = [name for name in changed if name in FREE]
    for field in changed:
        was, now = getattr(old, field), getattr(new, field)
        parts.append(f"{field.replace('_', ' ')}: {_said(was)} → {_said(now)}")
    return parts


def _said(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value).replace("_", " ")


def _ratios(network: Network, old: Edits, new: Edits, kept) -> list[str]:
    changed = {name for name, _ in set(old.ratios) ^ set(new.ratios)}
    before, after = kept
    parts = []
    for group in network.groups:
        was, now = before.get(group.name, group.size), after.get(group.name, group.size)
        if group.name in changed and was != now:
            parts.append(f"{group.name}: {was} → {now}")
    if changed and not parts:
        name = min(changed)
        by_hand = name in dict(new.ratios)
        parts.append(f"{name}: {'held as it is' if by_hand else 'as suggested'}")
    if old.makeup != new.makeup:
        parts.append("the others make up" if new.makeup else "the others stay")
    return parts


def _groups(old: Edits, new: Edits) -> list[str]:
    parts = [f"{name} left whole" for name in new.protected if name not in old.protected]
    parts += [f"{name} free again" for name in old.protected if name not in new.protected]
    was, now = dict(old.clusters), dict(new.clusters)
    for name in sorted(was | now):
        if was.get(name) != now.get(name):
            found = len({label for label in now.get(name, ()) if label >= 0})
            parts.append(
                f"{name}: {found} clusters" if name in now else f"{name}: its own clusters"
            )
    return [*parts, *_bounds("least", old.least, new.least), *_bounds("most", old.most, new.most)]


def _bounds(which: str, old: Bounds, new: Bounds) -> list[str]:
    was, now = dict(old), dict(new)
    return [
        f"{name}: {f'at {which} {now[name]:,}' if name in now else f'no {which} number'}"
        for name in sorted(was | now)
        if was.get(name) != now.get(name)
    ]


def _filters(old: Edits, new: Edits) -> list[str]:
    fates = {
        "kept": set(new.keep) - set(old.keep),
        "removed": set(new.remove) - set(old.remove),
        "left to the recipe": (set(old.keep) | set(old.remove)) - set(new.keep) - set(new.remove),
    }
    parts = []
    for fate, pairs in fates.items():
        for name in sorted({group for group, _ in pairs}):
            units = sorted(unit for group, unit in pairs if group == name)
            which = f"filter {units[0]}" if len(units) == 1 else f"{len(units)} filters"
            parts.append(f"{name}: {which} {fate}")
    return parts
