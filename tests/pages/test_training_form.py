"""Every setting of the form reaches the run, and the stages of a cut are measured on a click."""

from __future__ import annotations

from pathlib import Path

from page_words import press, said

from sfp_viz.core.training import Distillation
from sfp_viz.runs import queue
from sfp_viz.runs.folder import read_run
from tests.finished import finished_run


def test_every_setting_of_the_form_reaches_the_run(open_page, monkeypatch):
    launched: list[Path] = []
    monkeypatch.setattr(queue, "enqueue", launched.append)
    app = open_page("finetune")
    wanted = {
        "Standardized logits": True, "Split the teacher's part (DKD)": True,
        "DKD: right class": 2.0, "DKD: other classes": 4.0,
        "Copies of each image, 0 for ever new ones": 3, "Label smoothing": 0.1, "Warm-up": 0.2,
        "Weight decay": 0.001, "Momentum": 0.8, "Average of the weights, 0 for none": 0.9,
        "Largest gradient, 0 for any": 2.0, "Processes": 2, "Seed": 7,
        "Epochs": 3, "Learning rate": 0.02, "Images a batch": 32,
        "Temperature, start": 6.0, "Temperature, end": 2.0,
        "Temperature in between": "adaptive", "Changed copies of the images": "none",
        "Training images, 0 for all": 500, "Precision": "bf16-mixed",
        "The teacher's share of the loss": 0.5,
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
    assert "not known yet: no training of this network has run here" in said(app)
    finished_run(workspace, accuracies=(0.9, 0.95))  # 1.5 s an epoch
    app = open_page("finetune")
    next(f for f in app.number_input if f.label == "Epochs").set_value(20).run()
    assert "That takes about 30 s (estimated from earlier trainings)" in said(app)


def test_settings_that_cannot_be_are_said_before_anything_is_started(open_page):
    app = open_page("finetune")
    fields = {f.label: f for f in app.number_input}
    fields["Images a batch"].set_value(2)
    fields["Processes"].set_value(4).run()
    assert not app.exception
    assert "cannot be shared by 4 processes" in said(app)
    assert next(b for b in app.button if b.label == "Start").disabled


def test_the_two_weights_count_only_when_the_box_is_ticked(open_page, monkeypatch):
    launched: list[Path] = []
    monkeypatch.setattr(queue, "enqueue", launched.append)
    app = open_page("finetune")
    next(n for n in app.number_input if n.label == "DKD: other classes").set_value(3.0)
    press(app, "Start")
    assert read_run(launched[0]).settings.dkd is None


def test_the_check_measures_each_stage_on_a_click(open_page):
    app = press(open_page("check"), "Prune and measure")
    assert "What the cut takes" in said(app)
    press(app, "Measure each stage")
    table = next(d.value for d in app.dataframe if "Stage" in d.value)
    assert list(table["Stage"]) == ["Unpruned", "Cut", "BatchNorm re-estimated"]
    assert all(value.endswith("%") for value in table["Accuracy"])
