"""Observations as a file: nothing is lost, and a file that makes no sense is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sfp_viz.core.evidence import elimination
from sfp_viz.core.evidence.elimination import Elimination
from sfp_viz.core.evidence.observations import Observations
from sfp_viz.errors import RecipeError
from sfp_viz.nets.io.observation_file import load_observations, save_observations


@pytest.fixture
def seen() -> Observations:
    rng = np.random.default_rng(0)
    maps, weights = rng.normal(size=(30, 4)), rng.normal(size=(6, 4))
    covariance, readers_gram = np.cov(maps.T), weights.T @ weights
    return Observations(
        "digest", "digits, train", 30, {"conv1": maps.mean(0)}, {"conv1": covariance},
        {"conv1": readers_gram}, {"conv1": 2.5}, {"taylor": {"conv1": np.arange(4.0)}},
    )  # fmt: skip


def test_what_was_seen_comes_back_bit_for_bit(seen, tmp_path):
    save_observations(seen, tmp_path / "seen")
    back = load_observations(tmp_path / "seen")
    for part in ("mean", "covariance", "readers_gram"):
        np.testing.assert_array_equal(getattr(back, part)["conv1"], getattr(seen, part)["conv1"])
    np.testing.assert_array_equal(back.score("taylor", "conv1"), np.arange(4.0))
    assert (back.digest, back.data, back.images, back.power) == (
        seen.digest, seen.data, seen.images, seen.power,
    )  # fmt: skip


def test_an_order_that_was_worked_out_is_not_worked_out_again(seen, tmp_path, monkeypatch):
    order = seen.elimination("conv1")
    save_observations(seen, tmp_path / "seen")
    monkeypatch.setattr(elimination, "eliminate", None)
    assert load_observations(tmp_path / "seen").elimination("conv1") == order


def test_a_file_without_it_works_it_out_when_asked(seen, tmp_path):
    save_observations(seen, tmp_path / "seen")
    back = load_observations(tmp_path / "seen")
    assert back.eliminations == {}
    assert back.elimination("conv1") == seen.elimination("conv1")


def test_a_copy_with_other_arrays_works_its_own_order_out(seen):
    first = seen.elimination("conv1")
    turned = [3, 2, 1, 0]
    copy = replace(
        seen,
        covariance={"conv1": seen.covariance["conv1"][np.ix_(turned, turned)]},
        readers_gram={"conv1": seen.readers_gram["conv1"][np.ix_(turned, turned)]},
    )
    assert copy.eliminations == {}
    assert [turned[unit] for unit in copy.elimination("conv1").order] == list(first.order)


@pytest.mark.parametrize(
    "told",
    [
        Elimination((0, 1, 2, 2), (0.0, 0.1, 0.2, 0.3, 0.4)),
        Elimination((0, 1, 2), (0.0, 0.1, 0.2, 0.3)),
        Elimination((0, 1, 2, 3), (0.0, 0.1, 0.2, 0.3)),
        Elimination((0, 1, 2, 3), (0.0, 0.3, 0.2, 0.4, 0.5)),
        Elimination((0, 1, 2, 3), (0.1, 0.1, 0.2, 0.3, 0.4)),
        Elimination((0, 1, 2, 3), (0.0, 0.1, 0.2, 0.3, 1.4)),
        Elimination((0, 1, 2, 3), (0.0, 0.1, float("nan"), 0.3, 0.4)),
    ],
    ids=["twice", "too few", "an error short", "falling", "not from 0", "above 1", "no number"],
)
def test_an_order_that_makes_no_sense_is_refused(seen, tmp_path, told):
    seen.remember({"conv1": told})
    save_observations(seen, tmp_path / "seen")
    with pytest.raises(RecipeError, match=r"is not valid.*sfp-viz observe"):
        load_observations(tmp_path / "seen")


def test_what_is_no_such_file_is_refused(tmp_path):
    (tmp_path / "seen").write_bytes(b"no safetensors")
    with pytest.raises(RecipeError, match="cannot be read"):
        load_observations(tmp_path / "seen")
