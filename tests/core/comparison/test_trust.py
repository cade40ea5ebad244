import json
from dataclasses import replace

import numpy as np
import pytest

from sfp_viz.core.allocation.allocate import allocated_widths
from sfp_viz.core.allocation.bounds import bounds
from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.comparison import sampled_plans as drawing
from sfp_viz.core.comparison.sampled_plans import Draw, damage_by_dispersion, draws, edits_of
from sfp_viz.core.comparison.trust import Trust, trust_from_json, trust_to_json
from sfp_viz.core.comparison.verdict import agreement, agreements, spearman
from sfp_viz.core.cost.cost import cost, cost_of_widths
from sfp_viz.core.evidence.evidence import Evidence
from sfp_viz.core.evidence.sensitivity import collect_sensitivity
from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.core.plan.request import Request
from sfp_viz.core.plan.validation import kept_units
from sfp_viz.core.redundancy.dispersion import dispersions
from sfp_viz.core.selection.analysis import analyze
from sfp_viz.core.selection.planner import make_plan
from sfp_viz.errors import SfpError

RECIPE = Recipe(target_reduction=0.5)


@pytest.fixture
def wide(plain_of):
    """Wide enough for many plans of the same cost."""
    return plain_of(widths=(64, 96, 128))


def test_draws_cost_the_same_differ_and_stay_within_the_bounds(wide):
    found = draws(Problem(wide, Request(RECIPE), dispersions=dispersions(wide, RECIPE)))
    assert [d.kind for d in found] == ["suggestion", "uniform"] + 10 * ["mild"] + 10 * ["wild"]
    assert len({d.kept for d in found}) == 22
    budget = 0.5 * cost(wide).macs
    low, high = bounds(Problem(wide, Request(RECIPE)))
    for draw in found:
        assert draw.cost <= budget
        more = [{**draw.widths, n: min(k + 1, wide.group(n).size)} for n, k in draw.kept]
        full = all(cost_of_widths(wide, w).macs > budget or w == draw.widths for w in more)
        assert draw.cost >= 0.995 * budget or full
        kept = [draw.widths[g.name] for g in wide.groups]
        assert (low <= kept).all()
        assert (high >= kept).all()


def test_the_first_two_are_what_the_recipe_and_uniform_suggest(wide):
    spread = dispersions(wide, RECIPE)
    best, plain, *_ = draws(Problem(wide, Request(RECIPE), dispersions=spread), count=2)
    assert best.widths == allocated_widths(Problem(wide, Request(RECIPE), dispersions=spread))
    assert plain.widths == allocated_widths(
        Problem(wide, Request(replace(RECIPE, allocation="uniform")), dispersions=spread)
    )


def test_wild_plans_lie_further_from_the_suggestion_than_mild_ones(wide):
    found = draws(Problem(wide, Request(RECIPE), dispersions=dispersions(wide, RECIPE)))
    start = np.log(list(found[0].widths.values()))
    far = {
        kind: np.mean(
            [
                np.abs(np.log(list(d.widths.values())) - start).mean()
                for d in found
                if d.kind == kind
            ]
        )
        for kind in ("mild", "wild")
    }
    assert far["wild"] > 1.5 * far["mild"]


def test_the_same_seed_draws_the_same_plans_and_another_one_others(wide):
    spread = dispersions(wide, RECIPE)
    assert draws(Problem(wide, Request(RECIPE), dispersions=spread), seed=3) == draws(
        Problem(wide, Request(RECIPE), dispersions=spread), seed=3
    )
    assert draws(Problem(wide, Request(RECIPE), dispersions=spread), seed=3) != draws(
        Problem(wide, Request(RECIPE), dispersions=spread), seed=4
    )


def test_a_network_of_few_filters_gets_as_many_plans_as_there_are(plain_of):
    tiny = plain_of(widths=(4, 4, 4))
    found = draws(Problem(tiny, Request(RECIPE), dispersions=dispersions(tiny, RECIPE)))
    assert 2 <= len(found) < 22
    assert all(d.cost <= 0.5 * cost(tiny).macs for d in found)


def test_plans_made_from_a_draw_keep_its_units_and_what_was_edited(wide):
    edits = Edits(wide.digest, ratios=(("conv2", 0.25),), keep=(("conv1", 0),))
    analysis = analyze(wide, RECIPE)
    for draw in draws(
        Problem(wide, Request.of(RECIPE, edits), dispersions=analysis.dispersions), count=6
    ):
        assert draw.widths["conv2"] == 72
        plan = make_plan(wide, analysis, RECIPE, edits_of(wide, draw, edits))
        assert kept_units(wide, plan) == draw.widths
        assert 0 not in plan.removed("conv1")


