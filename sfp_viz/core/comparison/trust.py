"""How far to trust a suggestion: plans of equal cost around it, predicted and measured."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np

from sfp_viz.core.allocation.alternatives import COMPARED
from sfp_viz.core.comparison.sampled_plans import KINDS, PREDICTORS, Draw, Kind, draws, edits_of
from sfp_viz.core.json_format import read_json
from sfp_viz.core.plan.plan import recipe_from_json, recipe_json
from sfp_viz.core.plan.recipe import Allocation, Recipe
from sfp_viz.core.standing import which
from sfp_viz.core.training.distillation import wilson
from sfp_viz.errors import PlanError, SfpError

__all__ = [
    "PREDICTORS",
    "Agreement",
    "Draw",
    "Trust",
    "agreement",
    "draws",
    "edits_of",
    "findings",
    "spearman",
    "trust_from_json",
    "trust_json",
    "verdict",
]

FORMAT = 1
_RESAMPLES = 2000


@dataclass(frozen=True)
class Trust:
    """Measured on ``images`` test images of ``data``: ``draws`` with their counts.

    ``left_out``: (allocation, why) of those whose plan could not be drawn; None for an older
    record, made when only the suggestion and uniform were compared.
    """

    digest: str
    data: str
    images: int
    recipe: Recipe
    draws: tuple[Draw, ...]
    seconds: float = 0.0
    left_out: tuple[tuple[Allocation, str], ...] | None = ()

    def draw(self, kind: Kind) -> Draw | None:
        """The measured suggestion or uniform plan; None when it was not measured."""
        return next((d for d in self.draws if d.kind == kind and d.right is not None), None)


@dataclass(frozen=True)
class Agreement:
    """Rank correlation (Spearman) of predicted and measured order, with a 95 % interval.

    1: the plans predicted to lose least are the most accurate; 0: no connection. The interval is
    by the bootstrap over the plans (percentiles of 2,000 resamples, Efron 1979).
    """

    predictor: str
    correlation: float
    interval: tuple[float, float]
    plans: int


def agreement(trust: Trust, predictor: str) -> Agreement | None:
    """Rank correlation for one of ``PREDICTORS``; None for fewer than 4 plans or no spread."""
    pairs = [
        (-dict(d.predicted)[predictor], float(d.right))
        for d in trust.draws
        if d.right is not None and predictor in dict(d.predicted)
    ]
    values = np.array(pairs).reshape(-1, 2)
    if len(values) < 4 or (np.ptp(values, axis=0) == 0).any():
        return None
    source = np.random.default_rng(0)
    resampled = [
        spearman(*values[source.integers(0, len(values), len(values))].T) for _ in range(_RESAMPLES)
    ]
    low, high = np.nanpercentile(resampled, (2.5, 97.5))
    return Agreement(predictor, spearman(*values.T), (float(low), float(high)), len(values))


def spearman(first: np.ndarray, second: np.ndarray) -> float:
    """Pearson correlation of the ranks, ties by their mean rank; NaN where one is constant."""
    a, b = _ranks(first), _ranks(second)
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def verdict(trust: Trust) -> str:
    """What the measurement says of the suggestion, in plain sentences."""
    return " ".join(findings(trust))


def findings(trust: Trust) -> tuple[str, ...]:
    """The verdict in its parts: against uniform, which allocation measured best, and how well
    predictions order plans."""
    parts = _against_uniform(trust), which(trust), _of_order(trust)
    return tuple(part for part in parts if part)


def _against_uniform(trust: Trust) -> str:
    best, plain = trust.draw("suggestion"), trust.draw("uniform")
    if best is None or plain is None:
        return "The suggestion and the uniform plan have not both been measured yet."
    shares = [100 * (d.right or 0) / max(1, trust.images) for d in (best, plain)]
    figures = f"{shares[0]:.1f} % against {shares[1]:.1f} % one-shot, {trust.images:,} images"
    if best.kept == plain.kept:
        return f"The suggestion is the uniform plan itself ({shares[0]:.1f} % one-shot)."
    if _interval(best, trust)[0] > _interval(plain, trust)[1]:
        return f"The suggestion is better than the same ratio everywhere ({figures})."
    if _interval(best, trust)[1] < _interval(plain, trust)[0]:
        return f"The suggestion is worse than the same ratio everywhere ({figures})."
    return (
        f"The suggestion is no better than uniform, the same ratio everywhere: their intervals "
        f"overlap ({figures})."
    )


def _of_order(trust: Trust) -> str:
    found = [a for name in PREDICTORS if (a := agreement(trust, name))]
    if not found:
        return "Too few plans were measured to say whether predictions order them rightly."
    return " ".join(
        f"{_WORDS[a.predictor]} {_strength(a)} (rank correlation {_signed(a.correlation)}, 95 % "
        f"{_signed(a.interval[0])} to {_signed(a.interval[1])}, {a.plans} plans of equal cost)."
        for a in found
    )


_WORDS = {
    "dispersion": "Kernel Dispersion",
    "functional": "The functional error",
    "sensitivity": "The measured sensitivity",
}


def _signed(number: float) -> str:
    """Two digits, with a true minus sign."""
    return f"{number:.2f}".replace("-", "−")


def _strength(a: Agreement) -> str:
    if a.interval[1] < 0:
        return "orders plans the wrong way round"
    if a.interval[0] <= 0:
        return "does not order plans better than chance"
    return "orders plans well" if a.correlation >= 0.7 else "orders plans only roughly"


def _interval(draw: Draw, trust: Trust) -> tuple[float, float]:
    return wilson(draw.right or 0, trust.images)


def _ranks(values: np.ndarray) -> np.ndarray:
    _, where, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[where]


def trust_json(trust: Trust) -> str:
    """The record as JSON with a format number, keys sorted."""
    value = {
        "format": FORMAT,
        "digest": trust.digest,
        "data": trust.data,
        "images": trust.images,
        "recipe": json.loads(recipe_json(trust.recipe)),
        "draws": [
            {
                "kind": d.kind,
                "kept": [list(pair) for pair in d.kept],
                "cost": d.cost,
                "predicted": dict(d.predicted),
                "right": d.right,
            }
            for d in trust.draws
        ],
        "seconds": round(trust.seconds, 3),
    }
    if trust.left_out is not None:
        value["left_out"] = [list(pair) for pair in trust.left_out]
    return json.dumps(value, sort_keys=True, indent=1)


def trust_from_json(text: str) -> Trust:
    """Read a record; PlanError or RecipeError on anything that is not one."""
    value = read_json(text, "trust record", FORMAT)
    try:
        images = int(value["images"])
        found = tuple(_draw(entry, images) for entry in value["draws"])
        recipe = recipe_from_json(json.dumps(value["recipe"]))
        named = str(value["digest"]), str(value["data"])
        return Trust(*named, images, recipe, found, float(value["seconds"]), _left_out(value))
    except SfpError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as problem:
        raise PlanError(
            f"This is no trust record of ours: {problem!r} is missing or wrong."
        ) from problem


def _left_out(value: dict) -> tuple[tuple[Allocation, str], ...] | None:
    if "left_out" not in value:
        return None
    pairs = [(str(name), str(why)) for name, why in value["left_out"]]
    if any(name not in COMPARED for name, _ in pairs):
        raise PlanError("This is no trust record of ours: an allocation in it is not known.")
    return tuple((known, why) for name, why in pairs for known in COMPARED if known == name)


def _draw(value: dict, images: int) -> Draw:
    kept = tuple((str(name), int(units)) for name, units in value["kept"])
    damage = {str(name): float(number) for name, number in value["predicted"].items()}
    right = value["right"] if value["right"] is None else int(value["right"])
    if value["kind"] not in KINDS or not 0 <= (right or 0) <= images or min(k for _, k in kept) < 1:
        raise PlanError("This is no trust record of ours: a plan in it makes no sense.")
    if not np.isfinite([float(value["cost"]), *damage.values()]).all():
        raise PlanError("This is no trust record of ours: a number in it is not finite.")
    told = tuple((name, damage[name]) for name in PREDICTORS if name in damage)
    return Draw(value["kind"], kept, float(value["cost"]), told, right)
