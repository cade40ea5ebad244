"""Compare's first sentence: the plan against baselines, like with like, or what is unequal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from sfp_viz.core.comparison.tradeoff import Point
from sfp_viz.core.measurement import wilson
from sfp_viz.runs.results.summary import Summary
from sfp_viz.text.names import join_names
from sfp_viz.text.numbers import count, percent
from sfp_viz.text.recipe import CHOICE_NAMES
from sfp_viz.ui.compare.fair_pairs import BASELINES, SAME, Pair, near, pairs_of, unequal


def finding(
    points: Sequence[Point], runs: Mapping[str, Summary], repair: str = "none"
) -> tuple[str, str]:
    """How the plan stands to baselines of the same MACs, won or lost, and what was compared.

    Both in sentences; ('', '') where there is nothing to compare. ``runs`` are the fine-tuned
    points' runs, by the points' keys; ``repair`` is what all one-shot points were repaired with,
    as a recipe says it. Only trainings of the same epochs, settings and test images
    name a winner, as many seeds of each.
    """
    tuned = [p for p in points if p.stage == "fine-tuned" and p.key in runs]
    first = [p for p in points if p.stage == "one-shot"]
    pairs = pairs_of(tuned, runs)
    fair = [pair for pair in pairs if not unequal(pair)]
    if fair:
        return _trained(fair, sum(p.kind == "plan" or p.kind in BASELINES for p in tuned))
    if pairs:
        return _unlike(min(pairs, key=lambda pair: len(unequal(pair))))
    if (found := _one_shot(first, repair)) is not None:
        return found
    if _both(tuned) or _both(first):
        far = f"No baseline is within {percent(SAME, 0)} of this plan's MACs"
        return f"No winner is named. {far}.", ""
    return "", ""


def _both(points: Sequence[Point]) -> bool:
    kinds = {point.kind for point in points}
    return "plan" in kinds and bool(kinds & BASELINES.keys())


def _trained(fair: Sequence[Pair], among: int) -> tuple[str, str]:
    """Of the pairs with most seeds, then most epochs, the plan and its best baseline."""

    def weight(pair: Pair) -> tuple[int, int]:
        return len(pair.seeds[0]), pair.ours.epochs

    most = max(map(weight, fair))
    alike = [pair for pair in fair if weight(pair) == most]
    alike = [pair for pair in alike if pair.ours is alike[0].ours]
    pair = max(alike, key=lambda one: one.means[1])
    best = "the best baseline" if len({one.other.name for one in alike}) > 1 else ""
    text = _verdict(pair.means, pair.ours.images, (pair.other.name, best), _one_way(pair))
    how = (
        f"Both fine-tuned for {_number(pair.ours.epochs, 'epoch')} with the same settings, "
        f"{_seeds(pair)}, at about the same MACs ({count(pair.ours.macs)} and "
        f"{count(pair.other.macs)}). Accuracies of the last epoch.{_repairs(pair)}"
    )
    seeds = {seed for one in alike for seed in one.seeds[0]}
    used = pair.ours.runs(seeds) + sum(one.other.runs(one.seeds[1]) for one in alike)
    if left := among - used:
        how += f" Not counted: {_number(left, 'run')} with other seeds, settings or MACs."
    return text, how


def _seeds(pair: Pair) -> str:
    mine, its = pair.seeds
    if len(mine) == 1:
        which = f"seed {mine[0]}" if mine == its else f"seed {mine[0]} against {its[0]}"
        return f"one run each ({which})"
    ours, theirs = (join_names([str(seed) for seed in seeds]) for seeds in (mine, its))
    return f"mean of seeds {ours}" + ("" if mine == its else f" against {theirs}")


def _repairs(pair: Pair) -> str:
    """What the trainings started from, where only one of the networks was repaired before."""
    mine, its = pair.ours.repair, pair.other.repair
    if not mine or not its or mine == its:
        return ""
    ours, theirs = (
        "without a repair" if repair == "none" else f"repaired ({_repair(repair)})"
        for repair in (mine, its)
    )
    return f" The plan's network started {ours}, the baseline's {theirs}."


def _repair(name: str) -> str:
    words = CHOICE_NAMES["compensation"][name]
    return f"{words[:1].lower()}{words[1:]}"


def _one_way(pair: Pair) -> bool:
    """Whether each seed says the same of plan and baseline."""
    mine, its = pair.seeds
    both = zip(mine, its, strict=True) if mine == its else ((a, b) for a in mine for b in its)
    return len({pair.ours.mean(a) > pair.other.mean(b) for a, b in both}) == 1


def _verdict(
    means: tuple[float, float], images: int, name: tuple[str, str], one_way: bool = True
) -> str:
    """The first sentence: accuracies of plan and baseline, both measured on ``images``."""
    spans = [wilson(round(mean * images), images) for mean in means]
    apart = f"{abs(100 * (means[0] - means[1])):.1f} points"
    if spans[0][0] <= spans[1][1] and spans[1][0] <= spans[0][1]:
        why = "which is within the 95 % intervals of the test images"
    elif not one_way:
        why = "but not with every seed the same way"
    else:
        word = "above" if means[0] > means[1] else "below"
        return f"This plan is {apart} {word} {', '.join(part for part in name if part)}."
    other = f"{name[0]}, {name[1]}," if name[1] else name[0]
    return f"No clear winner: this plan and {other} differ by {apart}, {why}."


def _unlike(pair: Pair) -> tuple[str, str]:
    ours, other = pair.means
    return (
        f"No winner is named: this plan and {pair.other.name} were trained unequally.",
        f"At about the same MACs: this plan {percent(ours)}, {pair.other.name} {percent(other)}, "
        f"with {join_names(unequal(pair))}. Fine-tune both with the same settings to compare them.",
    )


def _one_shot(points: Sequence[Point], repair: str) -> tuple[str, str] | None:
    """The plan right after pruning, against uniform L1 or the mean of the random draws."""
    ours = next((p for p in points if p.kind == "plan"), None)
    found: list[tuple[float, str]] = []
    for kind, name in BASELINES.items():
        its = [p for p in points if ours and p.kind == kind and near(p.macs, ours.macs)]
        if its:
            draws = f" (mean of {len(its)} draws)" if len(its) > 1 else ""
            found.append((fmean(p.accuracy for p in its), name + draws))
    if ours is None or not found:
        return None
    mean, name = max(found)
    best = "the best baseline" if len(found) > 1 else ""
    text = _verdict((ours.accuracy, mean), ours.images, (name, best))
    alike = (
        "without any repair" if repair == "none" else f"with the same repair ({_repair(repair)})"
    )
    return text, (
        f"Both right after pruning, {alike}, with the same images and before any fine-tuning, at "
        "about the same MACs."
    )


def _number(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
