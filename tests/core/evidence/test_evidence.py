"""What recipes need besides weights."""

from typing import get_args

import pytest

from sfp_viz.core.evidence.evidence import needs, scores_of
from sfp_viz.core.evidence.observations import SCORES
from sfp_viz.core.plan.recipe import Criterion, Recipe


@pytest.mark.parametrize("criterion", get_args(Criterion))
def test_a_look_at_images_takes_down_the_score_that_a_criterion_goes_by(criterion):
    recipe = Recipe(criterion=criterion)
    assert scores_of(recipe) == ((criterion,) if criterion in SCORES else ())
    if scores_of(recipe):
        assert needs(recipe) == ("observations",)


def test_each_score_is_a_criterion():
    assert set(SCORES) < set(get_args(Criterion))