def test_damage_by_dispersion_is_least_where_the_rule_puts_it():
    # two groups that cost alike: keep a + b = 1 of shares; the rule gives shares as D ** gamma
    spread = {"a": 0.8, "b": 0.4}
    at = {s: damage_by_dispersion(spread, 2.0, {"a": s, "b": 1 - s}) for s in np.arange(1, 20) / 20}
    assert min(at, key=at.get) == pytest.approx(0.8)  # 0.64 / (0.64 + 0.16)
    assert damage_by_dispersion(spread, 2.0, {"a": 1.0, "b": 1.0}) == 0


def test_every_predictor_with_evidence_predicts(wide):
    points = [("", 0, 900), ("conv1", 32, 800), ("conv2", 48, 850), ("conv3", 64, 890)]
    seen = Evidence(sensitivity=collect_sensitivity(wide, RECIPE, points, data="d", images=1000))
    found = draws(Problem(wide, Request(RECIPE), seen, dispersions(wide, RECIPE)), count=4)
    assert all(set(dict(d.predicted)) == {"dispersion", "sensitivity"} for d in found)
    assert all(v >= 0 for d in found for _, v in d.predicted)


def test_spearman_is_that_of_scipy_with_ties():
    from scipy.stats import spearmanr

    draw = np.random.default_rng(0)
    for _ in range(20):
        a, b = draw.integers(0, 6, 12), draw.integers(0, 6, 12)
        assert spearman(a, b) == pytest.approx(spearmanr(a, b).statistic)
    assert np.isnan(spearman(np.ones(5), np.arange(5)))


def made(rights, *, damage=None, images=1000):
    kinds = ["suggestion", "uniform"] + ["mild"] * (len(rights) - 2)
    some = damage or [float(i) for i in range(len(rights))]
    found = tuple(
        Draw(kind, (("a", 4 + i),), 100.0, (("dispersion", d),), right)
        for i, (kind, d, right) in enumerate(zip(kinds, some, rights, strict=True))
    )
    return Trust("x", "d, test", images, RECIPE, found)


def test_least_damage_and_most_accuracy_is_full_agreement():
    found = agreement(made([900, 800, 700, 600, 500]), "dispersion")
    assert found.correlation == pytest.approx(1)
    assert agreement(made([500, 600, 700, 800]), "dispersion").correlation == pytest.approx(-1)
    assert found.interval[0] <= found.correlation <= found.interval[1]
    assert agreement(made([900, 800, 700]), "dispersion") is None
    assert agreement(made([900, 800, 700, 600]), "functional") is None
    assert agreement(made([900, 900, 900, 900]), "dispersion") is None


def test_plans_not_yet_measured_play_no_part():
    trust = made([900, 800, 700, 600, None])
    assert agreement(trust, "dispersion").plans == 4


def test_an_agreement_says_how_well_plans_are_ordered():
    falling = [900 - 10 * i for i in range(22)]
    shuffled = [int(x) for x in np.random.default_rng(1).permutation(falling)]
    found = [agreement(made(rights), "dispersion") for rights in (falling, falling[::-1], shuffled)]
    assert [one.kind for one in found] == ["strong", "reversed", "chance"]
    assert agreements(made([900, 800, 700])) == ()


def test_json_goes_both_ways():
    trust = made([900, 800, None, 600])
    text = trust_to_json(trust)
    assert trust_from_json(text) == trust
    assert trust_to_json(trust_from_json(text)) == text


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "best"},
        {"kept": []},
        {"kept": [["a", 0]]},
        {"kept": 3},
        {"right": 5000},
        {"right": "all"},
        {"cost": "NaN"},
        {"predicted": {"dispersion": "Infinity"}},
        {"predicted": []},
    ],
)
def test_other_json_is_refused_in_words(change):
    value = json.loads(trust_to_json(made([900, 800, 700, 600])))
    value["draws"][1].update(change)
    with pytest.raises(SfpError):
        trust_from_json(json.dumps(value))
    with pytest.raises(SfpError):
        trust_from_json("{}")


def test_damage_that_a_predictor_does_not_know_is_left_out():
    value = json.loads(trust_to_json(made([900, 800, 700, 600])))
    value["draws"][0]["predicted"]["taste"] = 1.0
    assert dict(trust_from_json(json.dumps(value)).draws[0].predicted) == {"dispersion": 0.0}
    assert set(drawing.PREDICTORS) == {"dispersion", "functional", "sensitivity"}
