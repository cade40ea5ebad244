"""The report of a pruning, saved as JSON and read again."""

import json
from dataclasses import asdict

import pytest

from sfp_viz.core.plan.prune_report import Errors, LayerFit, PruneReport, report_from_dict

REPORT = PruneReport(
    ("conv2.bias",),
    ("conv1 was not compensated.",),
    (
        LayerFit("conv2", "window", 90, 3.0, 1.0, 0.5, Errors(0.5, 0.1, 64), Errors(0.6, 0.2, 32)),
        LayerFit("fc", "bias", 10),
    ),
)


def test_a_saved_report_is_read_as_it_was():
    value = json.loads(json.dumps(asdict(REPORT)))
    assert report_from_dict(value) == REPORT
    earlier = {"added" if name == "added_biases" else name: x for name, x in value.items()}
    assert report_from_dict(earlier) == REPORT


@pytest.mark.parametrize("value", [{}, {"layers": []}, {"layers": [{"seen": None}]}])
def test_another_value_is_no_report(value):
    with pytest.raises((KeyError, TypeError)):
        report_from_dict(value)
