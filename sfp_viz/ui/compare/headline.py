"""The first sentences of Compare: the plan against baselines, or why they cannot be compared."""

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
    points: Sequence[Point], runs: Mapping[str, Summary], compensation: str = "none"
) -> tuple[str, str]:
    """How the plan compares with baselines of the same MACs, and what was compared, in sentences.

    Only trainings with the same epochs, settings and test images are compared, with equally many
    seeds each.

    Args:
        points: All points of the chart.
        runs: The runs of the fine-tuned points, by the key of the point.
        compensation: Compensation of all one-shot points, as a recipe names it.

    Returns:
        The two texts; ('', '') if there is nothing to compare.
    """
    tuned = [p for p in points if p.stage == "fine-tuned" and p.key in runs]
    one_shot = [p for p in points if p.stage == "one-shot"]
    pairs = pairs_of(tuned, runs)
    fair = [pair for pair in pairs if not unequal(pair)]
    if fair:
        return _trained(fair, sum(p.kind == "plan" or p.kind in BASELINES for p in tuned))
    if pairs:
        return _different_training(min(pairs, key=lambda pair: len(unequal(pair))))
    if (texts := _one_shot(one_shot, compensation)) is not None:
        return texts
    if _has_both(tuned) or _has_both(one_shot):
        return f"No comparison: no baseline is within {percent(SAME, 0)} of this plan's MACs.", ""
    return "", ""


def _has_both(points: Sequence[Point]) -> bool:
    kinds = {point.kind for point in points}
    return "plan" in kinds and bool(kinds & BASELINES.keys())


def _trained(fair: Sequence[Pair], total: int) -> tuple[str, str]:
    """Of the pairs with most seeds, then most epochs, the plan and its best baseline; ``total``
    is the number of runs of plans and baselines."""

    def weight(pair: Pair) -> tuple[int, int]:
        return len(pair.seeds[0]), pair.plan.epochs

    most = max(map(weight, fair))
    candidates = [pair for pair in fair if weight(pair) == most]
    candidates = [pair for pair in candidates if pair.plan is candidates[0].plan]
    best = max(candidates, key=lambda pair: pair.means[1])
    several = len({pair.baseline.name for pair in candidates}) > 1
    names = best.baseline.name, "the best baseline" if several else ""
    text = _verdict(best.means, best.plan.images, names, _seeds_agree(best))
    details = (
        f"Both fine-tuned for {_number(best.plan.epochs, 'epoch')} with the same settings, "
        f"{_seeds(best)}, at about the same MACs ({count(best.plan.macs)} and "
        f"{count(best.baseline.macs)}). Accuracies of the last epoch.{_compensations(best)}"
    )
    seeds = {seed for pair in candidates for seed in pair.seeds[0]}
    used = best.plan.runs(seeds) + sum(pair.baseline.runs(pair.seeds[1]) for pair in candidates)
    if excluded := total - used:
        details += f" Not included: {_number(excluded, 'run')} with other seeds, settings or MACs."
    return text, details


def _seeds(pair: Pair) -> str:
    plan, baseline = pair.seeds
    if len(plan) == 1:
        seeds = f"seed {plan[0]}" if plan == baseline else f"seeds {plan[0]} and {baseline[0]}"
        return f"one run each ({seeds})"
    text = f"mean of seeds {_list(plan)}"
    return text if plan == baseline else f"{text} vs. {_list(baseline)}"


def _list(seeds: Sequence[int]) -> str:
    return join_names([str(seed) for seed in seeds])


def _compensations(pair: Pair) -> str:
    """How both networks were compensated before training, if that differs."""
    plan, baseline = pair.plan.compensation, pair.baseline.compensation
    if not plan or not baseline or plan == baseline:
        return ""
    return f" The plan started {_with(plan)}, the baseline {_with(baseline)}."


def _with(compensation: str) -> str:
    if compensation == "none":
        return "without compensation"
    name = CHOICE_NAMES["compensation"][compensation]
    return f"with compensation ({name[:1].lower()}{name[1:]})"


def _seeds_agree(pair: Pair) -> bool:
    """Whether the same side is better with each seed."""
    plan, baseline = pair.seeds
    shared = plan == baseline
    seed_pairs = (
        zip(plan, baseline, strict=True) if shared else ((a, b) for a in plan for b in baseline)
    )
    return len({pair.plan.mean(a) > pair.baseline.mean(b) for a, b in seed_pairs}) == 1


def _verdict(
    means: tuple[float, float], images: int, names: tuple[str, str], seeds_agree: bool = True
) -> str:
    """The first sentence: accuracies of plan and baseline, both measured on ``images``."""
    plan, baseline = (wilson(round(mean * images), images) for mean in means)
    difference = f"{abs(100 * (means[0] - means[1])):.1f} points"
    if plan[0] <= baseline[1] and baseline[0] <= plan[1]:
        reason = "which is within the 95 % intervals of the test images"
    elif not seeds_agree:
        reason = "but which one is better depends on the seed"
    else:
        word = "above" if means[0] > means[1] else "below"
        return f"This plan is {difference} {word} {', '.join(filter(None, names))}."
    other = f"{names[0]}, {names[1]}," if names[1] else names[0]
    return f"No clear winner: this plan and {other} differ by {difference}, {reason}."


def _different_training(pair: Pair) -> tuple[str, str]:
    plan, baseline = pair.means
    name = pair.baseline.name
    return (
        f"No comparison: this plan and {name} were trained with different settings.",
        f"At about the same MACs: this plan {percent(plan)}, {name} {percent(baseline)}, with "
        f"{join_names(unequal(pair))}. Fine-tune both with the same settings to compare them.",
    )


def _one_shot(points: Sequence[Point], compensation: str) -> tuple[str, str] | None:
    """The plan right after pruning, against uniform L1 or the mean of the random draws."""
    plan = next((p for p in points if p.kind == "plan"), None)
    baselines: list[tuple[float, str]] = []
    for kind, name in BASELINES.items():
        draws = [p for p in points if plan and p.kind == kind and near(p.macs, plan.macs)]
        if draws:
            mean = f" (mean of {len(draws)} seeds)" if len(draws) > 1 else ""
            baselines.append((fmean(p.accuracy for p in draws), name + mean))
    if plan is None or not baselines:
        return None
    accuracy, name = max(baselines)
    best = "the best baseline" if len(baselines) > 1 else ""
    text = _verdict((plan.accuracy, accuracy), plan.images, (name, best))
    how = _with(compensation).replace("with compensation", "with the same compensation", 1)
    return text, (
        f"Both right after pruning, {how}, on the same images and before any fine-tuning, at about "
        "the same MACs."
    )


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
