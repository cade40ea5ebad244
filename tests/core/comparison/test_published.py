"""Published numbers: every row whole, honest and with its caveats."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from sfp_viz.core.comparison.published import (
    drawable,
    published,
    read_published,
    saving,
    subjects,
)
from sfp_viz.errors import DataError

ROOT = Path(__file__).resolve().parents[3]
HEAD = (
    "dataset,network,method,base_acc,pruned_acc,acc_drop,drop_is,flops_drop_pct,params_drop_pct,"
    "source,provenance,note,doubtful"
)


def test_every_row_has_a_source_and_says_who_reports_it():
    rows = published()
    assert len(rows) == 161
    for row in rows:
        assert row.source
        assert row.origin in ("own", "third-party")


def test_a_change_is_the_difference_of_the_two_accuracies_or_said_to_be_printed():
    for row in published():
        if row.change is None:
            continue
        if row.as_printed:
            assert "change_only" in row.caveats
            continue
        assert row.base is not None
        assert row.pruned is not None
        assert row.change == pytest.approx(row.pruned - row.base, abs=6e-5)


def test_a_gain_is_positive_and_a_loss_negative():
    by_name = {(row.subject, row.method): row for row in published()}
    assert by_name["VGG-16 on CIFAR-10", "SWP stripe-wise"].change == pytest.approx(0.004)
    assert by_name["ResNet-56 on CIFAR-10", "SWP stripe-wise"].change == pytest.approx(-0.0012)
    assert by_name["ResNet-56 on CIFAR-10", "CP"].change == pytest.approx(-0.01)


def test_rows_that_contradict_themselves_or_lack_a_number_are_not_drawn():
    drawn = drawable(published())
    assert 100 < len(drawn) < len(published())
    laasp = [r for r in published() if r.method == "LAASP" and r.subject == "ResNet-56 on CIFAR-10"]
    assert laasp
    assert not set(laasp) & set(drawn)
    assert all(row.change is not None and 0 < (row.macs_saved or 0) < 1 for row in drawn)
    for row in drawable(published(), axis="params"):
        assert saving(row, "params") is not None


def test_subjects_are_each_named_once():
    assert len(set(subjects())) == len(subjects())
    assert "ResNet-56 on CIFAR-10" in subjects()


def test_a_damaged_row_is_named():
    with pytest.raises(DataError, match="Row 2"):
        read_published([HEAD, "A,B,C,1,2,x,computed,3,4,S,own,,"])
    with pytest.raises(DataError, match="Row 2"):
        read_published([HEAD, "A,B,C,1,2,3,computed,3,4,S,hearsay,,"])
    with pytest.raises(DataError, match="Row 2"):
        read_published([HEAD, "A,B,C,1,2,inf,computed,3,4,S,own,,"])
    with pytest.raises(DataError):
        read_published(["dataset,network", "A,B"])


def test_the_table_is_part_of_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    data = project["tool"]["setuptools"]["package-data"]["sfp_viz"]
    assert "published/*.csv" in data
