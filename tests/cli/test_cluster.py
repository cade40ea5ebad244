"""The cluster from a shell: what Ray wrote down of a run."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner, Result

from sfp_viz import cli
from sfp_viz.core.training.distillation import Distillation
from sfp_viz.nets.io.samples import sample_path
from sfp_viz.runs.create.training import create_run
from sfp_viz.runs.launch.ray_launch import submit
from sfp_viz.runs.ray.settings import Cluster, set_cluster
from tests.runs.jobs_server import serving


def call(*words: str, status: int = 0) -> Result:
    result = CliRunner().invoke(cli.main, ["cluster", "logs", *words])
    assert result.exit_code == status, result.output
    return result


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setenv("SFP_VIZ_HOME", str(tmp_path))
    start = sample_path("lenet5_digits")
    return create_run(
        tmp_path, start=start, teacher=start, settings=Distillation(epochs=1), data="digits",
        name="a",
    )  # fmt: skip


def test_what_ray_wrote_down_of_a_run_is_told(path, tmp_path):
    with serving() as known:
        set_cluster(tmp_path, Cluster(known.address))
        submit(path)
        assert call(path.name).stdout == "hello\n"
        assert json.loads(call(path.name, "--json").stdout)["logs"] == "hello\n"
        known.jobs.clear()
        assert "no log of it yet" in call(path.name).stdout


def test_a_run_on_this_machine_has_its_words_in_its_folder(path):
    assert "log.txt" in call(path.name, status=1).stderr
