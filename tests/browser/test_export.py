"""Each form of the Export page is made, downloaded and opened; quantization can be cancelled."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import expect

from tests.browser.acting import go, still

FORMS = {
    "state_dict": 3,
    "pt2": 1,
    "onnx": 1,
    "int8": 1,
    "nodes": 3,
}  # files of each


@pytest.fixture
def export_page(page):
    page.goto("/")
    expect(page.get_by_text("LeNet-5-like on digits").first).to_be_visible()
    still(page)
    go(page, "Export")
    return page


def download(page, key):
    link = page.locator(f".st-key-{key} button")
    expect(link).to_be_visible(timeout=180_000)
    still(page)
    with page.expect_download() as waiting:
        link.click()
    return waiting.value


@pytest.mark.parametrize("kind", FORMS)
def test_each_form_is_downloaded_and_opens(export_page, kind, tmp_path):
    page = export_page
    page.locator(f".st-key-make_{kind} button").click()
    files = []
    for number in range(FORMS[kind]):
        taken = download(page, f"take_{kind}{number or ''}")
        files.append(tmp_path / taken.suggested_filename)
        taken.save_as(files[-1])
    opens(kind, files)


def opens(kind, files):
    """Read the files of a form with the program that they are for."""
    import onnxruntime
    import torch

    images = torch.zeros(3, 1, 8, 8)
    if kind == "state_dict":
        weights, plain, code = files
        namespace: dict = {}
        exec(code.read_text(), namespace)
        for file in (weights, plain):
            assert namespace["load_network"](file)(images).shape == (3, 10)
    elif kind == "pt2":
        assert torch.export.load(files[0]).module()(images).shape == (3, 10)
    elif kind == "nodes":
        for file in files:
            assert json.loads(file.read_text())["graph"]["results"]
    else:
        session = onnxruntime.InferenceSession(files[0].read_bytes())
        assert session.run(None, {"images": images.numpy()})[0].shape == (3, 10)
