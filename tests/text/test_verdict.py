"""Which allocation measured best, in words that name it, its accuracy and what is not known."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from sfp_viz.core.comparison.sampled_plans import Draw
from sfp_viz.core.comparison.trust import Trust, trust_from_json, trust_to_json
from sfp_viz.core.measurement import wilson
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.text.verdict import best_sentence, not_compared, verdict


def measured(images: int = 1000, allocation="dispersion", **right: int) -> Trust:
    """A trust record with one plan a kind, 'suggestion=900' and so on."""
    found = tuple(
        Draw(kind, (("a", 4 + i),), 100.0 + i, (("dispersion", float(i)),), count)
        for i, (kind, count) in enumerate(right.items())
    )
    return Trust("x", "d, test", images, Recipe(allocation=allocation), found)


def drawn(rights: list[int | None]) -> Trust:
    """A trust record with the suggestion, uniform and wild plans, predicted to lose more and
    more."""
    kinds = ["suggestion", "uniform", *["wild"] * (len(rights) - 2)]
    found = tuple(
        Draw(kind, (("a", 4 + i),), 100.0, (("dispersion", float(i)),), right)
        for i, (kind, right) in enumerate(zip(kinds, rights, strict=True))
    )
    return Trust("x", "d, test", 1000, Recipe(), found)


def test_the_best_is_named_with_its_accuracy_interval_and_images():
    trust = measured(suggestion=700, uniform=650, functional=870, sensitivity=720)
    low, high = wilson(870, 1000)
    text = best_sentence(trust)
    assert (
        "The best measured allocation is functional redundancy with 87.0 % "
        f"(95 %: {100 * low:.1f} to {100 * high:.1f} %)" in text
    )
    assert "the others: sensitivity 72.0 %" in text
    assert "measured on 1,000 images, one-shot" in text
    assert text in verdict(trust)


def test_allocations_that_cannot_be_told_apart_are_said_to_be_so():
    assert best_sentence(measured(suggestion=700, uniform=695)).startswith(
        "The allocations cannot be told apart: Kernel Dispersion 70.0 %"
    )
    text = best_sentence(measured(suggestion=700, uniform=500, functional=705))
    assert "The best measured allocation is functional redundancy with 70.5 %" in text
    assert "cannot be told apart from Kernel Dispersion 70.0 %" in text
    assert "worse: uniform 50.0 %" in text
    assert "cannot be told apart" in best_sentence(measured(10, suggestion=9, uniform=5))


def test_the_suggestion_counts_as_the_allocation_of_its_recipe():
    trust = measured(allocation="pooled", suggestion=900, uniform=500, dispersion=400)
    assert best_sentence(trust).startswith(
        "The best measured allocation is one threshold with 90.0 %"
    )


def test_a_plan_by_test_images_says_that_its_accuracy_may_be_too_high():
    assert "too high" in best_sentence(measured(suggestion=500, uniform=500, sensitivity=900))
    assert "too high" not in best_sentence(measured(suggestion=900, uniform=500, sensitivity=600))


def test_what_was_not_compared_is_said_with_the_reason():
    trust = measured(suggestion=900, uniform=500)
    assert not_compared(trust) == ""
    trust = replace(trust, left_out=(("functional", ("observations", "latency")),))
    assert best_sentence(trust).endswith(
        "Not compared: by functional redundancy (not calibrated on images and the layers were not timed)."  # noqa: E501
    )


def test_an_older_record_says_what_it_lacks():
    value = json.loads(trust_to_json(measured(suggestion=500, uniform=800)))
    del value["left_out"]
    old = trust_from_json(json.dumps(value))
    assert "an older measurement" in verdict(old)
    assert "The best measured allocation is uniform with 80.0 %" in verdict(old)


@pytest.mark.parametrize(
    ("rights", "text"),
    [
        ([800, 795, 700, 600], "no better than uniform"),
        ([800, 600, 700, 650], "is better than uniform"),
        ([600, 800, 700, 650], "worse than uniform"),
        ([600, None, 700, 650], "not both been measured"),
    ],
)
def test_the_verdict_says_plainly_how_the_suggestion_compares_with_uniform(rights, text):
    assert text in verdict(drawn(rights))


def test_the_verdict_says_how_well_plans_are_ordered():
    falling = [900 - 10 * i for i in range(22)]
    assert "orders plans well" in verdict(drawn(falling))
    assert "wrong way round" in verdict(drawn(falling[::-1]))
    shuffled = list(np.random.default_rng(1).permutation(falling))
    assert "not order plans better than chance" in verdict(drawn([int(x) for x in shuffled]))
    assert "Too few plans" in verdict(drawn([900, 800, 700]))
