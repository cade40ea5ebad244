"""The Model page: what a network is made of, and opening others; files are never trusted."""

from __future__ import annotations

import io
import pickle

import pytest
import torch

from sfp_viz.errors import EXPORT_LINES
from sfp_viz.nets.io.exported_file import export_pt2
from sfp_viz.nets.io.load import load_model
from tests.pages.page_words import press, said, undo


def weights(state) -> bytes:
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


@pytest.fixture
def offered(open_page):
    """Upload a file, press Open, and give the page back."""

    def offered(name: str, content: bytes):
        app = open_page("model")
        app.file_uploader[0].set_value((name, content, "application/octet-stream")).run()
        return press(app, "Open file")

    return offered


class Code:
    def __reduce__(self):
        return (print, ("code from a file was run",))


def test_the_report_lists_each_layer_with_cost_and_freedom(open_page):
    app = open_page("model")
    table = app.dataframe[0].value
    assert list(table["layer"])[:2] == ["conv1", "conv2"]
    assert list(table["filters"])[:2] == [20, 48]
    assert list(table["MACs"])[:2] == [11_520, 138_240]
    assert list(table["params"])[:2] == [200, 8_688]
    assert set(table["can be pruned"][:2]) == {"yes"}
    assert table["of MACs"].sum() == pytest.approx(100)
    assert "1 × 8 × 8" in said(app)


def test_a_state_dict_is_recognized_and_shown(offered):
    state = load_model("lenet5_digits").module.state_dict()
    app = offered("mine.pt", weights({name: value + 0 for name, value in state.items()}))
    assert not app.error
    assert app.session_state["session"].current.model != "lenet5_digits"
    assert "mine" in said(app.switch_page("app.py").run())


def test_an_exported_program_is_opened_and_its_notes_are_shown(offered, tmp_path):
    model = load_model("lenet5_digits")
    export_pt2(model, tmp_path / "mine.pt2")
    app = offered("mine.pt2", (tmp_path / "mine.pt2").read_bytes())
    assert not app.error
    assert app.session_state["session"].current.model == model.digest
    assert "exported in evaluation mode" in said(app)


def test_the_lines_that_export_any_network_stand_at_the_uploader_and_at_errors(offered):
    app = offered("notes.pt", b"these are not the weights you are looking for")
    assert [code.value for code in app.code if "torch.export" in code.value] == [EXPORT_LINES] * 2
    assert "is not a PyTorch file" in app.error[0].value


def test_opening_can_be_undone(offered):
    state = load_model("lenet5_digits").module.state_dict()
    app = offered("mine.pt", weights(state))
    undo(app)
    assert app.session_state["session"].current.model == "lenet5_digits"


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("text.pt", b"only words", "not a PyTorch file"),
        ("cut.pth", weights({"conv1.weight": torch.zeros(4, 1, 3, 3)})[:200], "incomplete"),
        ("code.pt", pickle.dumps(Code()), "never run"),
        (
            "other.pt",
            weights({"stem.weight": torch.zeros(4, 1, 3, 3)}),
            "fit no known architecture",
        ),
        ("flat.pt", weights({"fc.weight": torch.zeros(4, 3)}), "no 2-D convolution"),
        ("cut.safetensors", b"\x00" * 20, "cannot be read as safetensors"),
    ],
)
def test_a_bad_file_gets_one_sentence_and_leaves_the_app_as_it_was(
    offered, capfd, name, content, sentence
):
    app = offered(name, content)
    assert len(app.error) == 1
    assert sentence in app.error[0].value.replace("\\", "")
    assert app.session_state["session"].current.model == "lenet5_digits"
    assert "code from a file" not in capfd.readouterr().out


@pytest.mark.parametrize("side", [-5, 0, 7, 100_000])
def test_an_image_side_that_cannot_be_is_said_and_nothing_is_built(open_page, side):
    app = open_page("model")
    where = next(c for c in app.get("button_group") if "By name" in str(c.options))
    where.set_value("By name").run()
    field = next(f for f in app.number_input if f.label == "Image size in pixels")
    field.set_value(side).run()
    assert f"from 8 to 1,024, not {side:,}" in app.error[0].value
    assert next(b for b in app.button if b.label == "Build").disabled
    assert app.session_state["session"].current.model == "lenet5_digits"
    field.set_value(64).run()
    assert not app.error
    assert not next(b for b in app.button if b.label == "Build").disabled


