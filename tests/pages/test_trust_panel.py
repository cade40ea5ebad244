"""The panel of trust on the page Plan: where each allocation stands, and taking the best one."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from sfp_viz.core.comparison.sampled_plans import Draw
from sfp_viz.core.comparison.trust import Trust, trust_to_json
from sfp_viz.core.evidence.study import Study, study_to_dict
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.nets.io.samples import sample_network
from sfp_viz.runs.storage.records import Finding
from tests.pages.page_words import press, said

MODEL = "lenet5_digits"


@pytest.fixture
def measured(workspace) -> Path:
    """A finished trust study of the sample: uniform did best by far."""
    network = sample_network(MODEL)
    rights = {"suggestion": 180, "uniform": 330, "functional": 150}
    draws = tuple(
        Draw(kind, (("conv1", 4 + i),), 81_000.0, (("dispersion", float(i)),), right)
        for i, (kind, right) in enumerate(rights.items())
    )
    left = (("sensitivity", ("sensitivity",)),)
    trust = Trust(network.digest, "digits, test", 360, Recipe(), draws, 1.0, left)
    run = workspace / "runs" / "trusted"
    run.mkdir(parents=True)
    finding = Finding(network.digest, "trust.json", "digits, test", 360, 1.0, 0.0, 1.0)
    settings = {"format": 1, "kind": "trust", "name": MODEL, "data": "digits", "created": 0}
    settings |= {"settings": study_to_dict(Study("trust")), "facts": {}}
    (run / "settings.json").write_text(json.dumps(settings))
    (run / "trust.json").write_text(trust_to_json(trust))
    (run / "result.json").write_text(json.dumps(asdict(finding)))
    return run


def opened(open_page) -> AppTest:
    app = open_page("plan")
    app.session_state["trust_open"] = True
    app.run()
    assert not app.exception
    return app


def test_the_panel_names_the_best_allocation_and_takes_it_on_a_click(measured, open_page):
    app = opened(open_page)
    assert "The best measured allocation is uniform" in said(app)
    assert "the sensitivity was not measured" in said(app)
    assert app.table[0].value.iloc[0, 1].startswith("91.7 %")
    rows = app.table[0].value
    assert list(rows["Allocation"]) == [
        "Uniform", "By Kernel Dispersion, in use", "By functional redundancy",
    ]  # fmt: skip
    press(app, "Use: uniform")
    assert app.session_state["session"].current.recipe == Recipe(allocation="uniform")
    assert "another recipe" not in said(app)
    assert not any(b.label == "Use: uniform" for b in app.button)


def test_an_older_measurement_is_shown_and_says_what_it_lacks(measured, open_page):
    value = json.loads((measured / "trust.json").read_text())
    value["draws"] = value["draws"][:2]
    del value["left_out"]
    (measured / "trust.json").write_text(json.dumps(value))
    assert "This is an older measurement" in said(opened(open_page))
