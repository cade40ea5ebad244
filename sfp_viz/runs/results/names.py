"""Names that tell runs apart: a title, and the settings in which runs of that title differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sfp_viz.core.training.sparsification import SparseSettings, check_used
from sfp_viz.errors import RecipeError, RunError
from sfp_viz.runs.results.summary import Summary
from sfp_viz.runs.storage.sparsify import KIND, read_sparsify_request

_FIRST = ("epochs", "macs", "target_reduction", "strength", "seed", "learning_rate")
_NAMES = {
    "learning_rate": "learning rate", "batch_size": "batch", "temperature_start": "T from",
    "temperature_end": "T to", "train_images": "training images", "weight_decay": "decay",
    "label_smoothing": "smoothing", "teacher_views": "copies", "strength": "λ", "rho": "ρ",
    "data": "on",
}  # fmt: skip
_TUNING = "tuning "  # before the settings of the fine-tuning after a sparse training


def setting_text(name: str, found: Any) -> str:
    """A setting of a training with its value: 'learning rate 0.02', '4 epochs'."""
    if name == "epochs":
        return f"{found} epoch{'' if found == 1 else 's'}"
    if name == "target_reduction":
        return f"target {100 * found:.0f} %"
    if name == "finish":
        return "to a target" if found == "target" else "no target"
    return f"{_NAMES.get(name, name.replace('_', ' '))} {value_text(name, found)}"


def value_text(name: str, found: Any) -> str:
    """The value of the setting ``name``, in words."""
    if found is None:
        return "all" if name.endswith("images") else "none"
    if isinstance(found, bool):
        return "on" if found else "off"
    return f"{found:g}" if isinstance(found, float) else str(found).replace("_", " ")


def titles_with_differences(
    titles: Sequence[str], told: Sequence[Mapping[str, str]], *, always: int = 0
) -> list[str]:
    """Each title with the first ``always`` settings in which the runs differ, and those further
    ones that it takes to tell them apart; ``told`` are each run's settings in words. What differs
    in nothing reads the same."""
    order = dict.fromkeys([*_FIRST, *(name for one in told for name in one)])
    shown: list[str] = []
    found = list(titles)
    for at, name in enumerate(n for n in order if len({one.get(n) for one in told}) > 1):
        more = [_with(title, one, [*shown, name]) for title, one in zip(titles, told, strict=True)]
        if at < always or len(set(more)) > len(set(found)):
            shown.append(name)
            found = more
    return found


def distinct_titles(runs: Sequence[Summary], titles: Sequence[str]) -> list[str]:
    """The titles of finished runs; those that several have, with what differs between these."""
    places: dict[str, list[int]] = {}
    for at, title in enumerate(titles):
        places.setdefault(title, []).append(at)
    found = list(titles)
    for title, same in places.items():
        if len(same) > 1:
            told = [_told(runs[at]) for at in same]
            for at, name in zip(
                same, titles_with_differences([title] * len(same), told), strict=True
            ):
                found[at] = name
    return found


def _with(title: str, told: Mapping[str, str], names: Sequence[str]) -> str:
    return ", ".join([title, *(told[name] for name in names if name in told)])


def _told(run: Summary) -> dict[str, str]:
    """The settings of a run in words; the epochs stand in its title. A plan that training ended
    in comes last: it differs wherever anything does, and says least."""
    asked = {name: found for name, found in run.settings.items() if name != "epochs"}
    if run.kind != KIND:
        target = run.facts.get("target_reduction")
        asked |= {"target_reduction": target} if isinstance(target, int | float) else {}
        return {name: setting_text(name, found) for name, found in asked.items()}
    try:
        first = read_sparsify_request(run.path).settings
    except RunError:
        return {}
    told = {
        n: setting_text(n, v) for n, v in asdict(first).items() if n != "epochs" and _used(first, n)
    }
    after = {f"{_TUNING}{n}": f"{_TUNING}{setting_text(n, v)}" for n, v in asked.items()}
    return told | after | ({"plan": f"plan {run.plan[:6]}"} if run.plan else {})


def _used(settings: SparseSettings, name: str) -> bool:
    try:
        check_used(settings, [name])
    except RecipeError:
        return False
    return True
