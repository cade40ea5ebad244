"""Which runs are drawn together, what they are held against, and what they are called."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import streamlit as st

from sfp_viz.core.training.distillation import Distillation
from sfp_viz.core.training.history import Epoch
from sfp_viz.runs.storage.records import Before, Result, Run
from sfp_viz.text import run_labels
from sfp_viz.ui.runs import references, run_names, selection
from sfp_viz.ui.session import state

EPOCH = Epoch(1, 9, 1.0, 0.8, 0.9, 100, 4.0, 0.01, 500.0, 1.0)
BEFORE = Before(one_shot=0.5, teacher_accuracy=0.98, images=100, macs=1000, params=100, started=1.0)


@pytest.fixture(autouse=True)
def session(monkeypatch) -> dict:
    monkeypatch.setattr(st, "session_state", {})
    monkeypatch.setattr(st, "query_params", {})
    state.start(state.Session())
    return st.query_params  # type: ignore[return-value]


def run(name: str, kind: str = "plan", kind_of_run: str = "finetune", **more) -> Run:
    facts = {"digest": "d", "kind": kind, "plan": "abcdef12"}
    known = Run(name, Path(name), name, "finished", Distillation(epochs=9), "digits", facts=facts)
    return replace(known, **{"before": BEFORE, "kind": kind_of_run, **more})


def slots(runs) -> list[tuple[str, int]]:
    return [(one.id, slot) for one, slot in selection.selected_runs(runs)]


def test_what_is_at_work_is_watched_before_what_waits_and_what_is_newest():
    runs = [run("new"), run("line", state="queued"), run("work", state="running"), run("old")]
    assert slots(runs) == [("work", 0)]
    assert slots([runs[0], runs[1]]) == [("line", 0)]
    assert slots([runs[0], runs[3]]) == [("new", 0)]
    assert slots([]) == []


def test_the_run_on_the_screen_stays_when_it_stops_and_when_another_starts(session):
    runs = [run("new", state="cancelled"), run("work", state="running")]
    selection.read(runs)
    selection.keep_watching(runs)
    selection.write(runs)
    assert session["runs"] == "work"  # a reload brings it back
    stopped = [run("fresh", state="running"), runs[0], run("work", state="paused")]
    selection.keep_watching(stopped)
    assert slots(stopped) == [("work", 0)]
    selection.keep_watching(stopped[:2])  # it was deleted
    assert slots(stopped) == [("fresh", 0)]


def test_a_run_keeps_its_color_while_others_come_and_go():
    runs = [run(name) for name in "abc"]
    selection.choose(["a", "b"], "a")
    assert slots(runs) == [("b", 1), ("a", 0)]  # the one chosen last is watched
    selection.choose(["a", "b", "c"], "b")
    assert slots(runs) == [("c", 2), ("a", 0), ("b", 1)]
    selection.choose(["b", "c"], "c")
    assert slots(runs) == [("c", 2), ("b", 1)]
    selection.choose(["b"], "c")
    assert slots(runs) == [("b", 0)]


def test_no_more_runs_are_drawn_than_can_be_told_apart():
    runs = [run(str(at)) for at in range(9)]
    selection.choose([one.id for one in runs], "0")
    assert len(slots(runs)) == selection.MOST
    assert len({slot for _, slot in slots(runs)}) == selection.MOST


def test_the_address_brings_the_choice_back_and_names_of_strangers_are_passed_over(session):
    runs = [run(name) for name in "abc"]
    selection.choose(["a", "c"], "a")
    selection.write(runs)
    assert session["runs"] == "c.a"
    for asked, expected in (("c.a", ["c", "a"]), ("x.<b>.b", ["b"]), ("../..", ["a"])):
        st.session_state.clear()
        state.start(state.Session())
        session["runs"] = asked
        selection.read(runs)
        assert [name for name, _ in slots(runs)] == expected


RESULT = Result(0.85, (0.8, 0.9), 100, 0.4, 1000, 100, 0.98, 9.0, 1.0, 10.0)


def plain(name: str = "plain", right: float = 0.85, **more) -> Run:
    """Uniform L1, trained to its end for 9 epochs."""
    epochs = (replace(EPOCH, test_accuracy=right),) * 9
    known = {"before": replace(BEFORE, macs=1009), "epochs": epochs, "result": RESULT}
    return run(name, "uniform", **{**known, **more})


def test_uniform_l1_is_a_line_only_when_it_was_trained_alike_to_equal_macs():
    mine = run("mine", epochs=(EPOCH,))
    line = references.uniform(mine, [mine, plain()])
    assert line is not None
    assert (line.name, line.value) == ("uniform L1 after 9 epochs", 0.85)
    for other in (
        plain(before=replace(BEFORE, macs=1015)),
        plain(before=replace(BEFORE, images=50)),
        plain(before=None),
        plain(data="cifar10"),
        plain(facts={"digest": "other", "kind": "uniform"}),
        plain(epochs=(EPOCH,) * 4, settings=Distillation(epochs=4)),
        plain(epochs=(EPOCH,) * 4, result=None),
        plain(settings=Distillation(epochs=9, train_images=10)),
        run("other", "random", epochs=(EPOCH,) * 9, result=RESULT),
    ):
        assert references.uniform(mine, [mine, other]) is None
    assert references.uniform(plain(), [plain(), plain("other")]) is None


def test_of_several_the_line_is_the_one_with_the_same_settings_not_the_newest():
    mine = run("mine")
    other = replace(mine.settings, learning_rate=0.5)
    newest = plain("newest", 0.7, settings=other, created=9.0)
    line = references.uniform(mine, [newest, plain("same", 0.8, created=5.0), plain("old", 0.6)])
    assert line is not None
    assert line.value == 0.8


def test_pruning_while_training_is_held_against_as_many_epochs_in_all():
    thinned = run("thinned", kind_of_run="sparsify", settings=Distillation(epochs=3), total=9)
    assert references.uniform(thinned, [plain()]) is not None
    assert references.uniform(replace(thinned, total=12), [plain()]) is None


def test_a_run_in_steps_has_no_one_shot_accuracy_and_is_no_plain_baseline():
    mine, steps = run("mine"), run("steps", "uniform", kind_of_run="steps")
    assert steps.one_shot is None  # it was measured after the first of its cuts
    assert [line.name for line in references.references(steps, [steps])] == ["unpruned"]
    assert references.uniform(mine, [mine, plain("steps", kind_of_run="steps")]) is None
    cut = run("cut", kind_of_run="steps", total=9)
    assert references.uniform(cut, [cut, plain()]) is not None
    assert run_labels.title(steps) == "uniform L1, in steps"


def test_a_run_without_measurements_has_no_lines_to_be_held_against():
    assert references.references(run("mine", before=None), []) == []
    alone = references.references(run("mine", before=replace(BEFORE, teacher_accuracy=None)), [])
    assert [(line.name, line.start) for line in alone] == [("one-shot", True)]


def test_runs_are_told_apart_by_what_differs_and_by_their_time_where_nothing_does():
    quick = run("a", settings=Distillation(epochs=9, learning_rate=0.1))
    same = run("c", created=60.0)
    names = run_names.unique_names([quick, run("b", "uniform"), same, run("d", created=3660.0)])
    assert names[0] == "plan abcdef, learning rate 0.1"
    assert names[1] == "uniform L1, learning rate 0.02"
    assert names[2].startswith("plan abcdef, learning rate 0.02, ")
    assert names[2] != names[3]
    assert run_names.unique_names([quick]) == ["plan abcdef"]


def test_rows_of_a_list_never_read_the_same_and_say_what_differs():
    tuned = [
        run(f"{epochs}-{seed}", settings=Distillation(epochs=epochs, seed=seed), total=epochs)
        for epochs in (4, 20) for seed in (0, 1)
    ]  # fmt: skip
    twins = [replace(tuned[0], id="twin", created=9.0), replace(tuned[0], id="second", created=9.0)]
    names = run_names.list_names([*tuned, *twins, run("plain", "uniform")])
    assert len(set(names)) == len(names)
    assert names[1:4] == [
        "plan abcdef, 4 epochs, seed 1", "plan abcdef, 20 epochs, seed 0",
        "plan abcdef, 20 epochs, seed 1",
    ]  # fmt: skip
    assert names[-1] == "uniform L1"


def test_what_is_needed_to_tell_runs_apart_is_named_though_it_comes_late():
    dear, cheap = (replace(BEFORE, macs=macs) for macs in (9_000, 1_000))
    each = [
        run(
            "a", before=before, data=data,
            settings=Distillation(epochs=epochs, learning_rate=0.1 / epochs, momentum=momentum),
            total=epochs,
        )
        for before, epochs in ((dear, 4), (cheap, 20)) for data in ("digits", "mine")
        for momentum in (0.5, 0.9)
    ]  # fmt: skip
    names = run_names.unique_names(each)
    assert names[0] == "plan abcdef, 4 epochs, 9.00 k MACs, learning rate 0.025, momentum 0.5, " \
        "on digits"  # fmt: skip
    assert len(set(names)) == 8


def test_progress_says_the_phase_the_epoch_and_that_the_rest_is_estimated():
    going = run("a", state="running", phase="measuring", seconds_left=None)
    assert "Measuring" in run_labels.progress(going)
    going = replace(going, phase="training", epochs=(EPOCH,), seconds_left=95.0)
    said = run_labels.progress(going)
    assert "Epoch 2 of 9, about 1 min 35 s left (estimated" in said
    assert "checkpoint" in run_labels.progress(replace(going, state="pausing"))
    assert "Stopping" in run_labels.progress(replace(going, state="cancelling"))
