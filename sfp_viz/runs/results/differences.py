"""The rows in which runs differ: recipe, edits, training, images, machine and result."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.plan import Plan, plan_from_json
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.core.training.sparsification import METHOD_NAMES, check_used
from sfp_viz.errors import RecipeError, RunError, SfpError
from sfp_viz.runs.results.points import best_epoch_text, epochs_around_cut
from sfp_viz.runs.results.summary import Summary
from sfp_viz.runs.storage.sparsify import KIND, read_sparsify_request

SECTIONS = (
    "Result", "Recipe", "Manual edits", "Plan", "Sparse training", "Fine-tuning", "Images",
    "Machine", "Run",
)  # fmt: skip
_EDITS = {
    "ratios": "share pruned",
    "protected": "protected",
    "clusters": "edited clusters",
    "keep": "filters kept",
    "remove": "filters pruned",
    "least": "minimum kept",
    "most": "maximum kept",
}
_FACTS = ("kind", "recipe", "target_reduction", "seed", "sweep", "stages", "growth")
_NONE = "–"
_OPTIONAL = ("Recipe", "Sparse training", "Fine-tuning")  # settings that some kinds of runs lack
_WORDS = {
    "target_reduction": "target, % of the MACs",
    "strength": "strength (λ)",
    "finish": "filters pruned",
    "order": "order of layers",
}


@dataclass(frozen=True)
class Difference:
    """One row: in ``section`` what ``name`` is in each run, as values; '–' where it has none."""

    section: str
    name: str
    values: tuple[Any, ...]


def differing_rows(runs: Sequence[Summary]) -> tuple[Difference, ...]:
    """Only the rows in which the runs are not all the same, in the order of ``SECTIONS``. A setting
    that only some kinds of runs have differs where those do, or where one run alone has it."""
    return tuple(row for row in _rows(runs) if _differs(row))


def shared_rows(runs: Sequence[Summary]) -> tuple[Difference, ...]:
    """The rows in which all runs are the same, with that one value."""
    return tuple(
        Difference(row.section, row.name, row.values[:1]) for row in _rows(runs)
        if all(v == row.values[0] for v in row.values)
    )  # fmt: skip


def _differs(row: Difference) -> bool:
    present = [value for value in row.values if value != _NONE]
    values = present if row.section in _OPTIONAL and len(present) > 1 else row.values
    return any(value != values[0] for value in values)


def plan_of(run: Path) -> Plan | None:
    """The plan by which a run was pruned; None where there is none, or it cannot be read."""
    try:
        return plan_from_json((run / "plan.json").read_text())
    except (OSError, UnicodeDecodeError, SfpError):
        return None


def _rows(runs: Sequence[Summary]) -> list[Difference]:
    cells = [dict(_cells(run)) for run in runs]
    keys = dict.fromkeys(key for column in cells for key in column)
    rows = [
        Difference(section, name, tuple(column.get((section, name), _NONE) for column in cells))
        for section, name in keys
    ]
    return sorted(rows, key=lambda row: SECTIONS.index(row.section))


def _cells(run: Summary) -> Iterator[tuple[tuple[str, str], Any]]:
    """All values of a run by section and name."""
    plan = plan_of(run.path)
    yield ("Result", "accuracy of the last epoch, % (measured)"), _percent(run.accuracy)
    best = best_epoch_text(run)
    name = "best epoch, % (measured; chosen on the test images)"
    yield ("Result", name), _percent(run.best) if best else _NONE
    yield ("Result", "best epoch"), best or _NONE
    first = _NONE if run.one_shot is None else _percent(run.one_shot)
    yield ("Result", "one-shot accuracy, % (measured)"), first
    yield ("Result", "MACs (counted)"), run.macs
    yield ("Result", "params (counted)"), run.params
    yield ("Result", "seconds of training (measured)"), round(run.seconds, 1)
    if plan is not None:
        if run.kind != KIND:  # else training chose the filters, and no recipe
            for field in fields(Recipe):
                yield ("Recipe", field.name), getattr(plan.recipe, field.name)
            yield from _edits(plan.edits)
        yield ("Plan", "hash"), plan.hash
        yield ("Plan", "filters pruned"), sum(len(removal.filters) for removal in plan.removals)
    if run.kind == KIND:
        yield from _sparse_training(run)
    if epochs_around_cut(run)[1]:
        for name, value in run.settings.items():
            yield ("Fine-tuning", name), tuple(value) if isinstance(value, list) else value
    yield ("Images", "data"), run.data
    yield ("Images", "test images"), run.images
    for name, value in run.machine.items():
        yield ("Machine", name), value
    yield ("Run", "kind"), run.kind
    for name in _FACTS:
        if run.kind == KIND and name in ("kind", "recipe", "target_reduction"):
            continue  # its settings say so, and whether it had a target
        if run.facts.get(name) not in (None, ""):
            yield ("Run", f"{name} at the start"), str(run.facts[name])


def _sparse_training(run: Summary) -> Iterator[tuple[tuple[str, str], Any]]:
    """The settings of a sparse training that its method and aim use."""
    try:
        settings = read_sparsify_request(run.path).settings
    except RunError:
        return
    values = {
        **asdict(settings), "method": METHOD_NAMES[settings.method],
        "target_reduction": _percent(settings.target_reduction),
    }  # fmt: skip
    for name, value in values.items():
        with suppress(RecipeError):  # what it has no use for says nothing
            check_used(settings, [name])
            if name == "finish":
                value = "to the target" if value == "target" else "as the penalty decides"
            yield ("Sparse training", _WORDS.get(name, name)), value


def _edits(edits: Edits) -> Iterator[tuple[tuple[str, str], Any]]:
    for name in _EDITS:
        by_group: dict[str, list[Any]] = {}
        for entry in getattr(edits, name):
            group, value = entry if isinstance(entry, tuple) else (entry, True)
            by_group.setdefault(group, []).append(value)
        for group, values in by_group.items():
            yield ("Manual edits", f"{group}: {_EDITS[name]}"), _words(values)
    if not edits.makeup:
        yield ("Manual edits", "other groups adjust to edits"), False


def _words(values: list[Any]) -> Any:
    if len(values) > 1:
        return ", ".join(str(value) for value in values)
    if isinstance(values[0], tuple):  # the cluster of each filter
        return f"{len({label for label in values[0] if label >= 0})} clusters"
    return values[0]


def _percent(share: float) -> float:
    return round(100 * share, 1)  # as everywhere: finer ones do not differ


def plan_rows(plan: Plan, sizes: Mapping[str, int] | None = None) -> list[tuple[str, str]]:
    """A plan in short: each group that is pruned, and how many filters it loses, as text.

    Args:
        plan: The plan.
        sizes: Filters of each group before pruning, where they are to be shown: '3 of 16'.
    """
    rows = []
    for removal in plan.removals:
        if removal.filters:
            total = f" of {sizes[removal.group]}" if sizes and removal.group in sizes else ""
            rows.append((removal.group, f"{len(removal.filters)}{total}"))
    return rows