def test_a_size_of_images_that_cannot_be_is_said_and_the_file_stays_closed(open_page):
    app = open_page("model")
    content = weights(load_model("lenet5_digits").module.state_dict())
    app.file_uploader[0].set_value(("mine.pt", content, "application/octet-stream")).run()
    app.checkbox(key="own size").check().run()
    app.number_input(key="channels").set_value(0).run()
    assert "The number of channels must be from 1 to 16, not 0." in app.error[0].value
    assert app.button(key="open file").disabled


def test_a_hostile_file_name_is_neither_path_nor_markup(offered, workspace):
    app = offered("../../<b>evil</b>**.pt", b"only words")
    assert len(app.error) == 1
    assert "<b>" not in app.error[0].value
    assert "/" not in app.error[0].value.split("is not a PyTorch")[0]


def test_the_baseline_is_measured_on_a_click_and_says_on_what(open_page):
    app = press(open_page("model"), "Measure accuracy")
    assert "** accuracy on 360 test images (measured" in said(app)


def test_data_that_are_not_here_are_said_to_be_missing(open_page, workspace, monkeypatch):
    from sfp_viz.nets.data import datasets

    monkeypatch.setattr(datasets, "available", lambda name, split: False)
    assert "is not on this machine" in said(open_page("model"))


def test_a_stored_network_that_was_damaged_leaves_a_way_on(unopened, workspace):
    from sfp_viz.nets.io import model_store
    from sfp_viz.ui.session.history import History
    from sfp_viz.ui.session.state import Session

    key = model_store.import_model(workspace, load_model("lenet5_digits"))
    (workspace / "models" / key / "reading.json").write_text("{")
    app = unopened
    app.session_state["session"] = History(Session(model=key))
    app.run()
    app.switch_page("pages/model.py").run()
    assert not app.exception
    press(app, "Open the sample network")
    assert app.session_state["session"].current.model == "lenet5_digits"


def test_an_architecture_of_ours_is_built_by_name_at_its_own_size(open_page):
    app = open_page("model")
    app.button_group[0].set_value("By name").run()
    app.selectbox(key="by name").set_value("cifar_alexnet").run()
    press(app, "Build")
    assert not app.error
    table = app.dataframe[0].value
    told = dict(zip(table["layer"], table["one filter"], strict=True))
    assert told["classifier.1"] == "256 × 2 × 2"
    assert told["classifier.4"] == "1,024 inputs"
    assert "3 × 32 × 32" in said(app)


def unknown_network():
    torch.manual_seed(0)
    first, second = torch.randn(12, 3, 3, 3), torch.randn(8, 12, 3, 3)
    return {"encoder.0.weight": first, "encoder.3.weight": second}


PAGES = ["explore", "plan", "check", "finetune", "compare", "export", "start"]


@pytest.mark.parametrize("page", PAGES)
def test_weights_without_a_network_open_for_exploring_and_say_what_would_cut_them(offered, page):
    app = offered("mine.pth.tar", weights(unknown_network()))
    assert not app.error
    assert "These weights can be explored" in app.subheader[0].value
    assert "torch.export.save" in app.code[0].value
    app.switch_page(f"pages/{page}.py").run()
    assert not app.exception
    assert not app.error
    if page in ("plan", "check", "finetune", "export"):
        assert "weights without their network" in app.info[0].value
        assert "torch.export.save" in app.code[0].value


def test_a_file_that_was_recognized_says_which_name_went_where(offered):
    state = load_model("lenet5_digits").module.state_dict()
    words = {"conv1": "first", "conv2": "second", "fc1": "hidden", "fc2": "out"}
    renamed = {f"{words[n.split('.')[0]]}.{n.split('.')[1]}": t + 0 for n, t in state.items()}
    app = offered("mine.ckpt", weights({"state_dict": renamed, "epoch": 3}))
    assert not app.error
    table = next(frame.value for frame in app.dataframe if "in the file" in frame.value)
    assert list(table.iloc[0]) == ["first.weight", "conv1.weight"]


def test_preprocessing_is_measured_at_once_and_can_be_set(offered):
    state = load_model("lenet5_digits").module.state_dict()
    app = offered("mine.pth", weights(dict(state)))
    table = next(frame.value for frame in app.dataframe if "95 % interval" in frame.value)
    assert table["preprocessing"][0].endswith("(now)")
    chosen = next(box for box in app.selectbox if box.label == "Pixels from 0 to 1")
    chosen.set_value("raw").run()
    press(app, "Set")
    assert not app.exception
    key = app.session_state["session"].current.model
    from sfp_viz.nets.io.model_store import load_stored
    from sfp_viz.runs.folder import home

    assert load_stored(home(), key).mean == (0.0,)
    assert "minus 0" in said(app)
