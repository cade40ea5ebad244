"""The change from one step to the next, in a few words. Pure, so tested without a browser."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

from sfp_viz.core.network import Network
from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.recipe import FREE, Recipe, name_of
from sfp_viz.text.recipe import SHORT_NAMES
from sfp_viz.ui.session.tree import Step

Bounds = tuple[tuple[str, int], ...]
_BOUNDS = {"least": "minimum", "most": "maximum"}
_MOST = 2  # changes that are named; of more only how many


def changes(
    network: Network, before: Step, after: Step, kept: tuple[Mapping[str, int], ...]
) -> str:
    """The change between two steps of one network, as 'conv2: 48 → 40, target 50 → 60 %'.

    Args:
        network: The network of both steps.
        before: The earlier step.
        after: The later step.
        kept: Units that each group keeps, by name, before and after.
    """
    old, new = before.edits or Edits(network.digest), after.edits or Edits(network.digest)
    texts = [
        *_ratios(network, old, new, kept),
        *_recipe(before.recipe, after.recipe),
        *_groups(old, new),
        *_filters(old, new),
    ]
    if before.edits and not after.edits:
        texts = [*_recipe(before.recipe, after.recipe), "all manual changes undone"]
    if len(texts) > _MOST + 1:
        texts = [*texts[:_MOST], f"{len(texts) - _MOST} more changes"]
    return ", ".join(texts) or "the same plan"


def _recipe(old: Recipe, new: Recipe) -> list[str]:
    texts = []
    if old.target_reduction != new.target_reduction:
        texts.append(
            f"target {100 * old.target_reduction:.3g} → {100 * new.target_reduction:.3g} %"
        )
    changed = [
        field.name for field in fields(Recipe)
        if field.name != "target_reduction"
        and getattr(old, field.name) != getattr(new, field.name)
    ]  # fmt: skip
    recipe_name = name_of(new)
    if recipe_name and recipe_name != name_of(old) and changed:
        texts.append(f"recipe: {SHORT_NAMES[recipe_name]}")
        changed = [name for name in changed if name in FREE]
    for field in changed:
        values = _value(getattr(old, field)), _value(getattr(new, field))
        texts.append(f"{field.replace('_', ' ')}: {values[0]} → {values[1]}")
    return texts


def _value(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value).replace("_", " ")


def _ratios(network: Network, old: Edits, new: Edits, kept) -> list[str]:
    changed = {name for name, _ in set(old.ratios) ^ set(new.ratios)}
    before, after = kept
    texts = []
    for group in network.groups:
        widths = before.get(group.name, group.size), after.get(group.name, group.size)
        if group.name in changed and widths[0] != widths[1]:
            texts.append(f"{group.name}: {widths[0]} → {widths[1]}")
    if changed and not texts:
        name = min(changed)
        by_hand = name in dict(new.ratios)
        texts.append(f"{name}: {'width fixed' if by_hand else 'as suggested'}")
    if old.makeup != new.makeup:
        others = "adjust" if new.makeup else "keep their widths"
        texts.append(f"the other groups {others}")
    return texts


def _groups(old: Edits, new: Edits) -> list[str]:
    texts = [f"{name} not pruned" for name in new.protected if name not in old.protected]
    texts += [f"{name} may be pruned" for name in old.protected if name not in new.protected]
    labels_before, labels = dict(old.clusters), dict(new.clusters)
    for name in sorted(labels_before | labels):
        if labels_before.get(name) != labels.get(name):
            count = len({label for label in labels.get(name, ()) if label >= 0})
            texts.append(f"{name}: {count if name in labels else 'suggested'} clusters")
    return [*texts, *_bounds("least", old.least, new.least), *_bounds("most", old.most, new.most)]


def _bounds(bound: str, old: Bounds, new: Bounds) -> list[str]:
    before, after = dict(old), dict(new)
    return [
        f"{name}: {f'at {bound} {after[name]:,}' if name in after else f'no {_BOUNDS[bound]}'}"
        for name in sorted(before | after)
        if before.get(name) != after.get(name)
    ]


def _filters(old: Edits, new: Edits) -> list[str]:
    fates = {
        "kept": set(new.keep) - set(old.keep),
        "removed": set(new.remove) - set(old.remove),
        "left to the recipe": (set(old.keep) | set(old.remove)) - set(new.keep) - set(new.remove),
    }
    texts = []
    for fate, pairs in fates.items():
        for name in sorted({group for group, _ in pairs}):
            units = sorted(unit for group, unit in pairs if group == name)
            filters = f"filter {units[0]}" if len(units) == 1 else f"{len(units)} filters"
            texts.append(f"{name}: {filters} {fate}")
    return texts
