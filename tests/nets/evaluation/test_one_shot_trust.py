import numpy as np

from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.comparison.sampled_plans import draws, edits_of
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.core.plan.request import Request
from sfp_viz.core.selection.analysis import analyze
from sfp_viz.core.selection.planner import make_plan
from sfp_viz.nets.data.datasets import Images
from sfp_viz.nets.evaluation.measure import count_right
from sfp_viz.nets.evaluation.one_shot import measure_plans
from sfp_viz.nets.pruning.prune import prune
from sfp_viz.nets.tracing.read_network import read_network


def images(count, split):
    draw = np.random.default_rng(len(split))
    pixels = draw.integers(0, 256, (count, 3, 8, 8), dtype=np.uint8)
    return Images("noise", split, pixels, draw.integers(0, 5, count))


def test_each_plan_counts_as_if_it_were_pruned_alone(plain_model):
    network, recipe = read_network(plain_model), Recipe(target_reduction=0.3)
    analysis = analyze(network, recipe)
    drawn = draws(Problem(network, Request(recipe), dispersions=analysis.dispersions), count=4)
    plans = [make_plan(network, analysis, recipe, edits_of(network, d)) for d in drawn]
    calibration, test = images(260, "train"), images(90, "test")
    found = list(measure_plans(plain_model, network, plans, calibration=calibration, test=test))
    alone = [count_right(prune(plain_model, p, calibration=calibration), test) for p in plans]
    assert found == alone
    assert len(found) == len(drawn) >= 2
