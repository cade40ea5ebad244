"""The command line does what the app does: the whole path on the digits network."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from sfp_viz import cli
from sfp_viz.cli.commands import runs
from sfp_viz.cli.output.text import fact_list, table
from sfp_viz.runs.storage.facts import training_facts
from sfp_viz.runs.storage.processes import ROOT
from tests.shell import NET, call, value


@pytest.fixture(autouse=True)
def _workspace(shell) -> None:
    """Each test has a folder and a workspace of its own."""


def test_the_whole_path_from_a_shell():
    planned = value("plan", NET, "--target", "0.5", "-o", "plan.json")
    assert planned["computed"]["after"]["macs"] <= planned["computed"]["before"]["macs"] / 2

    pruned = value("prune", "plan.json", "--data", "digits", "-o", "slim.safetensors")
    assert pruned["counted"]["macs"][1] == planned["computed"]["after"]["macs"]
    assert pruned["counted"]["params"][1] == planned["computed"]["after"]["params"]
    assert pruned["measured"]["unpruned"]["accuracy"] > 0.95
    stages = pruned["measured"]["stages"]
    assert [stage["stage"] for stage in stages] == ["unpruned", "cut"]
    assert stages[-1]["accuracy"] == pruned["measured"]["one_shot"]["accuracy"]
    assert pruned["bytes"] == Path("slim.safetensors").stat().st_size

    words = ["finetune", "slim.safetensors", "--teacher", NET, "--data", "digits", "--run", "tuned"]
    done = call(*words, "--epochs", "2")
    assert "2/2" in done.output
    assert "fine-tuned" in done.output
    assert "already" in call(*words, status=1).stderr

    shown = value("runs", "show", "tuned")
    assert (shown["state"], shown["plan"], len(shown["history"])) == (
        "finished",
        planned["plan"],
        2,
    )
    assert (shown["facts"]["model"], shown["facts"]["plan"]) == (NET, planned["plan"])
    assert shown["facts"].keys() == training_facts(digest="", recipe=None).keys()
    assert 0 < shown["facts"]["params"] < shown["facts"]["params_before"]
    one_shot = pruned["measured"]["one_shot"]["accuracy"]
    assert shown["before"]["one_shot"] == pytest.approx(one_shot)
    assert [run["run"] for run in json.loads(call("runs", "list", "--json").stdout)] == ["tuned"]
    assert "tuned" in call("runs", "list").output

    measured = value("measure", shown["student"], "--latency")
    assert measured["measured"]["accuracy"] == shown["result"]["accuracy"]
    assert measured["measured"]["latency_ms"] > 0

    call("export", shown["student"], "--safetensors", "out.safetensors", "--recipe", "r.json")
    again = value("plan", NET, "--recipe", "r.json")
    assert again["plan"] == planned["plan"]

    call("runs", "delete", "tuned", "--yes")
    assert "No runs" in call("runs", "list").output


def test_a_background_run_goes_on_by_itself_and_can_be_cancelled_resumed_and_deleted(tmp_path):
    call("plan", NET, "-o", "plan.json")
    call("prune", "plan.json", "-o", "slim.safetensors")
    words = ["--teacher", NET, "--run", "./there", "--background", "--epochs", "4000"]
    assert value("finetune", "slim.safetensors", *words)["path"] == str(tmp_path / "there")
    wait = time.monotonic() + 60
    while value("runs", "show", "there")["epochs"] < 1 and time.monotonic() < wait:
        time.sleep(0.1)
    assert "Cancel it first" in call("runs", "delete", "there", "--yes", status=1).stderr
    assert value("runs", "cancel", "there")["state"] == "cancelled"
    assert value("runs", "resume", "there")["state"] in ("waiting", "running")
    assert value("runs", "cancel", "there")["state"] == "cancelled"
    call("runs", "delete", "there", "--yes")
    assert not (tmp_path / "there").exists()


def test_analyze_says_what_each_group_can_lose_and_why():
    found = value("analyze", NET, "--target", "0.4", "--set", "gamma=1", "--set", "rounding=4")
    assert {g["kept"] % 4 for g in found["groups"]} == {0}
    assert all(0 <= g["dispersion"] <= 1 and g["why"] for g in found["groups"])
    text = call("analyze", NET, "--why").output
    assert "dispersion" in text
    assert "computed" in text
    assert "filters are kept" in text


def test_a_target_out_of_reach_is_explained_beside_the_analysis():
    assert "cannot be reached" in call("analyze", NET, "--target", "0.99").output
    assert "cannot be reached" in call("plan", NET, "--target", "0.99", status=1).stderr


def test_ratios_and_locks_by_hand_are_in_the_plan():
    found = value("plan", NET, "--ratio", "conv1=0.3", "--protect", "conv2", "--target", "0.05")
    assert len(found["removed"]["conv1"]) == 6
    assert "conv2" not in found["removed"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["analyze", "nothing-here"], "nothing-here"),
        (["plan", NET, "--set", "gamma=much"], "gamma is a number"),
        (["plan", NET, "--set", "color=red"], "keys: target_reduction"),
        (["plan", NET, "--ratio", "conv1"], "not a ratio"),
        (["plan", NET, "--ratio", "conv9=0.1"], "no group called 'conv9'"),
        (["plan", NET, "--recipe", "x.json"], "named ones are default, similarity"),
        (["plan", NET, "--edits", "missing.json"], "cannot be read"),
        (["prune", "missing.json", "-o", "x.safetensors"], "cannot be read"),
        (["finetune", NET, "--background"], "--teacher NET"),
        (["finetune", NET, "--alpha", "2", "--background"], "alpha"),
        (["export", NET, "--recipe", "r.json"], "never pruned"),
        (["runs", "show", "nothing"], "No run is called 'nothing'"),
    ],
    ids=lambda x: " ".join(x) if isinstance(x, list) else "",
)
def test_a_mistake_gets_one_clear_line_and_status_1(words, says):
    result = call(*words, status=1)
    assert says in result.stderr
    assert result.stderr.startswith("Error: ")
    assert len(result.stderr.splitlines()) == 1


def test_a_plan_of_unknown_weights_asks_for_the_network():
    call("plan", NET, "-o", "plan.json")
    text = Path("plan.json").read_text().replace(value("analyze", NET)["digest"], "0" * 16)
    Path("plan.json").write_text(text)
    result = call("prune", "plan.json", "-o", "x.safetensors", status=1)
    assert "--model NET" in result.stderr


def test_an_imported_network_is_named_by_its_digest():
    call("plan", NET, "-o", "plan.json")
    call("prune", "plan.json", "-o", "slim.safetensors")
    digest = value("import", "slim.safetensors")["digest"]
    listed = {m["net"]: m["kind"] for m in json.loads(call("models", "--json").stdout)}
    assert listed == {**listed, NET: "sample", digest: "imported"}
    second = value("plan", digest, "--target", "0.2", "-o", "second.json")
    assert second["digest"] == digest
    call("prune", "second.json", "-o", "slimmer.safetensors")
    sizes = [Path(p).stat().st_size for p in ("slim.safetensors", "slimmer.safetensors")]
    assert sizes[1] < sizes[0]


def test_an_imported_network_is_renamed_measured_and_deleted():
    call("export", NET, "--safetensors", "mine.safetensors")
    digest = value("import", "mine.safetensors", "--preprocessing", "0.1/0.9", "--name", "x")[
        "digest"
    ]
    assert value("models", "rename", digest, "my net") == {"digest": digest, "name": "my net"}
    assert "my net" in call("models").stdout
    measured = value("preprocessing", digest, "--data", "digits", "--limit", "200")
    assert {entry["name"] for entry in measured["measured"]} >= {"", "raw", "half", "mnist"}
    assert not measured["digest"]
    call("preprocessing", digest, "--set", "half")
    assert value("preprocessing", digest, "--data", "digits")["measured"][0]["name"] == "half"
    assert "half" in call("preprocessing", digest, "--set", "nonsense", status=1).stderr
    call("models", "delete", digest)
    assert digest not in call("models").stdout


def test_the_named_data_say_whether_they_are_here():
    assert value("data")["digits"] is True


def test_every_command_has_help_and_json():
    def leaves(group, words):
        for name, command in group.commands.items():
            if hasattr(command, "commands"):
                yield from leaves(command, [*words, name])
            else:
                yield [*words, name], command

    for words, _ in leaves(cli.main, []):
        output = call(*words, "--help").output
        assert words == ["app"] or "--json" in output, words


def test_the_app_is_started_on_this_machine_alone_and_keeps_the_workspace(monkeypatch, tmp_path):
    started = []
    monkeypatch.setattr(runs.os, "execv", lambda program, words: started.append(words))
    monkeypatch.setattr(runs.os, "chdir", lambda folder: started.append(folder))
    monkeypatch.setattr(Path, "is_file", lambda path: True)
    call("app", "--no-browser", "--port", "8600")
    folder, words = started
    assert folder == ROOT
    assert words[1:5] == ["-m", "streamlit", "run", str(ROOT / "app.py")]
    assert "--server.address=127.0.0.1" in words
    assert "--browser.gatherUsageStats=false" in words
    assert "--server.port=8600" in words
    assert os.environ["SFP_VIZ_HOME"] == str(tmp_path / "home")


def test_tables_align_numbers_to_the_right_and_words_to_the_left():
    text = table(("name", "n"), [("a", 1), ("long name", 12345)])
    assert text.splitlines() == ["name            n", "a               1", "long name  12,345"]
    assert fact_list([("a", 1), ("none", None), ("b c", "x")]) == "a    1\nb c  x"
