"""From the first screen to a fine-tuned, downloaded file which loads and is really smaller."""

from __future__ import annotations

import json
import re

import numpy as np
from playwright.sync_api import expect

from tests.browser.acting import button, go, press, still


def download(page, button):
    with page.expect_download() as waiting:
        button.click()
    return waiting.value.path()


def draw_a_loop(page, canvas):
    """Lasso the middle of the map with the mouse."""
    box = canvas.bounding_box()
    left, top = box["x"] + box["width"] * 0.2, box["y"] + box["height"] * 0.2
    right, low = box["x"] + box["width"] * 0.8, box["y"] + box["height"] * 0.8
    page.mouse.move(left, top)
    page.mouse.down()
    for x, y in ((right, top), (right, low), (left, low), (left, top)):
        page.mouse.move(x, y, steps=8)
    page.mouse.up()


def test_from_the_first_screen_to_a_smaller_network_in_the_hand(page, tmp_path):
    page.goto("/")
    expect(page.locator("canvas").first).to_be_visible()
    expect(page.get_by_text("LeNet-5-like on digits").first).to_be_visible()
    still(page)
    uncut = page.get_by_test_id("budget-macs").inner_text()

    # Explore: a lasso chooses filters, and the table twin knows them.
    go(page, "Explore")
    expect(page.get_by_text(re.compile(r"0 of 48")).first).to_be_visible()
    draw_a_loop(page, page.locator(".map canvas").first)
    expect(page.get_by_text(re.compile(r"[1-9]\d* of 48")).first).to_be_visible()

    # Plan: a bar is moved; the exact cost follows; undo brings it back; a reload loses nothing.
    go(page, "Plan")
    edge = page.get_by_role("slider", name="Filters kept in conv2")
    suggested = page.get_by_test_id("budget-macs").inner_text()
    assert suggested == uncut
    edge.focus()
    for _ in range(4):
        edge.press("ArrowLeft")
    expect(page.get_by_test_id("budget-macs")).not_to_have_text(suggested)
    still(page)
    press(page, button(page, "Undo"))
    expect(page.get_by_test_id("budget-macs")).to_have_text(suggested)
    press(page, button(page, "Redo"))
    expect(page.get_by_test_id("budget-macs")).not_to_have_text(suggested)
    still(page)
    by_hand = page.get_by_test_id("budget-macs").inner_text()
    page.reload()
    still(page)
    expect(page.get_by_test_id("budget-macs")).to_have_text(by_hand)

    # Check: pruned for real, measured before and after.
    go(page, "Check")
    press(page, button(page, "Prune and measure"))
    expect(page.get_by_text("one-shot", exact=False).first).to_be_visible(timeout=120_000)
    still(page)

    # Fine-tune: in the background; a refresh does not disturb it.
    go(page, "Fine-tune")
    page.get_by_label("Epochs", exact=True).fill("3")
    page.get_by_label("Epochs", exact=True).press("Tab")
    press(page, page.get_by_role("button", name="Start", exact=True))
    expect(button(page, "Delete").or_(button(page, "Cancel"))).to_have_count(1, timeout=180_000)
    page.reload()
    finished = page.locator(".stMarkdownBadge").get_by_text("Finished", exact=True)
    expect(finished).to_have_count(1, timeout=240_000)
    still(page)

    # Compare: the baselines stand beside the plan.
    go(page, "Compare")
    press(page, button(page, "Measure one-shot accuracies"))
    expect(page.locator(".js-plotly-plot").first).to_be_visible(timeout=180_000)
    said = re.compile("This plan is .* points (above|below)|No clear winner|No winner is named")
    expect(page.get_by_text(said).first).to_be_visible(timeout=120_000)  # only once measured
    still(page)

    # Export: the files hold what the plan says.
    go(page, "Export")
    weights = download(page, page.get_by_test_id("stDownloadButton").first.locator("button"))
    page.locator(".st-key-make_onnx button").click()
    onnx_button = page.locator(".st-key-take_onnx button")
    expect(onnx_button).to_be_visible(timeout=180_000)
    onnx = download(page, onnx_button)
    plan = download(page, page.get_by_role("button", name=re.compile(r"Plan")).last)
    check_files(weights, onnx, plan)


def check_files(weights, onnx, plan):
    """The file loads, has the planned widths, is smaller, and ONNX agrees with it."""
    import onnxruntime
    import torch

    import sfp_viz as sfp
    from sfp_viz.core.plan.plan import plan_from_json

    cut = plan_from_json(plan.read_text())
    whole, small = sfp.load_model("lenet5_digits"), sfp.load_model(str(with_suffix(weights)))
    removed = {removal.group: len(removal.filters) for removal in cut.removals}
    assert removed.get("conv2", 0) > 24, "the edit by hand is in the plan"
    assert small.module.conv1.out_channels == 20 - removed.get("conv1", 0)
    assert small.module.conv2.out_channels == 48 - removed["conv2"]
    assert small.module.fc1.in_features == 4 * small.module.conv2.out_channels
    assert json.loads(plan.read_text())["digest"] == whole.digest
    assert weights.stat().st_size < 0.7 * sum(
        tensor.numel() * 4 for tensor in whole.module.state_dict().values()
    )
    accuracy = sfp.measure_accuracy(small, sfp.load_data("digits", "test")).accuracy
    assert accuracy is not None
    assert accuracy > 0.9
    pixels = torch.from_numpy(sfp.load_data("digits", "test").pixels[:5].copy())
    images = small.normalize(pixels)
    session = onnxruntime.InferenceSession(onnx.read_bytes())
    told = session.run(None, {session.get_inputs()[0].name: images.numpy()})[0]
    with torch.no_grad():
        ours = small.module(images).numpy()
    assert np.abs(told - ours).max() < 1e-4


def with_suffix(path):
    named = path.with_name(path.name + ".safetensors")
    named.write_bytes(path.read_bytes())
    return named
