"""Pruning while training from a shell: started, followed, shown, and refused in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sfp_viz.cli.commands.sparsify import sparsify
from sfp_viz.core.cost.cost import cost
from sfp_viz.nets.io.samples import sample_network
from sfp_viz.runs.folder import home, list_runs, read_run
from sfp_viz.runs.storage.facts import training_facts
from sfp_viz.runs.storage.sparsify import read_sparsify_request
from tests.shell import NET, call, value

pytestmark = pytest.mark.usefixtures("put_in_line")
QUICK = [
    "--epochs", "2", "--tune-epochs", "1", "--batch-size", "64", "--train-images", "100",
    "--test-images", "100", "--refresh", "1",
]  # fmt: skip


def test_filters_go_down_to_the_target_and_the_card_says_what_it_costs():
    words = ["sparsify", NET, "--method", "ssr_l20", "--target", "0.4", *QUICK]
    done = value(*words, "--learning-rate", "0.01", "--set", "settle=0.4")
    assert (done["kind"], done["state"], done["epochs"]) == ("sparsify", "finished", 1)
    assert done["settings"]["learning_rate"] == 0.0025
    whole, outcome = cost(sample_network(NET)), done["sparse"]["outcome"]
    assert outcome["macs"][0] == whole.macs
    assert outcome["macs"][1] <= 0.6 * whole.macs
    assert outcome["activation_bytes"][0] == whole.peak_activation_bytes
    asked = read_sparsify_request(Path(done["path"])).settings
    assert (asked.method, asked.finish, asked.settle) == ("ssr_l20", "target", 0.4)
    assert (asked.learning_rate, asked.augmentation) == (0.01, "shift")
    shown = call("runs", "show", done["run"]).output
    for words in ("SSR, l2,0", "peak activations", "computed", "epochs  ", "3 of 3", "2/2", "1/1"):
        assert words in " ".join(shown.split()) or words in shown
    history = value("runs", "show", done["run"])["sparse"]["history"]
    assert [line["step"] for line in history] == [1, 2, 3, 4]


def test_stripes_come_with_their_warning_and_both_numbers_side_by_side():
    words = ["sparsify", NET, "--method", "stripes", *QUICK, "--epochs", "3", "--tune-epochs", "0"]
    told = call(*words)
    assert "usually slower on a CPU" in told.stderr
    card = told.stdout.splitlines()
    zeros = next(line for line in card if line.startswith("dead stripes as zeros"))
    skipped = next(line for line in card if line.startswith("all skipped"))
    for words in (zeros, skipped):
        assert "(computed)" in words
        assert "measured)" in words
        assert "threads" in words
    assert any(line.startswith("kept") for line in card)
    assert any(line.startswith("accuracy") for line in card)
    assert not any(line.startswith("fine-tuned") for line in card)


def test_the_result_goes_to_onnx_with_its_stripes_skipped_or_as_zeros(tmp_path):
    from sfp_viz.nets.stripes.striped_file import load_striped
    from sfp_viz.nets.stripes.striped_model import stripe_layers

    words = ["sparsify", NET, "--method", "stripes", *QUICK, "--epochs", "3", "--tune-epochs", "0"]
    student = value(*words)["student"]
    sizes = {}
    for how in ("kept", "all", "zeros"):
        file = tmp_path / f"{how}.onnx"
        found = value("export", student, "--onnx", file, "--stripes", how)
        assert found[str(file)]["difference"] <= 1e-4
        sizes[how] = found[str(file)]["bytes"]
    assert sizes["all"] != sizes["zeros"]
    again = tmp_path / "again.safetensors"
    call("export", student, "--safetensors", again, "--stripes", "all")
    assert stripe_layers(load_striped(again))


def test_a_window_with_a_dead_border_is_exported_smaller_and_stays_so(tmp_path):
    from sfp_viz.nets.io.load import load_model
    from sfp_viz.nets.io.model_file import save_model
    from sfp_viz.nets.stripes.striped_file import load_striped
    from sfp_viz.nets.stripes.striped_model import cropped_layers

    model = load_model(NET)
    model.module.get_submodule("conv2").weight.data[:, :, 0] = 0
    files = [str(tmp_path / f"{name}.safetensors") for name in ("zeros", "smaller", "again")]
    save_model(model.with_module(model.module), files[0])
    call("export", files[0], "--safetensors", files[1], "--stripes", "smaller")
    assert cropped_layers(load_striped(files[1])) == ("conv2",)
    call("export", files[1], "--safetensors", files[2])  # as its file says
    assert cropped_layers(load_striped(files[2])) == ("conv2",)
    onnx = str(tmp_path / "net.onnx")
    found = value("export", files[2], "--onnx", onnx)[onnx]
    plain = value("export", files[2], "--onnx", onnx, "--stripes", "zeros")[onnx]
    assert max(found["difference"], plain["difference"]) <= 1e-4
    assert found["bytes"] < plain["bytes"]


def test_the_card_counts_layers_that_skip_and_those_with_smaller_windows():
    words = ["sparsify", NET, "--method", "stripes", *QUICK, "--epochs", "3", "--tune-epochs", "0"]
    found = value(*words)
    file = Path(found["path"]) / "outcome.json"
    outcome = json.loads(file.read_text())
    kinds = ("stripes", "smaller", "dense")
    outcome["choices"] = [outcome["choices"][0] | {"kind": kind} for kind in kinds]
    file.write_text(json.dumps(outcome))
    card = call("runs", "show", found["run"]).stdout
    assert "1 of 3 layers skip dead stripes and 1 use a smaller kernel, the fastest" in card


def test_in_the_background_it_waits_in_line_with_its_facts(put_in_line):
    begun = value("sparsify", NET, *QUICK, "--background")
    assert put_in_line == [home() / "runs" / begun["run"]]
    facts = read_run(put_in_line[0]).facts
    assert training_facts(digest="", recipe=None).keys() <= facts.keys()
    assert (facts["model"], facts["recipe"]) == (NET, "ssr_l21")
    assert facts["macs_before"] == cost(sample_network(NET)).macs
    assert "sparsify" in call("runs", "list", "--kind", "sparsify").output


def test_help_warns_of_stripes_before_they_are_chosen():
    text = " ".join(call("sparsify", "--help").output.split())
    assert text.index("usually slower on a CPU") < text.index("--method")
    assert "sparsify" in call("--help").output


def test_help_puts_every_option_under_the_heading_of_what_it_is_for():
    text = call("sparsify", "--help").output
    heads = ["Pruning:", "Both phases:", "Fine-tuning after pruning:", "The run:"]
    starts = [text.index(head) for head in heads]
    assert starts == sorted(starts)
    parts = [text[a:b] for a, b in zip(starts, [*starts[1:], None], strict=True)]
    of = {
        option: [head for head, part in zip(heads, parts, strict=True) if f"{option} " in part]
        for option in ("--method", "--epochs", "--seed", "--dkd", "--tune-epochs", "--json")
    }  # fmt: skip
    assert of == {
        "--method": heads[:1], "--epochs": heads[:1], "--seed": heads[1:2], "--dkd": heads[2:3],
        "--tune-epochs": heads[2:3], "--json": heads[3:],
    }  # fmt: skip
    assert "-h, --help" in parts[3]
    every = {option for param in sparsify.params for option in param.opts if "--" in option}
    assert all(f"  {option}" in text for option in every)
    assert "  NET" not in text


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--rho", "0"], "rho"),
        (["--order", "layers"], "whole network"),
        (["--set", "colour=1"], "not a setting"),
        (["--set", "weights=heavy"], "heavy"),
        (["--method", "ssr_l20", "--strength", "8"], "converge"),
        (["--method", "stripes", "--rho", "2"], "stripes has no use for rho"),
        (["--method", "stripes", "--finish", "target"], "no use for finish"),
        (["--method", "proximal", "--growth", "1.1"], "proximal has no use for growth"),
        (["--method", "ssr_projection", "--strength", "1"], "no use for strength"),
        (["--set", "dead_gate=0.1"], "which is for stripes"),
        (["--finish", "found", "--target", "0.4"], "a target does nothing"),
        (["--tune-epochs", "0", "--temperature", "4", "1"], "--temperature is for the fine-tuning"),
    ],
    ids=lambda x: " ".join(x) if isinstance(x, list) else "",
)
def test_what_makes_no_sense_is_said_in_one_line_before_anything_starts(words, says):
    result = call("sparsify", NET, *words, status=1)
    assert says in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert list_runs(home()) == ()
