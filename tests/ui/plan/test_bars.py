"""What the bars say of a group: what moves along and why, what was fixed by hand, what rounds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sfp_viz.core.evidence import evidence
from sfp_viz.core.evidence.evidence import Evidence, needs
from sfp_viz.core.evidence.observations import Observations
from sfp_viz.core.network import Cause, CostTerm, FilterGroup, Network
from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.core.plan.request import Request
from sfp_viz.ui.components import ratio_bars
from sfp_viz.ui.plan import bars, widths
from sfp_viz.ui.plan import head as plan_head
from sfp_viz.ui.plan import table as plan_table
from sfp_viz.ui.recipe import actions

TIED = FilterGroup("a", ("a", "b"), 16, cause=Cause("residual_add"), followers=("d",))


@pytest.fixture
def network() -> Network:
    terms = (CostTerm("a", 64, 9, 1, (("a", 1),), (("", 1),)),)
    return Network("one", "0" * 16, (1, 8, 8), (), (TIED,), terms)


def test_layers_that_move_along_are_named_with_the_reason():
    assert bars.ghosts(TIED) == (
        ("b", "residual add with a"),
        ("d", "one channel per filter of a"),
    )
    fixed = replace(TIED, protected=True, cause=Cause("network_output"), followers=())
    assert bars.ghosts(fixed) == (("b", "not pruned, like a"),)
    assert bars.ghosts(FilterGroup("c", ("c",), 4)) == ()


def test_a_bar_shows_what_was_set_by_hand_and_the_width_before_rounding(network):
    edits = Edits(network.digest).with_ratio("a", 0.5).with_least("a", 4).with_most("a", 9)
    drawn = widths.Widths({"a": 8}, {"a": 10}, {"a": 9}, {"a": ((1, 9.0), (16, 0.0))}, "points")
    others = {"uniform": {"a": 12}, "functional": {"a": 6}}
    bar = bars.bar(network, TIED, Request(Recipe(rounding=8), edits), drawn, others)
    assert (bar.kept, bar.suggested, bar.unrounded, bar.least, bar.most) == (8, 10, 9, 4, 9)
    assert bar.held
    assert bar.tags == "fixed, min 4, max 9"
    assert bar.note.startswith(
        "Without rounding, it would keep 9. Keeping 8 changes the MACs of the network by −6.25 %"
    )
    assert bar.curve == ((1, 9.0), (16, 0.0))
    assert bar.others == (
        ("uniform", "uniform", 12),
        ("functional", "by functional redundancy", 6),
    )
    row = plan_table.row(TIED, Request(Recipe(), edits), drawn, {"a": 0.5}, others)
    assert (row["kept uniform"], row["kept functional"], row["keeps"]) == (12, 6, 8)


def test_tied_layers_that_the_recipe_leaves_whole_say_so_until_they_are_moved(network):
    other = CostTerm("c", 64, 9, 1, (("c", 1),), (("", 1),))
    groups = (TIED, FilterGroup("c", ("c",), 4))
    network = replace(network, groups=groups, terms=(*network.terms, other))
    none = Request(Recipe(), Edits(network.digest))
    assert "until you move the bar" in bars.restriction(network, TIED, none)
    few = Request(Recipe(), none.edits.with_most("a", 8))
    assert bars.restriction(network, TIED, few) == "Tied by a residual add with b."
    moved = Request(Recipe(), none.edits.with_ratio("a", 0.5))
    assert bars.restriction(network, TIED, moved) == "Tied by a residual add with b."
    locked = Request(Recipe(), none.edits.with_protected("a", True))
    assert bars.restriction(network, TIED, locked) == "Not pruned: you set 'Do not prune'."


def test_a_gesture_that_the_browser_reports_twice_counts_once(monkeypatch):
    state = {"bars": {"edit": {"group": "a", "kept": 3, "n": 1}}}
    monkeypatch.setattr(ratio_bars.st, "session_state", state)
    assert ratio_bars._message("bars", "edit")["kept"] == 3
    assert ratio_bars._message("bars", "edit") == {}
    state["bars"] = {"edit": {"group": "a", "kept": 3, "n": 2}}
    assert ratio_bars._message("bars", "edit")["n"] == 2


def test_cells_typed_in_the_table_change_their_group_and_reports_of_old_ones_nothing(
    network, monkeypatch
):
    calls: list[tuple] = []
    for name in ("set_width", "set_protected", "set_minimum", "set_maximum"):
        monkeypatch.setattr(
            actions, name, lambda _, group, value, name=name: calls.append((name, group, value))
        )
    rows = [{"keeps": 8, "least": None, "most": None, "whole": False}]
    state: dict = {}
    monkeypatch.setattr(plan_table.st, "session_state", state)
    for cells in (
        {"keeps": 99},
        {"least": 5},
        {"most": 9},
        {"whole": True},
        {"keeps": 8},
        {"whole": False},
    ):
        state["table"] = {"edited_rows": {0: cells}}
        plan_table.apply_typed(network, [TIED], rows, "table")
    assert calls == [
        ("set_width", "a", 16),
        ("set_minimum", "a", 5),
        ("set_maximum", "a", 9),
        ("set_protected", "a", True),
    ]


def test_a_long_curve_is_thinned_but_keeps_its_ends():
    lost = np.linspace(0, 10, 256)
    curve = plan_head._thinned(lost, 1.0)
    assert len(curve) <= 40
    assert curve[0] == (1, 10.0)
    assert curve[-1] == (256, 0.0)
    assert plan_table.lost_at(curve, 128) == pytest.approx(lost[128], abs=0.1)


def test_doing_without_evidence_takes_back_only_the_choices_that_need_it():
    asked = Recipe(
        criterion="taylor", allocation="sensitivity", goal="latency", gamma=3, clustering="average"
    )
    plain = evidence.without_evidence(asked)
    assert needs(plain) == ()
    assert plain == Recipe(gamma=3, clustering="average")


def test_a_score_that_was_not_taken_down_is_missing_though_images_were_seen():
    seen = Observations("0" * 16, "digits", 8, {}, {}, {}, {})
    assert evidence.missing_evidence(Recipe(criterion="taylor"), Evidence()) == ("observations",)
    assert evidence.missing_evidence(Recipe(criterion="taylor"), Evidence(observations=seen)) == (
        "observations",
    )
    known = replace(seen, scores={"taylor": {}})
    assert evidence.missing_evidence(Recipe(criterion="taylor"), Evidence(observations=known)) == ()
    assert evidence.missing_evidence(Recipe(), Evidence()) == ()


def test_a_formula_stands_aligned_latex_that_fit_a_narrow_column():
    from sfp_viz.ui.plan.explanation import aligned_latex

    assert aligned_latex("a = b = c") == r"\begin{aligned}a &= b \\ &= c\end{aligned}"
    assert aligned_latex("a") == r"\begin{aligned}a\end{aligned}"
