"""The command line measures, plans by what was measured, and makes the plans the library makes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

import sfp_viz as sfp
from sfp_viz.core.allocation.accuracy_target import losing_at_most
from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.evidence.evidence import needs
from sfp_viz.core.evidence.sensitivity import predicted_loss
from sfp_viz.core.plan.interchange import edits_to_json, pruning_ratio_dict, schema_json
from sfp_viz.core.plan.plan import plan_from_json, plan_to_json, recipe_to_json
from sfp_viz.core.plan.recipe import NAMED, Recipe
from sfp_viz.core.plan.request import Request
from sfp_viz.core.selection.planner import make_plan_for
from sfp_viz.nets.io.samples import sample_names, sample_network
from sfp_viz.runs.folder import home, list_runs
from sfp_viz.runs.launch.process import cancel
from sfp_viz.runs.results.evidence import find_evidence, find_trust
from tests.shell import NET, call, value

pytestmark = pytest.mark.usefixtures("working_here")
QUICK = {
    "observe": ["--images", "60"],
    "sensitivity": ["--images", "60", "--calibration", "40", "--at", "0.5", "--at", "0.75"],
    "latency": ["--repeats", "2"],
    "trust": ["--images", "60", "--calibration", "40", "--count", "3"],
}


def test_what_was_measured_is_shown_listed_and_used_by_later_plans():
    for kind in ("observe", "sensitivity", "latency"):
        found = value(kind, NET, *QUICK[kind])
        assert (found["kind"], found["state"]) == (kind, "finished")
        assert found["found"] == value("runs", "show", found["run"])["found"] != {}
    sensitivity = next(iter(list_runs(home(), kind="sensitivity")))
    assert sensitivity.study.ratios == (0.5, 0.75)
    listed = json.loads(call("runs", "list", "--json").stdout)
    assert [run["kind"] for run in listed] == ["latency", "sensitivity", "observe"]
    assert "sensitivity  finished" in call("runs", "list", "--kind", "sensitivity").output
    assert "95 % interval" in call("runs", "show", sensitivity.id).output

    network = sample_network(NET)
    evidence = find_evidence(home(), network.digest)
    recipe = NAMED["functional"](target_reduction=0.4)
    planned = value("plan", NET, "--recipe", "functional", "--target", "0.4")
    assert planned["plan"] == make_plan_for(Problem(network, Request(recipe), evidence)).hash
    assert [part["kind"] for part in planned["evidence"]] == ["observe", "latency"]
    assert planned["evidence"][0]["images"] == 60
    text = call("plan", NET, "--allocation", "sensitivity", "--target", "0.2").output
    assert "on 60 images of digits, test" in text
    assert "estimated from layers measured here" in text
    few = value("plan", NET, "--goal", "latency", "--target", "0.05")
    before, after = few["estimated"]["latency_ms"]
    assert after <= 0.95 * before

    trusted = value("trust", NET, *QUICK["trust"], "--target", "0.4")
    assert [draw["kind"] for draw in trusted["found"]["draws"]][:2] == ["suggestion", "uniform"]
    trust = find_trust(home(), network.digest)
    assert [d.kind for d in trust.draws][2:4] == ["functional", "sensitivity"]
    assert len(trust.draws) == 7
    assert "cannot be told apart" in trusted["found"]["verdict"] or (
        "The best measured allocation" in trusted["found"]["verdict"]
    )
    ranked = [one["allocation"] for one in trusted["found"]["allocations"]]
    assert sorted(ranked) == ["dispersion", "functional", "sensitivity", "uniform"]
    assert set(dict(trust.draws[0].predicted)) == {"dispersion", "functional", "sensitivity"}
    assert all(draw.right is not None for draw in trust.draws)
    assert "uniform" in call("runs", "show", trusted["run"]).output


def test_a_plan_that_may_lose_so_many_points_is_the_largest_that_is_estimated_to():
    value("sensitivity", NET, *QUICK["sensitivity"])
    network = sample_network(NET)
    evidence = find_evidence(home(), network.digest)
    made = value("plan", NET, "--lose-at-most", "4", "-o", "plan.json")
    spread = sfp.analyze(network, Recipe()).dispersions
    recipe = losing_at_most(Problem(network, Request(Recipe()), evidence, spread), 4.0)
    assert made["target"] == recipe.target_reduction > 0
    kept = {g.name: g.size - len(made["removed"].get(g.name, [])) for g in network.groups}
    measured = {name: kept[name] for name in evidence.sensitivity.right}
    assert predicted_loss(evidence.sensitivity, measured) <= 4
    both = call("plan", NET, "--lose-at-most", "4", "--target", "0.5", status=2)
    assert "not both" in both.stderr


def test_progress_goes_to_stderr_and_a_failed_study_says_how_to_go_on():
    done = call("latency", NET, *QUICK["latency"])
    assert "points" in done.stderr
    assert "whole network" in done.stdout
    failed = call("sensitivity", NET, "--data", "nowhere", status=1)
    assert "no data called 'nowhere'" in failed.stderr
    assert "sfp-viz runs resume" in failed.stderr.splitlines()[-1]


def test_a_study_in_the_background_goes_on_by_itself(tmp_path, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setenv("SFP_VIZ_HOME", str(tmp_path / "home"))
    begun = value("sensitivity", NET, "--background")
    assert read_kind(begun["path"]) == "sensitivity"
    shown = value("runs", "show", begun["run"])
    assert shown["state"] in ("waiting", "running")
    assert cancel(Path(begun["path"])).state == "cancelled"


def read_kind(path: str) -> str:
    return json.loads((Path(path) / "settings.json").read_text())["kind"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["plan", NET, "--recipe", "functional"], "sfp-viz observe"),
        (["plan", NET, "--allocation", "sensitivity"], "sfp-viz sensitivity"),
        (["plan", NET, "--goal", "latency"], "sfp-viz latency"),
        (["plan", NET, "--lose-at-most", "2"], "sfp-viz sensitivity"),
        (["sensitivity", NET, "--set", "criterion=taylor"], "sfp-viz observe"),
        (["sensitivity", NET, "--at", "1.5"], "above 0 and below 1"),
        (["trust", NET, "--edits", "missing.json"], "cannot be read"),
        (["compare", "missing.json", "missing.json"], "cannot be read"),
    ],
    ids=lambda x: " ".join(x) if isinstance(x, list) else "",
)
def test_what_is_missing_is_said_in_one_line_with_the_command_that_helps(words, says):
    result = call(*words, status=1)
    assert says in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert list_runs(home()) == ()


@pytest.mark.parametrize("net", sample_names())
def test_command_line_and_library_make_the_same_plan_byte_for_byte(net):
    network = sample_network(net)
    first, second = network.free[0], network.free[-1]
    edits = sfp.Edits(
        network.digest,
        ratios=((first.name, 0.25),),
        protected=(second.name,),
        keep=((first.name, 1),),
        remove=((first.name, 0),),
    )
    recipe = replace(NAMED["paper_sfp"](0.2), gamma=1.5, coupled="shared", seed=4)
    Path("recipe.json").write_text(recipe_to_json(recipe))
    Path("edits.json").write_text(edits_to_json(edits))
    call("plan", net, "--recipe", "recipe.json", "--edits", "edits.json", "-o", "plan.json")
    ours = sfp.make_plan(network, sfp.analyze(network, recipe), recipe, edits)
    assert Path("plan.json").read_text() == plan_to_json(ours)
    assert plan_from_json(plan_to_json(ours)).removed(first.name)


@pytest.mark.parametrize("name", [name for name in NAMED if not needs(NAMED[name]())])
def test_a_recipe_has_the_same_plan_by_name_by_file_and_from_the_library(name):
    network = sample_network("resnet20_cifar10")
    recipe = NAMED[name](target_reduction=0.15)
    Path("recipe.json").write_text(recipe_to_json(recipe))
    by_name = value("plan", network.name, "--recipe", name, "--target", "0.15")["plan"]
    by_file = value("plan", network.name, "--recipe", "recipe.json")["plan"]
    assert by_name == by_file == make_plan_for(Problem(network, Request(recipe))).hash


def test_edits_by_options_come_on_top_of_those_in_a_file_and_other_weights_are_refused():
    network = sample_network(NET)
    edits = sfp.Edits(network.digest, ratios=(("conv1", 0.25),))
    Path("edits.json").write_text(edits_to_json(edits))
    words = ["plan", NET, "--target", "0.1", "--edits", "edits.json"]
    assert len(value(*words)["removed"]["conv1"]) == 5
    changed = value(*words, "--ratio", "conv1=0.5", "--protect", "conv2")["removed"]
    assert {group: len(units) for group, units in changed.items()} == {"conv1": 10}
    bounded = value(*words, "--ratio", "fc1=0.1", "--least", "conv2=47", "--most", "conv1=12")
    gone = {group: len(units) for group, units in bounded["removed"].items()}
    assert gone["conv1"] == 5  # the ratio in the file goes before
    assert gone.get("conv2", 0) <= 1
    free = value("plan", NET, "--target", "0.1", "--most", "conv2=30", "--least", "conv1=20")
    assert (len(free["removed"]["conv2"]) >= 18, "conv1" in free["removed"]) == (True, False)
    for wrong in ("conv2", "conv2=few", "=3", "conv2=-1"):
        assert "not a number of filters" in call(*words, "--most", wrong, status=1).stderr
    assert (
        "its most cannot be 3"
        in call(*words, "--least", "conv2=4", "--most", "conv2=3", status=1).stderr
    )
    assert "nowhere" in call(*words, "--least", "nowhere=3", status=1).stderr
    Path("edits.json").write_text(edits_to_json(replace(edits, digest="0" * 16)))
    assert "other weights" in call(*words, status=1).stderr


def test_a_plan_is_refused_for_other_weights_with_both_digests_and_what_to_do():
    call("plan", NET, "--target", "0.3", "-o", "plan.json")
    call("prune", "plan.json", "-o", "slim.safetensors")
    refused = call("prune", "plan.json", "--model", "slim.safetensors", "-o", "x", status=1)
    digests = [value("analyze", net)["digest"] for net in (NET, "slim.safetensors")]
    assert all(digest in refused.stderr for digest in digests)
    assert "other weights" in refused.stderr
    assert "again" in refused.stderr
    assert not Path("x").exists()


def test_two_plans_are_compared_by_what_differs_only():
    call("plan", NET, "--target", "0.3", "--ratio", "conv1=0.25", "-o", "a.json")
    call("plan", NET, "--target", "0.3", "--protect", "conv1", "-o", "b.json")
    found = value("compare", "a.json", "b.json")
    assert found["same"] is False
    assert found["recipe"] == []
    assert [(c["what"], c["group"], c["a"], c["b"]) for c in found["edits"]] == [
        ("locked", "conv1", None, True),
        ("ratio", "conv1", 0.25, None),
    ]
    plans = [plan_from_json(Path(name).read_text()) for name in ("a.json", "b.json")]
    conv1 = next(group for group in found["groups"] if group["group"] == "conv1")
    assert tuple(conv1["only_a"]) == plans[0].removed("conv1") != ()
    assert conv1["only_b"] == []
    text = call("compare", "a.json", "b.json").output
    assert "locked" in text
    assert "gamma" not in text
    assert "the same" in call("compare", "a.json", "a.json").output
    other = Path("b.json").read_text().replace(plans[1].digest, "0" * 16)
    Path("b.json").write_text(other)
    assert "same weights" in call("compare", "a.json", "b.json", status=1).stderr


def test_ratios_for_torch_pruning_and_schemas_are_written_as_the_library_gives_them():
    call("plan", NET, "--target", "0.4", "-o", "plan.json", "--ratio-dict", "ratios.json")
    plan = plan_from_json(Path("plan.json").read_text())
    ratios = json.loads(Path("ratios.json").read_text())
    assert ratios == pruning_ratio_dict(sample_network(NET), plan) != {}
    assert call("schema", "plan").output == schema_json("plan")
    call("schema", "recipe", "-o", "recipe.schema.json")
    assert Path("recipe.schema.json").read_text() == schema_json("recipe")
