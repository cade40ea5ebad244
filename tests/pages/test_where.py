"""Where a new run works: a choice on the page Fine-tune, once the workspace has a cluster."""

from __future__ import annotations

from sfp_viz.files import read_json
from sfp_viz.runs.folder import list_runs
from sfp_viz.runs.ray.settings import Cluster, set_cluster
from tests.pages.page_words import press, said
from tests.runs.jobs_server import serving


def choice(app):
    return [c for c in app.segmented_control if c.label == "Run on"]


def test_without_a_cluster_there_is_nothing_to_choose(open_page):
    assert not choice(open_page("finetune"))


def test_a_run_goes_to_the_cluster_when_that_is_chosen_and_the_page_says_that_it_waits(
    open_page, workspace
):
    with serving() as ray:
        set_cluster(workspace, Cluster(ray.address, cpus=2))
        app = open_page("finetune")
        assert "a node has" not in said(app)
        choice(app)[0].set_value("ray").run()
        assert "once a node has 2 CPUs free" in said(app)
        press(app, "Start")
        [run] = list_runs(workspace)
        [sent] = ray.submitted
        assert (run.state, run.where) == ("waiting", "ray")
        assert sent["entrypoint"].endswith(f"--run {run.id}")
        assert (read_json(run.path / "launch.json") or {})["job"] == sent["submission_id"]
        assert "On the cluster" in said(app)
        assert "It waits for free resources in the cluster" in said(app.run())
