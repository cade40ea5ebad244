"""Every setting of the form reaches the run, and the stages of a cut are measured on a click."""

from __future__ import annotations

from pathlib import Path

import pytest

from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.core.plan.request import Request
from sfp_viz.core.training.distillation import Distillation
from sfp_viz.runs import queue
from sfp_viz.runs.folder import read_run
from sfp_viz.ui.cached import planned
from tests.finished_runs import finished_run
from tests.pages.page_words import choose_images, press, said


def test_every_setting_of_the_form_reaches_the_run(open_page, monkeypatch):
    launched: list[Path] = []
    monkeypatch.setattr(queue, "enqueue", launched.append)
    app = open_page("finetune")
    next(box for box in app.checkbox if "DKD" in box.label).set_value(True).run()
    wanted = {
        "Standardized logits": True,
        "DKD: target class": 2.0, "DKD: other classes": 4.0,
        "Augmented copies per image (0 = new each epoch)": 3, "Label smoothing": 0.1,
        "Warm-up (share of steps)": 0.2,
        "Weight decay": 0.001, "Momentum": 0.8, "EMA decay (0 = off)": 0.9,
        "Gradient clipping (0 = off)": 2.0, "Processes": 2, "Seed": 7,
        "Epochs": 3, "Learning rate": 0.02, "Batch size": 32,
        "Start temperature": 6.0, "Final temperature": 2.0,
        "Temperature schedule": "adaptive", "Augmentation": "none",
        "Training images (0 = all)": 500, "Precision": "bf16-mixed",
        "Weight of the distillation loss": 0.5,
    }  # fmt: skip
    fields = [*app.checkbox, *app.number_input, *app.selectbox, *app.slider]
    for label, value in wanted.items():
        next(field for field in fields if field.label == label).set_value(value)
    press(app, "Start")
    assert read_run(launched[0]).settings == Distillation(
        epochs=3, batch_size=32, learning_rate=0.02, momentum=0.8, weight_decay=0.001, warmup=0.2,
        alpha=0.5, temperature_start=6, temperature_end=2, schedule="adaptive",
        label_smoothing=0.1, augmentation="none", precision="bf16-mixed", train_images=500, seed=7,
        standardize=True, dkd=(2, 4), ema=0.9, clip=2, teacher_views=3, processes=2,
    )  # fmt: skip


def test_how_long_a_fine_tuning_takes_is_estimated_from_earlier_ones(open_page, workspace):
    app = open_page("finetune")
    assert "training time is not known yet" in said(app)
    finished_run(workspace, accuracies=(0.9, 0.95))  # 1.5 s an epoch
    app = open_page("finetune")
    next(f for f in app.number_input if f.label == "Epochs").set_value(20).run()
    assert "This takes about 30 s (estimated from earlier trainings)" in said(app)


def test_settings_that_cannot_be_are_said_before_anything_is_started(open_page):
    app = open_page("finetune")
    fields = {f.label: f for f in app.number_input}
    fields["Batch size"].set_value(2)
    fields["Processes"].set_value(4).run()
    assert not app.exception
    assert "cannot be shared by 4 processes" in said(app)
    assert next(b for b in app.button if b.label == "Start").disabled


# each way, with the fields that it has besides those of a plain fine-tuning
WAYS = {
    "once": (),
    "steps": ("Stages", "Epochs per stage", "Final epochs"),
    "sweep": ("Seeds", "Epochs per training"),
    "training": (
        "Epochs", "Strength (λ)", "Final phase (share of epochs)", "Steps between refreshes",
        "Pull strength (ρ)",
        "Growth of ρ", "Largest ρ", "Fine-tuning epochs",
        "Fine-tuning learning rate", "Weight decay", "Seed", "Training images (0 = all)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_a_number_that_makes_no_sense_is_named_and_not_replaced_by_the_one_before(open_page, way):
    app = open_page("finetune")
    app.segmented_control(key="finetune_way").set_value(way).run()
    labels = WAYS[way] or [f.label for f in app.number_input if not f.label.startswith("DKD")]
    assert set(labels) <= {field.label for field in app.number_input}
    for label in labels:
        field = next(f for f in app.number_input if f.label == label)
        bounds = field.proto.has_min or field.proto.has_max
        assert not bounds  # the browser would keep what lies beyond to itself
        before = field.value
        field.set_value(-5).run()
        assert not app.exception
        told = app.warning[0].value.replace("\\", "")
        assert told.startswith(f"'{label}' "), told
        assert "-5" in told
        assert next(b for b in app.button if b.label == "Start").disabled
        next(f for f in app.number_input if f.label == label).set_value(before).run()
        assert not app.warning


def test_the_weights_of_a_split_are_off_until_it_is_asked_for_and_cannot_be_both_0(open_page):
    app = open_page("finetune")

    def pair():
        return [f for f in app.number_input if f.label.startswith("DKD")]

    assert [f.disabled for f in pair()] == [True, True]
    next(c for c in app.checkbox if "DKD" in c.label).set_value(True).run()
    assert [f.disabled for f in pair()] == [False, False]
    for field in pair():
        field.set_value(0.0)
    app.run()
    assert app.warning[0].value.startswith("'Decoupled distillation")


def test_the_two_weights_count_only_when_the_box_is_ticked(open_page, monkeypatch):
    launched: list[Path] = []
    monkeypatch.setattr(queue, "enqueue", launched.append)
    app = open_page("finetune")
    next(box for box in app.checkbox if "DKD" in box.label).set_value(True).run()
    next(n for n in app.number_input if n.label == "DKD: other classes").set_value(3.0).run()
    next(box for box in app.checkbox if "DKD" in box.label).set_value(False)
    press(app, "Start")
    assert read_run(launched[0]).settings.dkd is None


def test_the_check_measures_each_stage_on_a_click(open_page):
    app = press(open_page("check"), "Prune and measure")
    assert "How much accuracy pruning loses" in said(app)
    press(app, "Measure each stage")
    table = next(d.value for d in app.dataframe if "Stage" in d.value)
    assert list(table["Stage"]) == ["Unpruned", "Pruned"]
    assert all(value.endswith("%") for value in table["Accuracy"])


def test_without_images_the_page_says_once_that_nothing_is_trained(open_page):
    app = open_page("finetune")
    choose_images(app, "cifar10")
    told = said(app)
    assert "Without images, accuracy and training are not available" in told
    assert "Without data everything works" not in told
    assert next(b for b in app.button if b.label == "Start").disabled


def test_a_new_run_says_in_words_by_which_plan_it_prunes(open_page):
    digits = planned.plan("lenet5_digits", Request(Recipe())).hash[:6]
    told = said(open_page("finetune")).replace("\\", "")
    assert f"Current plan: similarity, 50 % fewer MACs ({digits})" in told
