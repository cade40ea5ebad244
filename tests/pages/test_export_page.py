"""Export: each form has a button, and the file that it downloads opens."""

from __future__ import annotations

import io
import json

import pytest
import torch

from sfp_viz.core.network import Network
from sfp_viz.core.plan.plan import plan_from_json, recipe_from_json
from sfp_viz.nets.io.model_store import import_model
from sfp_viz.nets.model import Model
from sfp_viz.nets.zoo.build import build
from sfp_viz.ui import export, image_field
from sfp_viz.ui.session.history import History
from sfp_viz.ui.session.state import Session
from tests.pages.page_words import said
from tests.tiny import randomize


@pytest.fixture
def downloads(monkeypatch) -> dict[str, tuple[str, bytes]]:
    """Name and content of what each download button holds, by its key, as far as it is drawn."""
    drawn = {}

    def button(label, content, *_, key, file_name, **more):
        content = content() if callable(content) and not more.get("disabled") else content
        content = content.encode() if isinstance(content, str) else content
        drawn[key] = (file_name, content)

    monkeypatch.setattr(export.st, "download_button", button)
    return drawn


def with_session(app, **fields):
    app.session_state["session"] = History(Session(**fields))
    app.run()
    assert not app.exception
    return app


def click(app, key):
    app.button(key=key).click().run(timeout=120)
    assert not app.exception
    assert not app.error
    return app


def test_every_form_can_be_downloaded_and_opens(open_page, downloads, tmp_path):
    import onnx
    from safetensors.torch import load

    from sfp_viz.nets.io.load import load_model

    app = open_page("export")
    for key in ("make_state_dict", "make_pt2", "make_onnx", "make_int8", "make_nodes"):
        click(app, key)
    files = {key: tmp_path / name for key, (name, _) in downloads.items()}
    for key, (_, content) in downloads.items():
        files[key].write_bytes(content)
    images = torch.randn(3, 1, 8, 8)
    network = load_model(files["take_weights"]).module.eval()
    expected = network(images)

    state = torch.load(files["take_state_dict"], weights_only=True)
    plain = load(downloads["take_state_dict1"][1])
    assert set(state) == set(plain) == set(network.state_dict())
    code = downloads["take_state_dict2"][1].decode()
    assert code.strip() == app.code[0].value.strip()
    namespace: dict = {}
    exec(code, namespace)
    for key in ("take_state_dict", "take_state_dict1"):
        assert torch.equal(namespace["load_network"](files[key])(images), expected)

    program = torch.export.load(io.BytesIO(downloads["take_pt2"][1])).module()
    assert torch.allclose(program(images), expected, atol=1e-5)
    for key in ("take_onnx", "take_int8"):
        onnx.checker.check_model(onnx.load_from_string(downloads[key][1]))
    assert downloads["take_int8"][0].endswith(".int8.onnx")
    kept = json.loads(downloads["take_nodes"][1])["graph"]["results"]
    assert 0 < kept["conv2d_1"]["value"] < 1

    recipe = recipe_from_json(downloads["take_recipe"][1].decode())
    assert plan_from_json(downloads["take_plan"][1].decode()).recipe == recipe
    text = said(app).replace("\\", "")
    assert text.count("Run at batches of 1, 3 and 32") == 4
    assert "In onnxruntime on 360 images of digits, test" in text
    table = next(d.value for d in app.dataframe if "int8" in d.value).set_index("Measured")
    assert list(table.index) == ["Size", "Accuracy", "95 % interval", "Latency", "Quartiles"]
    assert table.loc["Accuracy"].str.endswith(" %").all()


def test_a_file_that_differs_is_not_offered_and_the_reason_is_shown(
    open_page, downloads, monkeypatch
):
    from sfp_viz.nets.export import onnx_file

    right = onnx_file.runner
    monkeypatch.setattr(onnx_file, "runner",
                        lambda session: lambda images: [2 * right(session)(images)[0]])  # fmt: skip
    app = open_page("export")
    app.button(key="make_onnx").click().run(timeout=120)
    assert "differs from the network by 1 of the outputs" in app.error[0].value.replace("\\", "")
    assert "take_onnx" not in downloads


def test_images_are_offered_where_they_fit_and_export_does_not_depend_on_them(
    open_page, workspace, downloads
):
    module = randomize(build("cifar_resnet", {"blocks": 1}))
    model = Model(module, name="large", input_shape=(3, 64, 64), architecture="cifar_resnet",
                  arguments={"blocks": 1}, data="digits")  # fmt: skip
    key = import_model(workspace, model)
    app = with_session(open_page("export"), model=key)
    field = app.selectbox(key="export_images")
    assert field.options == ["digits"]  # what the file says, and nothing else fits
    assert "The images 'digits' are 1 × 8 × 8, but the network takes 3 × 64 × 64" in said(
        app
    ).replace("\\", "")
    assert app.button(key="make_int8").disabled
    click(app, "make_onnx")
    assert downloads["take_onnx"][1]


def test_known_data_sets_are_offered_by_size():
    def offered(*shape):
        network = Network("net", "", shape, (), (), ())
        return [name for name in image_field.NAMES if not image_field._misfit(network, name)]

    assert offered(1, 8, 8) == ["digits"]
    assert offered(3, 32, 32) == ["cifar10", "cifar100"]
    assert offered(3, 224, 224) == []
