"""Why a target cannot be met, and what would help, in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sfp_viz.core.allocation.feasibility import (
    Feasibility,
    Limit,
    Relaxation,
    RelaxationKind,
    UnreachableTarget,
    rounded_down,
)
from sfp_viz.text.numbers import percent
from sfp_viz.text.recipe import goal_name

_RELAXATIONS: Mapping[RelaxationKind, str] = {
    "lock": "Unlock {group}",
    "ratio": "Reset the ratio of {group}",
    "minimum": "Remove the minimum of {group}",
    "kept_filters": "Release the filters kept manually in {group}",
    "tied_layers": "Also prune tied layers",
    "max_ratio": "Allow a group to lose up to 99 % of its filters",
}


def reachable(share: float) -> str:
    """A reduction 0..1 in percent, rounded down, so that no more is promised than holds."""
    return percent(rounded_down(share))


def relaxation_text(relaxation: Relaxation) -> str:
    """The change, and the reduction that it would allow: 'Unlock conv2 (up to 61.2 %)'."""
    action = _RELAXATIONS[relaxation.kind].format(group=relaxation.group)
    return f"{action} (up to {reachable(relaxation.to)})"


def limits_text(feasibility: Feasibility) -> str:
    """What prevents a larger reduction, in the middle of a sentence; '' for nothing."""
    others = any(limit.kind == "whole_groups" for limit in feasibility.limits)
    return "; ".join(_limit(limit, others) for limit in feasibility.limits)


def unreachable_sentence(feasibility: Feasibility) -> str:
    """That the target cannot be met, the nearest one that can, what prevents more, and what would
    help."""
    limits = limits_text(feasibility)
    change = relaxation_text(feasibility.relaxation) if feasibility.relaxation else "Allow more"
    return (
        f"A reduction of {percent(feasibility.target)} of the {goal_name(feasibility.goal)} cannot "
        f"be reached, at most {reachable(feasibility.most)}{f': {limits}' if limits else ''}."
        f" Lower the target, or {change[0].lower()}{change[1:]}."
    )


def error_text(error: BaseException) -> str:
    """What an error says; for an unreachable target also what prevents it, and what would help."""
    if isinstance(error, UnreachableTarget):
        return unreachable_sentence(error.feasibility)
    return str(error)


def _limit(limit: Limit, others: bool) -> str:
    many = len(limit.groups)
    match limit.kind:
        case "whole_groups":
            verb = "is" if many == 1 else "are"
            return f"{many} of {limit.all_groups} groups {verb} kept whole ({_few(limit.groups)})"
        case "unobserved" | "unmeasured":
            how = limit.kind.removeprefix("un")
            return f"{many} of them {'was' if many == 1 else 'were'} not {how}"
        case "max_ratio":
            group = "other group" if others else "group"
            return f"no {group} may lose more than {percent(limit.share, 0)} of its filters"
        case "ratios":
            return "1 ratio is set manually" if many == 1 else f"{many} ratios are set manually"
        case "minimums":
            return f"a minimum is set manually ({_few(limit.groups)})"
        case "kept_filters":
            return f"filters are kept manually ({_few(limit.groups)})"


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (", …" if len(names) > 4 else "")
