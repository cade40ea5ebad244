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
    "learning_rate": "learning rate", "batch_size": "batch size", "temperature_start": "initial T",
    "temperature_end": "final T", "train_images": "training images", "weight_decay": "weight decay",
    "label_smoothing": "label smoothing", "teacher_views": "augmented copies", "strength": "λ",
    "rho": "ρ", "data": "on",
}  # fmt: skip
_TUNING = "fine-tuning "  # before the settings of the fine-tuning after a sparse training


def setting_text(name: str, value: Any) -> str:
    """A setting with its value: 'learning rate 0.02', '4 epochs'.

    Args:
        name: The name of the setting.
        value: Its value.
    """
    if name == "epochs":
        return f"{value} epoch{'' if value == 1 else 's'}"
    if name == "target_reduction":
        return f"target {100 * value:.0f} %"
    if name == "finish":
        return "to a target" if value == "target" else "no target"
    return f"{_NAMES.get(name, name.replace('_', ' '))} {value_text(name, value)}"


def value_text(name: str, value: Any) -> str:
    """The value of a setting in words.

    Args:
        name: The name of the setting.
        value: Its value.
    """
    if value is None:
        return "all" if name.endswith("images") else "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value).replace("_", " ")


def titles_with_differences(
    titles: Sequence[str], settings: Sequence[Mapping[str, str]], *, always: int = 0
) -> list[str]:
    """Each title with the settings that tell the runs apart. Runs that differ in nothing keep the
    same title.

    Args:
        titles: One for each run.
        settings: Each run's settings in words, by name.
        always: How many of the settings in which the runs differ are shown in any case.
    """
    order = dict.fromkeys([*_FIRST, *(name for texts in settings for name in texts)])
    shown: list[str] = []
    distinct = list(titles)
    for at, name in enumerate(n for n in order if len({texts.get(n) for texts in settings}) > 1):
        longer = [
            _with(title, texts, [*shown, name])
            for title, texts in zip(titles, settings, strict=True)
        ]
        if at < always or len(set(longer)) > len(set(distinct)):
            shown.append(name)
            distinct = longer
    return distinct


def distinct_titles(runs: Sequence[Summary], titles: Sequence[str]) -> list[str]:
    """The titles, where several runs have the same one with the settings that tell them apart.

    Args:
        runs: Finished runs.
        titles: One for each run.
    """
    places: dict[str, list[int]] = {}
    for at, title in enumerate(titles):
        places.setdefault(title, []).append(at)
    names = list(titles)
    for title, indices in places.items():
        if len(indices) > 1:
            settings = [_setting_texts(runs[at]) for at in indices]
            for at, name in zip(
                indices, titles_with_differences([title] * len(indices), settings), strict=True
            ):
                names[at] = name
    return names


def _with(title: str, texts: Mapping[str, str], names: Sequence[str]) -> str:
    return ", ".join([title, *(texts[name] for name in names if name in texts)])


def _setting_texts(run: Summary) -> dict[str, str]:
    """The settings of a run in words, by name; its title has the epochs. The plan that a sparse
    training ended with comes last: it differs wherever anything does, and says least."""
    settings = {name: value for name, value in run.settings.items() if name != "epochs"}
    if run.kind != KIND:
        target = run.facts.get("target_reduction")
        settings |= {"target_reduction": target} if isinstance(target, int | float) else {}
        return {name: setting_text(name, value) for name, value in settings.items()}
    try:
        first = read_sparsify_request(run.path).settings
    except RunError:
        return {}
    texts = {
        n: setting_text(n, v) for n, v in asdict(first).items() if n != "epochs" and _used(first, n)
    }
    after = {f"{_TUNING}{n}": f"{_TUNING}{setting_text(n, v)}" for n, v in settings.items()}
    return texts | after | ({"plan": f"plan {run.plan[:6]}"} if run.plan else {})


def _used(settings: SparseSettings, name: str) -> bool:
    try:
        check_used(settings, [name])
    except RecipeError:
        return False
    return True
