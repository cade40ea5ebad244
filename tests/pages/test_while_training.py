"""Pruning while training on the pages: the form, the story as it goes, and the plan it ends in."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from sfp_viz.core.cost.cost import cost
from sfp_viz.core.cost.stripes import StripeChoice
from sfp_viz.core.plan.plan import Plan, plan_to_json
from sfp_viz.core.plan.reason import Reason
from sfp_viz.core.training.distillation import Distillation
from sfp_viz.core.training.history import Epoch, Refresh
from sfp_viz.core.training.sparsification import Method, check_used, methods_with, sparse_settings
from sfp_viz.nets.io.samples import sample_network, sample_path
from sfp_viz.runs import queue
from sfp_viz.runs.create.sparsify import create_sparsify
from sfp_viz.runs.folder import read_run
from sfp_viz.runs.results.differences import plan_of
from sfp_viz.runs.storage.history import EPOCHS, append
from sfp_viz.runs.storage.records import Before, Result
from sfp_viz.runs.storage.sparsify import (
    OUTCOME,
    REFRESHES,
    SPARSE,
    Outcome,
    StripeTimes,
    read_sparsify_request,
)
from sfp_viz.text.sparse_training import METHODS
from sfp_viz.ui.cached import planned
from sfp_viz.ui.compare.chart import CHOSEN
from sfp_viz.ui.group import group_view
from sfp_viz.ui.recipe import training_reasons
from sfp_viz.ui.runs import sparsify_result
from sfp_viz.ui.session.history import History
from tests.fake_refreshes import refreshes
from tests.pages.page_words import press, said, undo

MODEL = "lenet5_digits"
NETWORK = sample_network(MODEL)


def form(open_page, method: str = "ssr_l21"):
    app = open_page("finetune")
    ways = next(b for b in app.segmented_control if b.label == "Prune and fine-tune")
    ways.set_value("training").run()
    if method != "ssr_l21":
        field(app, "selectbox", "Method").set_value(method).run()
    assert not app.exception
    return app


def field(app, kind: str, label: str):
    return next(f for f in getattr(app, kind) if f.label.startswith(label))


def watch(app, path: Path):
    session = app.session_state["session"]
    app.session_state["session"] = History(replace(session.current, run=path.name))
    app.run()
    assert not app.exception
    return app


def ended_in(path: Path) -> Plan:
    plan = plan_of(path)
    assert plan is not None
    return plan


def story(app) -> bool:
    """Whether the shrinking network is on the page."""
    return any("thinning" in str(element.proto) for element in app.get("bidi_component"))


def numbers(app) -> dict[str, str]:
    return {metric.label: metric.value for metric in app.metric}


@pytest.fixture
def laid(workspace):
    """Lays out a run with ``lines`` of its history."""

    def lay(*lines: Refresh, method: Method = "ssr_l21", tuned: bool = True) -> Path:
        path = create_sparsify(
            workspace, model_file=sample_path(MODEL), data="digits",
            settings=sparse_settings(method, epochs=4, refresh=10),
            tuning=Distillation(epochs=2) if tuned else None, facts={"model": MODEL},
        )  # fmt: skip
        for line in lines:
            append(path / REFRESHES, line)
        return path

    return lay


ZEROS = StripeChoice("conv2", 200, 432, 0.02, 0.08, "dense")


def finish(
    path: Path, *, epochs: int = 2, timed: StripeTimes | None = None, choice: StripeChoice = ZEROS
) -> None:
    """What a worker leaves at the end, made up."""
    before = Before(0.8, 0.986, 360, 80_000, 11_000, 1.0)
    (path / "before.json").write_text(json.dumps(asdict(before)))
    for at in range(1, epochs + 1):
        append(path / EPOCHS, Epoch(at, epochs, 0.5, 0.9, 0.95, 360, 2.0, 0.01, 900.0, 3.0))
    outcome = Outcome(
        (160_000, 80_000), (20_000, 11_000), (5_400, 3_800), 100_000, 13_000,
        choices=(choice,) if timed else (), timed=timed,
    )  # fmt: skip
    (path / OUTCOME).write_text(json.dumps(asdict(outcome)))
    result = Result(0.95, (0.9, 0.98), 360, 0.8, 80_000, 11_000, 0.986, 9.0, 1.0, 10.0)
    (path / "result.json").write_text(json.dumps(asdict(result)))


def test_the_form_says_what_will_happen_and_starts_what_it_says(open_page, monkeypatch):
    started: list[Path] = []
    monkeypatch.setattr(queue, "enqueue", lambda path, **_: started.append(path))
    app = form(open_page)
    assert "trains on labels for 30 epochs" in said(app)
    assert "until 50 % of the MACs are removed" in said(app)
    assert "fine-tuned for 7 epochs, with the unpruned one as its teacher" in said(app)
    assert "not known yet" in said(app)
    field(app, "number_input", "Epochs").set_value(3).run()
    field(app, "slider", "MACs to remove").set_value(40).run()
    field(app, "number_input", "Strength").set_value(0.2).run()
    field(app, "number_input", "Final phase").set_value(0.3).run()
    field(app, "number_input", "Batch size").set_value(32).run()
    field(app, "number_input", "Fine-tuning learning").set_value(0.004).run()
    field(app, "number_input", "Fine-tuning epochs").set_value(2).run()
    press(app, "Start")
    run, sparse = read_run(started[0]), read_sparsify_request(started[0])
    assert (run.kind, run.settings.epochs, sparse.tuned) == ("sparsify", 2, True)
    asked = sparse.settings
    assert (asked.method, asked.finish, asked.target_reduction) == ("ssr_l21", "target", 0.4)
    assert (asked.epochs, asked.strength, asked.settle, asked.augmentation) == (
        3, 0.2, 0.3, "shift",
    )  # fmt: skip
    assert (run.settings.batch_size, asked.batch_size) == (32, 32)
    assert (run.settings.learning_rate, asked.learning_rate) == (0.004, 0.01)
    assert run.facts["model"] == MODEL


def test_without_epochs_after_it_no_fine_tuning_is_asked_for(open_page, monkeypatch):
    started: list[Path] = []
    monkeypatch.setattr(queue, "enqueue", lambda path, **_: started.append(path))
    app = form(open_page)
    field(app, "number_input", "Fine-tuning epochs").set_value(0).run()
    assert "is not fine-tuned" in said(app)
    press(app, "Start")
    assert not read_sparsify_request(started[0]).tuned


@pytest.mark.parametrize("method", list(METHODS))
def test_each_method_starts_with_its_own_sane_settings(open_page, monkeypatch, method):
    started: list[Path] = []
    monkeypatch.setattr(queue, "enqueue", lambda path, **_: started.append(path))
    app = form(open_page, method)
    warned = "on a CPU, skipping them is usually slower" in said(app)
    assert warned == (method == "stripes")
    press(app, "Start")
    asked = read_sparsify_request(started[0]).settings
    assert asked.method == method
    usual = sparse_settings(method)
    for name in ("strength", "growth"):
        assert getattr(asked, name, None) == getattr(usual, name, None)


FIELDS = {  # how the form names a setting
    "How much to prune": "finish", "MACs to remove": "target_reduction", "Strength": "strength",
    "Pull strength": "rho", "Growth of": "growth", "Largest ρ": "rho_most", "Cutoff": "cutoff",
    "One group at": "order", "Layer weighting": "weights", "Filter phase": "filter_share",
    "Saving by filters": "filter_part", "Gate threshold": "dead_gate",
    "Epochs for reactivation": "reactivation",
}  # fmt: skip
KINDS = ("number_input", "slider", "selectbox", "segmented_control", "checkbox")


def shown(app) -> set[str]:
    """The settings that the form has a field for."""
    labels = [f.label for kind in KINDS for f in getattr(app, kind)]
    return {name for start, name in FIELDS.items() if any(x.startswith(start) for x in labels)}


@pytest.mark.parametrize("finish", ["target", "found"])
@pytest.mark.parametrize("method", list(METHODS))
def test_the_form_shows_what_method_and_aim_use_and_nothing_else(
    open_page, monkeypatch, method, finish
):
    started: list[Path] = []
    monkeypatch.setattr(queue, "enqueue", lambda path, **_: started.append(path))
    app = form(open_page, method)
    if chooses := "finish" in shown(app):
        field(app, "segmented_control", "How much to prune").set_value(finish).run()
    there = shown(app)
    press(app, "Start")
    asked = read_sparsify_request(started[0]).settings
    check_used(asked, there)
    aims = not chooses or finish == "target"
    assert chooses == (method not in ("ssr_projection", "stripes"))
    assert ("target_reduction" in there, "order" in there) == (aims, chooses and not aims)
    assert ("cutoff" in there) == (method == "group_lasso" and not aims)
    special = {n: methods_with(n) for n in FIELDS.values() if methods_with(n) != tuple(METHODS)}
    own = {n for n, methods in special.items() if method in methods} - {"finish", "cutoff"}
    assert own <= there


def test_a_projection_without_a_strength_does_not_speak_of_one(open_page):
    weights = field(form(open_page, "ssr_projection"), "selectbox", "Layer weighting")
    assert weights.options == ["By mean filter norm", "Equally"]
    assert "strength" not in weights.help


def test_fields_of_the_fine_tuning_go_with_it(open_page, monkeypatch):
    started: list[Path] = []
    monkeypatch.setattr(queue, "enqueue", lambda path, **_: started.append(path))
    app = form(open_page)

    def labels() -> str:
        return " ".join(f.label for kind in KINDS for f in getattr(app, kind))

    assert "distillation loss" in labels()
    field(app, "number_input", "Fine-tuning epochs").set_value(0).run()
    assert not app.exception
    for gone in (*FINER, "Decoupled distillation", "DKD"):
        assert gone not in labels()
    field(app, "number_input", "Training images").set_value(500).run()
    press(app, "Start")
    assert read_sparsify_request(started[0]).settings.train_images == 500


FINER = {  # a field of the fine-tuning, what is put in, and the setting that it is
    "Fine-tuning learning rate": (0.004, "learning_rate"),
    "Weight of the distillation loss": (0.5, "alpha"),
    "Start temperature": (6.0, "temperature_start"),
    "Final temperature": (2.0, "temperature_end"),
    "Temperature schedule": ("adaptive", "schedule"),
    "Standardized logits": (True, "standardize"),
    "Augmented copies per image (0 = new each epoch)": (3, "teacher_views"),
    "Label smoothing": (0.1, "label_smoothing"),
    "Warm-up (share of steps)": (0.2, "warmup"),
    "EMA decay (0 = off)": (0.9, "ema"),
    "Gradient clipping (0 = off)": (2.0, "clip"),
    "Precision": ("bf16-mixed", "precision"),
}
BOTH = {  # fields of both parts
    "Batch size": (32, "batch_size"), "Momentum": (0.8, "momentum"),
    "Weight decay": (0.001, "weight_decay"), "Seed": (7, "seed"),
    "Augmentation": ("none", "augmentation"),
    "Training images (0 = all)": (500, "train_images"),
}  # fmt: skip


def fill(app, values: dict[str, object]) -> None:
    fields = [f for kind in KINDS for f in getattr(app, kind)]
    for label, value in values.items():
        next(f for f in fields if f.label == label).set_value(value)


def test_every_field_of_the_fine_tuning_reaches_it_and_shared_ones_reach_both_parts(
    open_page, monkeypatch
):
    started: list[Path] = []
    monkeypatch.setattr(queue, "enqueue", lambda path, **_: started.append(path))
    app = form(open_page)
    fill(app, {"Decoupled distillation (DKD)": True})
    app.run()
    fill(app, {label: value for label, (value, _) in {**FINER, **BOTH}.items()})
    fill(app, {"DKD: target class": 2.0, "DKD: other classes": 4.0,
               "Fine-tuning epochs": 2})  # fmt: skip
    press(app, "Start")
    asked = {name: value for value, name in {**FINER, **BOTH}.values()}
    run, sparse = read_run(started[0]), read_sparsify_request(started[0]).settings
    assert run.settings == Distillation(epochs=2, dkd=(2, 4), **asked)
    both = {name: value for value, name in BOTH.values()}
    assert {name: getattr(sparse, name) for name in both} == both


def test_every_setting_of_a_fine_tuning_has_a_field_in_both_forms(open_page):
    app = form(open_page)
    here = {f.label for kind in KINDS for f in getattr(app, kind)}
    ways = next(b for b in app.segmented_control if b.label == "Prune and fine-tune")
    ways.set_value("once").run()
    once = {f.label for kind in KINDS for f in getattr(app, kind)}
    assert once - here == {"Processes"}  # there can be but one


def test_fine_tuning_that_cannot_be_is_said_and_cannot_be_started(open_page):
    app = form(open_page)
    fill(app, {"Decoupled distillation (DKD)": True})
    app.run()
    fill(app, {"DKD: target class": 0.0, "DKD: other classes": 0.0})
    app.run()
    assert not app.exception
    assert "(DKD)' is two numbers of 0 or more, one of them above 0" in said(app).replace("\\", "")
    assert next(b for b in app.button if b.label == "Start").disabled


def test_what_cannot_be_trained_is_said_and_cannot_be_started(open_page):
    app = form(open_page, "ssr_l20")
    field(app, "number_input", "Strength").set_value(8.0).run()
    assert "l2,0 does not converge" in said(app).replace("\\", "")
    assert next(b for b in app.button if b.label == "Start").disabled


def test_how_long_it_takes_is_estimated_from_a_run_of_the_same_kind(laid, open_page):
    path = laid(*refreshes(NETWORK))  # 8 lines of 0.5 s for 4 epochs: 1 s an epoch
    (path / "request").write_text("cancel\n")
    assert "about 37 s (estimated from earlier trainings)" in said(form(open_page))


def test_a_run_shows_its_layers_as_they_thin_out(laid, open_page):
    path = laid(*refreshes(NETWORK, upto=4))
    app = watch(open_page("finetune"), path)
    assert story(app)
    last = refreshes(NETWORK, upto=4)[-1]
    assert numbers(app)["Current accuracy"] == "90.0 %"
    saved = 1 - last.macs / cost(NETWORK).macs
    assert next(m.delta for m in app.metric if m.label == "MACs") == f"−{100 * saved:.1f} %"
    assert "measured on 360 test images" in said(app)
    assert not any(b.label == "Open as plan" for b in app.button)


def test_what_was_trained_so_far_can_be_saved_before_anything_was_cut(laid, open_page):
    path = laid(*refreshes(NETWORK, upto=4))
    (path / "request").write_text("cancel\n")
    app = watch(open_page("finetune"), path)
    assert "When stopped" in numbers(app)
    assert not app.get("download_button")
    (path / "sparsifying").mkdir()
    (path / "sparsifying" / "checkpoint-1.safetensors").write_bytes(b"")
    assert len(app.run().get("download_button")) == 1


def test_before_its_first_line_a_run_says_when_its_layers_appear(laid, open_page):
    app = watch(open_page("finetune"), laid())
    assert "after the first 10 steps" in said(app)
    assert not story(app)


def test_a_finished_run_shows_costs_before_and_after_beside_its_curves(laid, open_page):
    path = laid(*refreshes(NETWORK))
    finish(path)
    app = watch(open_page("finetune"), path)
    assert story(app)
    assert "**Sparse training**" in said(app)
    found = numbers(app)
    assert (found["After pruning"], found["Fine-tuned"], found["Activation memory"]) == (
        "80.0 %", "95.0 %", "3.80 kB",
    )  # fmt: skip
    assert "MACs and latency" not in said(app)


def test_counted_macs_and_measured_times_of_stripes_stand_apart(laid, open_page):
    path = laid(*refreshes(NETWORK, stripes=True), method="stripes")
    finish(path, timed=StripeTimes(0.1, 0.3, 0.1, 1, 2, 30))
    app = watch(open_page("finetune"), path)
    counted = next(d.value for d in app.dataframe if "MACs (computed)" in d.value)
    timed = next(d.value for d in app.dataframe if "Latency (measured on this machine)" in d.value)
    assert list(counted["MACs"]) == [160_000, 100_000, 80_000]
    assert list(timed["Forward pass"]) == ["0.100 ms", "0.300 ms", "0.100 ms"]
    assert "changes the counted MACs by −20.0 %" in said(app)
    assert "takes 3.0 times as long" in said(app)
    (layers,) = (d.value for d in app.dataframe if "Saved form" in d.value)
    assert list(layers["Saved form"]) == ["zeros"]
    assert "Smaller kernel" not in layers


def test_a_layer_that_runs_with_a_smaller_window_says_so_with_its_time(laid, open_page):
    path = laid(*refreshes(NETWORK, stripes=True), method="stripes")
    choice = StripeChoice("conv2", 200, 432, 0.02, 0.08, "smaller", (2, 3), 0.01)
    finish(path, timed=StripeTimes(0.1, 0.3, 0.1, 1, 2, 30), choice=choice)
    app = watch(open_page("finetune"), path)
    (layers,) = (d.value for d in app.dataframe if "Saved form" in d.value)
    told = layers.iloc[0]
    assert (told["Smaller kernel"], told["Smaller, ms"], told["Saved form"]) == (
        "2 × 3", 0.01, "smaller kernel",
    )  # fmt: skip


def trained(method: Method) -> tuple:
    """The lines of a training of a moment, the network made sparse, and its plan."""
    from sfp_viz.nets.data.datasets import load_data
    from sfp_viz.nets.io.load import load_model
    from sfp_viz.nets.sparsity.sparse_training import SparseTraining

    settings = sparse_settings(
        method, finish="target", epochs=4, batch_size=32, train_images=64, test_images=32, refresh=1
    )
    images = [load_data("digits", split) for split in ("train", "test")]
    training = SparseTraining(load_model(MODEL), train=images[0], test=images[1], settings=settings)
    lines = tuple(training.records())
    return lines, *training.result()


def lay_trained(laid, method: Method = "ssr_l21") -> Path:
    from sfp_viz.nets.io.model_file import save_model

    lines, model, plan = trained(method)
    path = laid(*lines, method=method)
    save_model(model, path / SPARSE)
    (path / "plan.json").write_text(plan_to_json(plan))
    finish(path)
    return path


@pytest.fixture
def sparse_run(laid):
    return lay_trained(laid)


def test_its_plan_opens_as_one_step_with_the_reason_of_every_filter(sparse_run, open_page):
    app = watch(open_page("finetune"), sparse_run)
    press(app, "Open as plan")
    plan = ended_in(sparse_run)
    session = app.session_state["session"].current
    assert (session.model, session.edits) == (plan.digest, plan.edits)
    again = planned.plan(session.model, session.request)
    assert [(r.group, r.filters) for r in again.removals if r.filters] == [
        (r.group, r.filters) for r in plan.removals
    ]
    app.switch_page("pages/plan.py").run()
    assert not app.exception
    assert "sparse training silenced the others" in said(app)
    assert "uses the weights alone" not in said(app)
    table = next(d.value for d in app.dataframe if "why" in d.value)
    assert all("(SSR, " in why for why in table["why"])
    app.switch_page("pages/explore.py").run()
    assert not app.exception
    fates = next(d.value for d in app.dataframe if "plan" in d.value)["plan"]
    assert any(fate.startswith("pruned: ") and "(SSR, " in fate for fate in fates)
    assert not any("removed manually" in fate for fate in fates)
    assert undo(app).session_state["session"].current.model == MODEL


def test_a_plan_with_stripes_says_which_filters_have_none_left(laid, open_page):
    path = lay_trained(laid, "stripes")
    app = watch(open_page("finetune"), path)
    press(app, "Open as plan")
    app.switch_page("pages/plan.py").run()
    assert not app.exception
    table = next(d.value for d in app.dataframe if "why" in d.value)
    assert all("(multi-granularity)" in why for why in table["why"])


def test_the_page_compare_knows_it_and_opens_its_plan_on_its_own_weights(sparse_run, open_page):
    app = open_page("compare")
    app.session_state[CHOSEN] = (f"run:{sparse_run.name}",)
    app.run()
    assert not app.exception
    assert "SSR, l2,1" in app.dataframe[-1].value["Network"].iloc[-1]
    press(app, "Open plan")
    plan = ended_in(sparse_run)
    session = app.session_state["session"].current
    assert (session.model, session.edits) == (plan.digest, plan.edits)


def test_the_trained_network_can_be_exported_from_its_run(sparse_run, open_page):
    app = press(watch(open_page("finetune"), sparse_run), "Export")
    app.switch_page("pages/export.py").run()
    assert not app.exception
    assert app.radio[0].value == sparse_run.name
    assert "80.0 k MACs" in said(app).replace("\\", "")


def test_no_line_for_a_shell_claims_that_its_plan_leads_to_it(sparse_run, open_page):
    app = open_page("export")
    app.radio[0].set_value(sparse_run.name).run()
    assert "sfp-viz sparsify --help" in said(app)
    file = f"{MODEL}-51pct-fewer-macs-run-{sparse_run.name}.safetensors"
    assert app.code[0].value == f"sfp-viz export {file} --onnx {MODEL}.onnx"
    app.radio[0].set_value("").run()
    assert "sfp-viz prune" in app.code[0].value


def test_a_baseline_is_not_trained_with_the_few_epochs_after_its_cut(sparse_run, open_page):
    assert "With the settings of the quick preset: 15 epochs" in said(open_page("compare"))


def test_a_reason_is_told_only_where_nothing_else_is(sparse_run, open_page):
    app = watch(open_page("finetune"), sparse_run)
    press(app, "Open as plan")
    session, plan = app.session_state["session"].current, ended_in(sparse_run)
    removal = plan.removals[0]
    rest = (Reason("unimportant"),) * (len(removal.filters) - 1)
    plain = replace(removal, reasons=(Reason("by_hand"), *rest))
    told = training_reasons.with_training_reasons(plain, plan.digest)
    assert told.reasons == (removal.reasons[0], *plain.reasons[1:])
    assert training_reasons.with_training_reasons(plain, NETWORK.digest) == plain
    fewer = replace(plan.edits, remove=plan.edits.remove[1:])
    assert training_reasons.applies_to(plan.edits)
    assert not training_reasons.applies_to(fewer)
    group = group_view.loaders.network(session.model).group(removal.group)
    kept = group.size - len(removal.filters)
    assert "sparse training silenced the others" in training_reasons.sentence(
        group, kept, plan.edits
    )
    assert training_reasons.sentence(group, kept, fewer) == ""


def test_a_plan_that_is_not_of_the_weights_beside_it_is_refused(sparse_run, open_page):
    import shutil

    shutil.copy(sample_path(MODEL), sparse_run / SPARSE)
    app = watch(open_page("finetune"), sparse_run)
    press(app, "Open as plan")
    assert "does not match its weights" in said(app)
    assert app.session_state["session"].current.model == MODEL


def test_the_verdict_on_skipping_says_when_it_saves():
    found = Outcome((100, 50), (10, 5), (1, 1), 80, 8)
    faster = sparsify_result.verdict(found, StripeTimes(1.0, 0.8, 0.8, 1, 1, 30))
    slower = sparsify_result.verdict(found, StripeTimes(1.0, 1.5, 1.0, 1, 1, 30))
    assert "takes 20 % less time" in faster
    assert "takes 50 % more time" in slower
    assert "counted MACs by −37.5 %" in slower
