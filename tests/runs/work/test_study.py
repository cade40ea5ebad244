"""Studies: runs that measure. Their points survive a kill, and what they find is found again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from sfp_viz.core.evidence.evidence import Evidence
from sfp_viz.core.evidence.sensitivity import sensitivity_from_json
from sfp_viz.core.evidence.study import Study, study_from_dict, study_to_dict
from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.errors import RecipeError, RunError
from sfp_viz.files import read_json
from sfp_viz.runs.create.study import create_study
from sfp_viz.runs.folder import list_runs, read_run
from sfp_viz.runs.launch.process import cancel, launch
from sfp_viz.runs.results.evidence import find_evidence, find_sources
from sfp_viz.runs.resume import resume
from sfp_viz.runs.storage.history import POINTS, read_points
from sfp_viz.runs.storage.processes import ROOT
from sfp_viz.runs.work.heartbeat import Heartbeat
from sfp_viz.runs.worker import main

FEW = Study("sensitivity", images=60, calibration=32, ratios=(0.5, 0.75))


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture
def new_study(tmp_path, network_file):
    made: list[Path] = []

    def make(kind: str = "sensitivity", settings: Study = FEW, recipe=None, **more) -> Path:
        more = {"model_file": network_file, "data": "digits", **more}
        recipe = recipe or Recipe()
        path = create_study(tmp_path, kind=kind, recipe=recipe, settings=settings, **more)
        made.append(path)
        return path

    yield make
    for path in made:
        cancel(path, wait=0.0)


def finished(path: Path):
    assert main([str(path)]) == 0, (path / "log.txt").read_text()
    run = read_run(path)
    assert (run.state, run.progress, run.done, run.message) == ("finished", 1.0, run.total, "")
    return run


def test_a_study_is_written_down_and_read_back_as_it_was():
    edits = Edits("ab", ratios=(("conv1", 0.5),), least=(("conv2", 3),), makeup=False)
    study = Study("trust", Recipe(gamma=1.5), edits, images=7, ratios=(0.9, 0.25), seed=3)
    assert study.ratios == (0.25, 0.9)
    assert study_from_dict(json.loads(json.dumps(study_to_dict(study)))) == study


@pytest.mark.parametrize(
    "wrong",
    [{"ratios": (0.0,)}, {"ratios": (1.0,)}, {"ratios": ()}, {"images": 0}, {"count": 1}],
    ids=str,
)
def test_settings_that_measure_nothing_are_refused(wrong):
    with pytest.raises(RecipeError):
        replace(FEW, **wrong)
    with pytest.raises(RecipeError, match="no kind of study"):
        Study("tea leaves")  # type: ignore[arg-type]


def test_a_sensitivity_study_ends_with_what_the_library_measures(new_study, network_file, tmp_path):
    from sfp_viz.nets.data.datasets import load_data
    from sfp_viz.nets.evaluation.measure import count_right
    from sfp_viz.nets.evaluation.one_shot import sensitivity_tasks, single_cut
    from sfp_viz.nets.io.model_file import load_saved
    from sfp_viz.nets.pruning.prune import prune
    from sfp_viz.nets.tracing.read_network import read_network

    path = new_study()
    waiting = read_run(path)
    assert (waiting.state, waiting.kind, waiting.total) == ("waiting", "sensitivity", 0)
    run = finished(path)
    found = sensitivity_from_json((path / "sensitivity.json").read_text())
    model, test = load_saved(network_file), load_data("digits", "test", limit=60)
    assert (found.digest, found.images, found.data) == (model.digest, 60, "digits, test")
    assert found.base == count_right(model, test)
    network = read_network(model)
    name, points = next(iter(found.right.items()))
    plan = single_cut(network, Recipe(), name, points[0][0])
    calibration = load_data("digits", "train")
    chosen = [round(i * (len(calibration) - 1) / 31) for i in range(32)]
    few = replace(calibration, pixels=calibration.pixels[chosen], labels=calibration.labels[chosen])
    assert points[0][1] == count_right(prune(model, plan, calibration=few), test)
    assert {p.task for p in run.points} == set(sensitivity_tasks(network, Recipe(), FEW.ratios))
    assert {p.task[0] for p in run.points} == {"", *found.right} != {""}
    assert (run.finding.digest, run.finding.images) == (found.digest, 60)
    assert run.finding.seconds >= sum(point.seconds for point in run.points) > 0


def test_a_killed_study_measures_only_what_is_missing_and_ends_the_same(new_study):
    whole = finished(new_study())
    path = new_study()
    (path / POINTS).write_text("".join(_lines(whole.path)[:3]) + '{"task": ["conv')
    seen = read_run(path)
    assert seen.points == whole.points[:3]  # the half line does not count
    doctored = _lines(whole.path)[1].replace('"seconds": ', '"seconds": 77')
    (path / POINTS).write_text(_lines(whole.path)[0] + doctored + '{"task": ["conv')
    run = finished(path)
    assert run.points[1].seconds >= 77  # kept as it was: it was not measured again
    assert [(p.task, p.value) for p in run.points] == [(p.task, p.value) for p in whole.points]
    both = [read_json(folder / "sensitivity.json") for folder in (whole.path, path)]
    assert [{**value, "seconds": 0} for value in both] == [{**both[0], "seconds": 0}] * 2


def _lines(path: Path) -> list[str]:
    return (path / POINTS).read_text().splitlines(keepends=True)


def test_points_of_other_settings_are_measured_anew(new_study):
    path = new_study()
    (path / POINTS).write_text('{"task": ["conv1", 19], "value": 5, "seconds": 1.0}\n')
    run = finished(path)
    assert ("conv1", 19) not in {point.task for point in run.points}


def test_a_study_in_a_process_of_its_own_is_killed_lost_resumed_and_cancelled(new_study):
    many = replace(FEW, images=None, calibration=512, ratios=tuple(i / 40 for i in range(1, 40)))
    path = new_study(settings=many)
    launch(path)
    first = _until(path, lambda run: run.done >= 2)
    assert (first.state, first.total > first.done) == ("running", True)
    assert 0 < first.progress < 1
    assert first.seconds_left > 0
    os.kill(read_json(path / "worker.json")["pid"], signal.SIGKILL)
    lost = _until(path, lambda run: run.over)
    assert lost.state == "lost"
    assert "last point" in lost.message
    resume(path)
    more = _until(path, lambda run: run.done > lost.done)
    assert more.points[: lost.done] == lost.points
    stopped = cancel(path)
    assert stopped.state == "cancelled"
    assert len(read_points(path)) == stopped.done < stopped.total


def _until(path: Path, wanted, seconds: float = 60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        run = read_run(path)
        if wanted(run):
            return run
        time.sleep(0.01)
    raise AssertionError(f"{run.state}: {run.message}\n{(path / 'log.txt').read_text()}")


def test_observations_and_latency_become_evidence_bit_for_bit(new_study, tmp_path, network_file):
    import numpy as np

    from sfp_viz.nets.data.datasets import load_data
    from sfp_viz.nets.evaluation.observe import observe
    from sfp_viz.nets.io.model_file import load_saved

    model = load_saved(network_file)
    assert find_evidence(tmp_path, model.digest) == Evidence()
    seen = finished(new_study("observe", replace(FEW, calibration=50)))
    timed = finished(new_study("latency", replace(FEW, repeats=2), data=""))
    found = find_evidence(tmp_path, model.digest)
    expected = observe(model, load_data("digits", "train"), most=50)
    assert (found.observations.images, found.observations.data) == (50, "digits, train")
    for part in ("mean", "covariance", "readers_gram"):
        ours, theirs = getattr(found.observations, part), getattr(expected, part)
        assert sorted(ours) == sorted(theirs) != []
        for group in theirs:
            np.testing.assert_array_equal(ours[group], theirs[group])
    assert found.observations.power == expected.power
    assert sorted(found.observations.eliminations) == sorted(expected.covariance)
    assert found.observations.elimination("conv1") == expected.elimination("conv1")
    assert found.latency.digest == model.digest
    assert found.latency.whole_ms > 0
    assert {"conv1", "conv2", "fc1"} <= set(found.latency.points)
    sources = find_sources(tmp_path, model.digest)
    assert [(s.kind, s.run) for s in sources] == [("observe", seen.id), ("latency", timed.id)]
    assert find_evidence(tmp_path, "0" * 16) == Evidence()


def test_looking_at_images_tells_how_far_it_is_and_stops_between_batches(
    new_study, monkeypatch, tmp_path
):
    path = new_study("observe", replace(FEW, calibration=300, scores=("taylor",)))
    seen, report = [], Heartbeat.report

    def watched(self, phase: str, *, done: int = 0, steps: int = 0) -> None:
        report(self, phase, done=done, steps=steps)
        with monkeypatch.context() as patch:  # a worker in our own process does not show as alive
            patch.setattr("sfp_viz.runs.folder.state_of", lambda signs: "running")
            run = read_run(path)
        seen.append((run.done, run.total, run.progress))
        if run.done == 256:
            self.stop.set()

    monkeypatch.setattr(Heartbeat, "report", watched)
    main([str(path)])
    assert seen[-2:] == [(128, 600, 128 / 600), (256, 600, 256 / 600)]
    stopped = read_run(path)
    assert (stopped.state, stopped.done, stopped.finding) == ("cancelled", 0, None)
    monkeypatch.setattr(Heartbeat, "report", report)
    again = new_study("observe", replace(FEW, calibration=300))
    assert finished(again).done == 300


def test_the_newest_finished_study_of_a_kind_counts(new_study, tmp_path):
    old, new = finished(new_study()), finished(new_study())
    unfinished = new_study()
    (source,) = find_sources(tmp_path, new.facts["digest"])
    assert (source.run, source.images, source.data) == (new.id, 60, "digits, test")
    assert source.ended == new.finding.ended > old.finding.ended
    assert {run.path for run in list_runs(tmp_path, kind="sensitivity")} == {
        old.path, new.path, unfinished,
    }  # fmt: skip
    assert list_runs(tmp_path, kind="finetune") == ()


def test_a_study_takes_along_the_evidence_that_its_recipe_needs(new_study, tmp_path):
    by_images = Recipe(criterion="reconstruction")
    with pytest.raises(RecipeError, match="needs observations"):
        new_study(recipe=by_images)
    assert not list((tmp_path / "runs").glob("*"))
    new_study(recipe=Recipe(goal="latency", allocation="sensitivity"))  # one group alone needs none
    finished(new_study("observe", replace(FEW, calibration=40)))
    path = new_study(recipe=by_images)
    assert [p.name for p in (path / "evidence").iterdir()] == ["observations.safetensors"]
    finished(path)


def test_latencies_of_another_machine_are_not_mixed_in(new_study):
    path = new_study("latency", replace(FEW, repeats=2), data="")
    first = finished(path)
    (path / "result.json").unlink()
    worker = read_json(path / "worker.json")
    (path / "worker.json").write_text(json.dumps({**worker, "host": "elsewhere"}))
    (path / POINTS).write_text("".join(_lines(path)).replace('"value": ', '"value": 7777'))
    again = finished(path)
    assert again.done == first.done
    assert all(point.value < 7777 for point in again.points)


def test_weights_that_are_not_ours_start_no_study(new_study, tmp_path):
    import numpy as np
    from safetensors.numpy import save_file

    save_file({"x": np.zeros(3)}, tmp_path / "foreign.safetensors")
    with pytest.raises(RunError, match="save_model"):
        new_study(model_file=tmp_path / "foreign.safetensors")


def test_finding_evidence_loads_no_torch():
    code = "import sys, pathlib; from sfp_viz.runs.results import evidence\n"
    code += (
        "evidence.find_evidence(pathlib.Path('nowhere'), 'ab'); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
