"""The legend of the ways of sharing out: what is known, what can be done with each, once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sfp_viz.core.allocation.alternatives import Alternative
from sfp_viz.core.network import FilterGroup, Network
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.ui.components import allocation_legend as component
from sfp_viz.ui.plan import allocations
from sfp_viz.ui.session.state import Session

GROUP = FilterGroup("a", ("a",), 16)
NETWORK = Network("one", "0" * 16, (1, 8, 8), (), (GROUP,), ())
KNOWN = (
    Alternative("dispersion", {"a": 8}),
    Alternative("uniform", {"a": 11}),
    Alternative("functional", lacks=("observations",)),
    Alternative("sensitivity", problem="At most 20 % can be reached."),
)


@pytest.fixture
def here(monkeypatch) -> dict:
    """No study goes on, digits are here, and a session of its own; what was done is noted."""
    done: dict = {"state": {}, "images": "digits", "going": ""}
    monkeypatch.setattr(allocations.study_start, "progress_of", lambda *_: done["going"])
    monkeypatch.setattr(allocations.image_field, "available_images", lambda _: done["images"])
    monkeypatch.setattr(allocations.study_start, "request", lambda *told: done.update(asked=told))
    monkeypatch.setattr(allocations.study_start, "study_of", lambda kind, images: (kind, images))
    monkeypatch.setattr(allocations.state, "session", lambda: Session(recipe=Recipe(0.6, gamma=3)))
    monkeypatch.setattr(allocations.state, "change", lambda **fields: done.update(fields))
    monkeypatch.setattr(allocations.st, "session_state", done["state"])
    monkeypatch.setattr(allocations.st, "toast", lambda words: done.update(toast=words))
    return done


def shown() -> list[component.LegendEntry]:
    return [allocations.legend_entry(NETWORK, one, "dispersion", GROUP) for one in KNOWN]


def test_each_way_says_what_it_keeps_or_what_it_lacks(here):
    used, plain, seen, far = shown()
    assert (used.used, used.offer) == (True, "")
    assert (plain.kept, plain.offer, plain.known) == (11, "Use", True)
    assert (seen.offer, seen.why, seen.known) == ("Analyze images", "needs image analysis", False)
    assert (far.note, far.offer, far.known) == ("cannot reach this target", "", False)
    assert "20 %" in far.why


def test_without_images_they_are_to_be_chosen_first_and_while_measured_nothing_is_offered(here):
    here["images"] = None
    assert (shown()[2].offer, shown()[2].note) == ("Choose images", "needs image analysis")
    allocations.use_or_measure(NETWORK, KNOWN, "functional")
    assert here["state"] == {"evidence_open": True}
    assert "asked" not in here
    here["going"] = "Analyzing images: 3 of 40"
    assert (shown()[2].offer, shown()[2].note) == ("", "is being measured")
    assert shown()[2].why == "Analyzing images: 3 of 40"


def test_taking_a_way_changes_the_allocation_alone(here):
    allocations.use_or_measure(NETWORK, KNOWN, "uniform")
    assert here["recipe"] == Recipe(0.6, gamma=3, allocation="uniform")


def test_what_a_way_lacks_is_gathered_and_what_is_out_of_reach_or_unknown_is_left(here):
    allocations.use_or_measure(NETWORK, KNOWN, "functional")
    assert here["asked"] == (NETWORK, ("observe", 1024), "digits")
    del here["asked"]
    for name in ("sensitivity", "pooled", "nonsense"):
        allocations.use_or_measure(NETWORK, KNOWN, name)
    assert not {"asked", "recipe"} & set(here)


def test_marks_are_hidden_and_shown_again(here):
    allocations.show_marks("uniform", False)
    allocations.show_marks("functional", False)
    assert allocations.hidden_strategies() == ("uniform", "functional")
    allocations.show_marks("uniform", True)
    assert allocations.hidden_strategies() == ("functional",)


def test_only_the_others_that_are_known_have_marks():
    assert allocations.other_widths(KNOWN, "dispersion") == {"uniform": {"a": 11}}
    assert allocations.other_widths(KNOWN, "pooled") == {
        "dispersion": {"a": 8},
        "uniform": {"a": 11},
    }


def test_what_the_browser_sends_counts_once_and_only_where_there_is_such_a_button(
    here, monkeypatch
):
    calls: list[tuple] = []
    given: dict = {}
    monkeypatch.setattr(component, "_legend", lambda **told: given.update(told))
    monkeypatch.setattr(component.st, "session_state", here["state"])
    component.allocation_legend(
        shown(), key="w", group="a", filters=16, hidden=(), marks=True,
        on_show=lambda *told: calls.append(told), on_offer=lambda name: calls.append((name,)),
    )  # fmt: skip

    def send(kind: str, **told) -> None:
        here["state"]["w"] = {kind: told}
        given[f"on_{kind}_change"]()

    send("show", name="uniform", shown=False, n=1)
    send("show", name="uniform", shown=False, n=1)
    send("show", name="uniform", shown="no", n=2)
    send("show", name="functional", shown=False, n=3)  # it has no marks
    send("offer", name="uniform", n=4)
    for name in ("dispersion", "sensitivity", "nonsense"):  # in use, out of reach, not known
        send("offer", name=name, n=5)
    assert calls == [("uniform", False), ("uniform",)]
    assert {entry["name"] for entry in given["data"]["entries"]} == {o.allocation for o in KNOWN}
    assert replace(shown()[1], kept=None) != shown()[1]
