from dataclasses import replace
from typing import get_args

import pytest

from sfp_viz.core.plan.reason import Reason, small_norm
from sfp_viz.core.training.sparsification import (
    METHOD_NAMES,
    SSR,
    STRENGTHS,
    GroupLasso,
    Method,
    ProximalLasso,
    SSRProjection,
    Stripes,
    check_used,
    learning_rate,
    methods_with,
    sparse_settings,
)
from sfp_viz.errors import RecipeError


def test_every_method_has_a_strength_and_words():
    for method, strength in STRENGTHS.items():
        settings = sparse_settings(method)
        assert settings.strength == strength
        assert METHOD_NAMES[method]
    assert SSR(strength=0.0).strength == 0
    assert SSR(method="ssr_l20").growth > 1 == SSR().growth
    assert hash(SSR()) == hash(SSR())


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"method": "magic"}, "is no method. Choose one of"),
        ({"rho": 0}, "plain SGD.*above 0"),
        (
            {"method": "ssr_l20", "strength": 8.0},
            "converge at lambda 8.* 12, .*rho_most 10",
        ),
        ({"rho": 4, "rho_most": 2}, "rho_most 2 is below rho 4"),
        ({"strength": -1}, "strength is a number from 0"),
        ({"strength": float("nan")}, "strength is a number"),
        ({"target_reduction": 1.0}, "from 0 to 0.95"),
        ({"train_images": -1}, "train_images is a whole number from 1 on"),
        ({"train_images": 0.5}, "from 1 on, not 0.5"),
        ({"test_images": -1}, "test_images is a whole number from 0 on"),
        ({"refresh": 0}, "refresh is a whole number from 1"),
        ({"learning_rate": 0.0}, "learning rate must be above 0"),
        ({"method": "stripes", "filter_share": 0.6, "settle": 0.5}, "no epochs for the stripes"),
        ({"method": "stripes", "order": "layers"}, "whole network"),
    ],
)
def test_settings_that_make_no_sense_say_what_to_do(changes, told):
    with pytest.raises(RecipeError, match=told):
        sparse_settings(**changes)


def test_a_pull_below_the_least_of_l20_is_no_error_because_it_is_lifted_where_it_must_be():
    settings = SSR(method="ssr_l20", strength=1.0, rho=1.0)
    assert settings.rho == 1
    assert SSR(method="ssr_l20", strength=8.0, rho_most=12.0).strength == 8
    assert SSR(method="ssr_l21", strength=8.0).strength == 8


def test_settings_that_only_other_methods_have_are_left_out():
    """Files of version 0.1 name all settings, whatever the method."""
    settings = {"rho": 0.0, "cutoff": 0.1, "filter_share": 0.3, "strength": 0.2, "epochs": 3}
    assert sparse_settings("proximal", **settings) == ProximalLasso(strength=0.2, epochs=3)
    assert sparse_settings("group_lasso", **settings) == GroupLasso(
        strength=0.2, epochs=3, cutoff=0.1
    )
    assert sparse_settings("stripes", **settings) == Stripes(
        strength=0.2, epochs=3, filter_share=0.3
    )
    assert sparse_settings("ssr_projection", strength=0.2) == SSRProjection()
    with pytest.raises(TypeError):
        sparse_settings("proximal", colour=1)


def test_each_setting_belongs_to_the_methods_that_use_it():
    assert methods_with("rho") == ("ssr_l21", "ssr_l20", "ssr_projection")
    assert methods_with("cutoff") == ("group_lasso",)
    assert methods_with("dead_gate") == ("stripes",)
    assert set(methods_with("strength")) == set(get_args(Method)) - {"ssr_projection"}
    assert set(methods_with("finish")) == set(get_args(Method)) - {"stripes"}
    assert methods_with("epochs") == get_args(Method)
    assert methods_with("colour") == ()
    for method in get_args(Method):
        assert sparse_settings(method).method == method


def test_a_record_is_refused_the_method_of_another():
    with pytest.raises(RecipeError, match="'proximal' is no method"):
        replace(SSR(), method="proximal")


def test_a_cutoff_beside_a_target_is_refused_because_it_decides_nothing():
    lasso = GroupLasso()
    check_used(lasso, ["cutoff", "finish"])
    with pytest.raises(RecipeError, match="a cutoff decides nothing"):
        check_used(replace(lasso, finish="target"), ["cutoff"])


def test_the_rate_is_held_and_then_falls_to_0():
    settings = SSR(learning_rate=0.1, settle=0.4)
    assert learning_rate(settings, 0) == learning_rate(settings, 0.6) == 0.1
    assert learning_rate(settings, 0.8) == pytest.approx(0.05)
    assert learning_rate(settings, 1) == pytest.approx(0)


def test_reasons_name_the_method_and_the_share():
    assert small_norm("ssr_l21", 0.0, 1.0) == Reason("silenced", detail="ssr_l21")
    assert small_norm("ssr_l21", 0.1, 2.0) == Reason("small_norm", value=0.05, detail="ssr_l21")
