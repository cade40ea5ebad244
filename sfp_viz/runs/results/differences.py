"""What differs between runs: wishes, training, images, machine and outcome; only what differs."""

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
    "Result", "Recipe", "By hand", "Plan", "While training", "Fine-tuning", "Images", "Machine",
    "Run",
)  # fmt: skip
_EDITS = {
    "ratios": "share removed by hand",
    "protected": "left whole",
    "clusters": "clusters by hand",
    "keep": "kept by hand",
    "remove": "removed by hand",
    "least": "keeps at least",
    "most": "keeps at most",
}
_FACTS = ("kind", "recipe", "target_reduction", "seed", "sweep", "stages", "growth")
_NONE = "–"
_OF_SOME = ("Recipe", "While training", "Fine-tuning")  # settings that not every kind of run has


_WORDS = {
    "target_reduction": "target, % of the MACs",
    "strength": "strength (λ)",
    "finish": "how much goes",
    "order": "layers",
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
    return tuple(row for row in _all(runs) if _differs(row))


def shared_rows(runs: Sequence[Summary]) -> tuple[Difference, ...]:
    """The rows in which all runs are the same, with that one value."""
    return tuple(
        Difference(row.section, row.name, row.values[:1]) for row in _all(runs)
        if all(v == row.values[0] for v in row.values)
    )  # fmt: skip


def _differs(row: Difference) -> bool:
    known = [value for value in row.values if value != _NONE]
    some = row.section in _OF_SOME and len(known) > 1
    values = known if some else row.values
    return any(value != values[0] for value in values)


def plan_of(run: Path) -> Plan | None:
    """The plan that a run was cut by; None where there is none, or it cannot be read."""
    try:
        return plan_from_json((run / "plan.json").read_text())
    except (OSError, UnicodeDecodeError, SfpError):
        return None


def _all(runs: Sequence[Summary]) -> list[Difference]:
    told = [dict(_told(run)) for run in runs]
    places = dict.fromkeys(place for one in told for place in one)
    rows = [
        Difference(section, name, tuple(one.get((section, name), _NONE) for one in told))
        for section, name in places
    ]
    return sorted(rows, key=lambda row: SECTIONS.index(row.section))


def _told(run: Summary) -> Iterator[tuple[tuple[str, str], Any]]:
    """Everything there is to say of a run."""
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
        yield ("Plan", "filters that go"), sum(len(removal.filters) for removal in plan.removals)
    if run.kind == KIND:
        yield from _thinning(run)
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
            yield ("Run", f"started as: {name}"), str(run.facts[name])


def _thinning(run: Summary) -> Iterator[tuple[tuple[str, str], Any]]:
    """How a run pruned while training: the settings that its method and aim use."""
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
                value = "a target is met" if value == "target" else "the pull decides"
            yield ("While training", _WORDS.get(name, name)), value


def _edits(edits: Edits) -> Iterator[tuple[tuple[str, str], Any]]:
    for name in _EDITS:
        by_group: dict[str, list[Any]] = {}
        for entry in getattr(edits, name):
            group, value = entry if isinstance(entry, tuple) else (entry, True)
            by_group.setdefault(group, []).append(value)
        for group, values in by_group.items():
            yield ("By hand", f"{group}: {_EDITS[name]}"), _words(values)
    if not edits.makeup:
        yield ("By hand", "others make up for changes"), False


def _words(values: list[Any]) -> Any:
    if len(values) > 1:
        return ", ".join(str(value) for value in values)
    if isinstance(values[0], tuple):  # the cluster of each filter
        return f"{len({label for label in values[0] if label >= 0})} clusters"
    return values[0]


def _percent(share: float) -> float:
    return round(100 * share, 1)  # as everywhere: finer ones do not differ


def plan_rows(plan: Plan, sizes: Mapping[str, int] | None = None) -> list[tuple[str, str]]:
    """A plan in short: each group that is cut, and how many filters it loses."""
    rows = []
    for removal in plan.removals:
        if removal.filters:
            of = f" of {sizes[removal.group]}" if sizes and removal.group in sizes else ""
            rows.append((removal.group, f"{len(removal.filters)}{of}"))
    return rows
