"""What the live curves are told to draw."""

from __future__ import annotations

from dataclasses import replace

from sfp_viz.core.training.history import Epoch
from sfp_viz.ui.components.live_lines import Curve, Reference, lines_data


def epoch(at: int, test: float = 0.9, **more) -> Epoch:
    return replace(Epoch(at, 3, 1.0, 0.8, test, 100, 4.0, 0.01, 500.0, 1.0), **more)


def curve(*epochs: Epoch, **more) -> Curve:
    return Curve(**{"name": "mine", "epochs": epochs, "total": 3, **more})


def panel(data: dict, title: str) -> dict:
    return next(found for found in data["panels"] if found["title"] == title)


def test_every_line_has_a_value_or_none_for_each_place():
    data = lines_data([curve(epoch(1), epoch(2), start=0.5), curve(epoch(1), slot=1)])
    assert [run["x"] for run in data["runs"]] == [[0, 1, 2], [1]]
    assert (data["first"], data["last"]) == (0, 3)
    for chart in data["panels"]:
        for line in chart["series"]:
            assert len(line["values"]) == len(data["runs"][line["run"]]["x"])
    test, training = panel(data, "Accuracy")["series"][:2]
    assert test["values"] == [50, 90, 90]
    assert training["values"][0] is None


def test_all_that_was_asked_for_has_a_chart_and_memory_only_where_it_was_measured():
    titles = [found["title"] for found in lines_data([curve(epoch(1))])["panels"]]
    assert titles == ["Accuracy", "Loss", "Temperature", "Learning rate", "Speed"]
    if "memory" in Epoch.__dataclass_fields__:
        seen = lines_data([curve(epoch(1, memory=250_000_000))])
        assert panel(seen, "Training memory")["series"][0]["values"] == [250.0]


def test_the_best_epoch_is_the_first_with_the_highest_test_accuracy():
    data = lines_data([curve(epoch(1, 0.7), epoch(2, 0.95), epoch(3, 0.95)), curve()])
    assert [run["best"] for run in data["runs"]] == [[2, 95.0], None]


def test_epochs_of_earlier_stages_are_none_of_them_the_best():
    epochs = [epoch(1, 0.99), epoch(2, 0.7), epoch(3, 0.8)]
    data = lines_data([curve(*epochs, before=1)])
    assert data["runs"][0]["best"] == [3, 80.0]
    assert data["runs"][0]["x"] == [1, 2, 3]
    assert "best" not in data["alt"]
    between = lines_data([curve(*epochs, before=3)])  # the next stage has no epoch yet
    assert between["runs"][0]["best"] is None


def test_reference_lines_are_accuracies_and_stand_in_that_chart_alone():
    data = lines_data(
        [curve()], references=[Reference("unpruned", 0.99), Reference("s", 0.1, True)]
    )
    assert [(r["value"], r["start"]) for r in panel(data, "Accuracy")["refs"]] == [
        (99.0, False), (10.0, True),
    ]  # fmt: skip
    assert not any(c["refs"] for c in data["panels"] if c["title"] != "Accuracy")


def test_a_long_history_is_thinned_but_keeps_its_best_and_its_last_epoch():
    epochs = [epoch(at, 0.99 if at == 1234 else 0.5) for at in range(1, 3001)]
    x = lines_data([curve(*epochs, total=3000)])["runs"][0]["x"]
    assert len(x) <= 602
    assert 1234 in x
    assert x[-1] == 3000


def test_the_words_for_screen_readers_say_how_far_each_run_is():
    assert "No epoch" in lines_data([curve()])["alt"]
    said = lines_data([curve(epoch(1, 0.95), epoch(2)), curve(name="other")])["alt"]
    assert "mine: After epoch 2 of 3: test accuracy 90.0 %" in said
    assert "best test accuracy 95.0 % after epoch 1" in said
    assert "other: No epoch" in said
