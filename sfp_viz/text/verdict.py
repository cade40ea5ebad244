"""What measured plans say about an allocation, in sentences."""

from __future__ import annotations

from collections.abc import Mapping

from sfp_viz.core.comparison.trust import Trust
from sfp_viz.core.comparison.verdict import (
    Agreement,
    AgreementKind,
    Ranking,
    against_uniform,
    agreements,
    leaders,
    rankings,
)
from sfp_viz.text.numbers import percent, signed
from sfp_viz.text.plan.allocations import ALLOCATIONS, lacks_text

PREDICTOR_NAMES = {
    "dispersion": "Kernel Dispersion",
    "functional": "The functional error",
    "sensitivity": "The measured sensitivity",
}
_ORDERS: Mapping[AgreementKind, str] = {
    "reversed": "orders plans the wrong way round",
    "chance": "does not order plans better than chance",
    "strong": "orders plans well",
    "weak": "orders plans only roughly",
}
_ON_TEST = (
    "The sensitivity was measured on test images too, so the accuracy of its plan may be a little "
    "too high."
)


def verdict(trust: Trust) -> str:
    """What the measurement says about the allocation, in sentences."""
    return " ".join(verdict_parts(trust))


def verdict_parts(trust: Trust) -> tuple[str, ...]:
    """The verdict in its parts: against uniform, which allocation measured best, and how well the
    predictions order the plans."""
    sentences = _uniform_sentence(trust), best_sentence(trust), _order_sentences(trust)
    return tuple(sentence for sentence in sentences if sentence)


def best_sentence(trust: Trust) -> str:
    """Which allocation measured best, and what was not compared; where fewer than two were
    measured, only the latter."""
    ranked, best = rankings(trust), leaders(trust)
    if len(ranked) < 2:
        return not_compared(trust)
    others = ranked[len(best) :]
    on = f"measured on {trust.images:,} images, one-shot"
    if len(best) == len(ranked):
        text = f"The allocations cannot be told apart: {_all(ranked)} ({on})."
    elif len(best) == 1:
        text = f"{_winner(best[0])}; the others: {_all(others)} ({on})."
    else:
        text = (
            f"{_winner(best[0])}, but it cannot be told apart from {_all(best[1:])}; worse: "
            f"{_all(others)} ({on})."
        )
    if any(ranking.allocation == "sensitivity" for ranking in best) and len(best) < len(ranked):
        text += f" {_ON_TEST}"
    return f"{text} {not_compared(trust)}".rstrip()


def not_compared(trust: Trust) -> str:
    """Which allocations were not measured, and why; '' where all were."""
    if trust.left_out is None:
        return (
            "This is an older measurement, of this plan and the uniform one alone. Measure again "
            "to compare the other allocations."
        )
    parts = [f"{ALLOCATIONS[name]} ({lacks_text(lacks)})" for name, lacks in trust.left_out]
    return f"Not compared: {', '.join(parts)}." if parts else ""


def _uniform_sentence(trust: Trust) -> str:
    comparison = against_uniform(trust)
    if comparison is None:
        return "The suggestion and the uniform plan have not both been measured yet."
    suggestion, uniform = percent(comparison.suggestion), percent(comparison.uniform)
    if comparison.kind == "same":
        return f"The suggestion is the uniform plan itself ({suggestion} one-shot)."
    figures = f"{suggestion} against {uniform} one-shot, {trust.images:,} images"
    if comparison.kind == "overlap":
        return f"The suggestion is no better than uniform: their intervals overlap ({figures})."
    return f"The suggestion is {comparison.kind} than uniform ({figures})."


def _order_sentences(trust: Trust) -> str:
    measured = agreements(trust)
    if not measured:
        return "Too few plans were measured to say whether the predictions order them correctly."
    return " ".join(map(_order_sentence, measured))


def _order_sentence(agreement: Agreement) -> str:
    low, high = agreement.interval
    return (
        f"{PREDICTOR_NAMES[agreement.predictor]} {_ORDERS[agreement.kind]} (rank correlation "
        f"{signed(agreement.correlation)}, 95 % interval {signed(low)} to {signed(high)}, "
        f"{agreement.plans} plans of equal cost)."
    )


def _all(ranked: tuple[Ranking, ...]) -> str:
    return ", ".join(f"{_name(ranking)} {_accuracy(ranking)}" for ranking in ranked)


def _accuracy(ranking: Ranking) -> str:
    low, high = (100 * end for end in ranking.interval)
    return f"{percent(ranking.accuracy)} (95 %: {low:.1f} to {high:.1f} %)"


def _name(ranking: Ranking) -> str:
    return ALLOCATIONS[ranking.allocation].removeprefix("by ")


def _winner(ranking: Ranking) -> str:
    return f"The best measured allocation is {_name(ranking)} with {_accuracy(ranking)}"
