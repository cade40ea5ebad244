"""Runs in steps and sweeps from a shell: started, followed, shown, and refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from sfp_viz.cli.commands.steps_and_sweep import SweepOptions
from sfp_viz.core.cost.cost import cost
from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.interchange import edits_to_json
from sfp_viz.core.plan.recipe import uniform_l1
from sfp_viz.core.selection.iterative_schedule import Steps
from sfp_viz.nets.io.samples import sample_network
from sfp_viz.runs import worker
from sfp_viz.runs.folder import home, list_runs, read_run
from sfp_viz.runs.storage.facts import training_facts
from sfp_viz.runs.storage.steps import read_stages, read_steps_request
from tests.shell import NET, call, value

pytestmark = pytest.mark.usefixtures("put_in_line")
QUICK = ["--batch-size", "64", "--train-images", "100", "--test-images", "100"]


def test_a_network_is_pruned_and_trained_in_turns():
    words = ["steps", NET, "--recipe", "uniform_l1", "--target", "0.5", "--set", "max_ratio=0.95"]
    words += ["--stages", "2", "--growth", "cubic", "--stage-epochs", "1", "--epochs", "2", *QUICK]
    done = value(*words, "--learning-rate", "0.01")
    assert (done["kind"], done["state"]) == ("steps", "finished")
    run = read_run(Path(done["path"]))
    assert [epoch.epoch for epoch in run.epochs] == [1, 2, 3]
    order = read_steps_request(run.path)
    assert order.steps == Steps(2, "cubic", 1, 2)
    assert order.recipe == uniform_l1(0.5, max_ratio=0.95)
    assert run.settings.learning_rate == 0.01
    assert run.settings.augmentation == "shift"
    assert len(read_stages(run.path)) == 2
    assert "steps" in call("runs", "list", "--kind", "steps").output


def test_edits_are_taken_along_and_the_background_means_the_line(put_in_line):
    network = sample_network(NET)
    edits = Edits(network.digest, ratios=(("conv1", 0.25),), protected=("conv2",))
    Path("edits.json").write_text(edits_to_json(edits))
    words = ["steps", NET, "--target", "0.1", "--edits", "edits.json", *QUICK]
    begun = value(*words, "--background")
    assert put_in_line == [home() / "runs" / begun["run"]]
    assert read_steps_request(put_in_line[0]).edits == edits
    assert read_run(put_in_line[0]).facts["recipe"] == "similarity"
    assert read_run(put_in_line[0]).facts["model"] == NET
    assert training_facts(digest="", recipe=None).keys() <= read_run(put_in_line[0]).facts.keys()
    assert read_run(put_in_line[0]).facts["params_before"] == cost(sample_network(NET)).params


def test_a_sweep_is_laid_out_shown_and_deleted_without_its_runs(put_in_line):
    words = ["sweep", NET, "--target", "0.3", "--recipe", "similarity", "--seed", "0", "--seed"]
    words += ["1", "--epochs", "1", *QUICK]
    found = value(*words)
    assert (found["state"], found["laid_out"], found["of"]) == ("finished", 6, 6)
    names = ["similarity", "uniform_l1", "random"]
    assert [cell["recipe"] for cell in found["summary"]] == names
    assert [child["run"] for child in found["children"]] == [path.name for path in put_in_line]
    assert worker.main([str(put_in_line[0])]) == 0
    shown = value("runs", "show", found["run"])
    assert [cell["done"] for cell in shown["summary"]] == [1, 0, 0]
    text = call("runs", "show", found["run"]).output
    assert "1 of 2" in text
    assert "standard deviation" in text
    gone = call("runs", "delete", found["run"], "--yes").output
    assert "Its 6 runs are kept" in gone
    assert len(list_runs(home(), kind="finetune")) == 6
    assert value("sweep", NET, "--target", "0.3", "--no-floors", *QUICK)["of"] == 1


def test_help_tells_a_newcomer_what_the_commands_are_for():
    assert "Prune and fine-tune the unpruned NET in several" in call("steps", "--help").output
    assert "mean and spread over the seeds" in " ".join(call("sweep", "--help").output.split())
    assert "steps" in call("--help").output


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["steps", NET, "--goal", "latency"], "cannot use the latency"),
        (["steps", NET, "--target", "0.9", "--set", "max_ratio=0.2"], "%"),
        (["steps", NET, "--protect", "nowhere"], "nowhere"),
        (["sweep", NET, "--target", "1.5"], "up to 0.99"),
        (["sweep", NET, "--recipe", "missing.json"], "cannot be read"),
        (["sweep", NET, "--protect", "nowhere"], "nowhere"),
        (["sweep", NET, "--seed", "-1"], "seeds"),
    ],
    ids=lambda x: " ".join(x) if isinstance(x, list) else "",
)
def test_what_makes_no_sense_is_said_in_one_line_before_anything_starts(words, says):
    result = call(*words, status=1)
    assert says in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert list_runs(home()) == ()


@pytest.mark.parametrize(("command", "shared"), [("steps", False), ("sparsify", False),
                                                 ("finetune", True), ("sweep", True)])  # fmt: skip
def test_processes_are_offered_where_a_training_can_be_shared(command, shared):
    assert ("--processes" in call(command, "--help").output) == shared


def test_the_default_recipe_in_a_sweep_cuts_tied_groups_as_its_rivals_do():
    def recipes(name: str):
        return SweepOptions((0.5,), (name,), (0,), True, (), "shared").sweep().recipes

    assert recipes("default") == recipes("functional")
    assert recipes("default")[0][1].coupled == "shared"
