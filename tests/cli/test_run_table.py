"""``sfp-viz runs table``: text, CSV, SVG and a report from folders of finished runs."""

from __future__ import annotations

import csv
import io
import json
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from sfp_viz.cli.commands.run_table import table_command
from sfp_viz.core.plan.recipe import Recipe, uniform_l1
from sfp_viz.errors import RunError
from sfp_viz.runs.results import latencies
from sfp_viz.runs.results.latencies import RunLatency
from tests.finished_runs import finished_run, plan_of, sparsified_run


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("SFP_VIZ_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def two(home):
    """A run of our plan and one of uniform L1, which is far less accurate."""
    ours = finished_run(home, plan=plan_of(Recipe()), params_before=20_000)
    plain = finished_run(home, kind="uniform", plan=plan_of(uniform_l1()), accuracies=(0.6,))
    return ours, plain


def said(*words: str) -> str:
    done = CliRunner().invoke(table_command, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_the_table_shows_last_and_best_epoch_and_the_front(two):
    text = said()
    assert "95.0 %" in text
    assert "97.0 % at 2/3" in text
    assert "clearly below" in text
    assert "chosen on the test images" in text
    assert len(json.loads(said("--json"))) == 2


def test_of_a_run_that_pruned_while_training_the_best_is_among_the_epochs_after_its_cut(home):
    sparsified_run(home, before=8, accuracies=(0.97, 0.95))
    text = said()
    assert "97.0 % at 1/2 after pruning" in text
    assert "/10" not in text
    (row,) = csv.DictReader(io.StringIO(said("--csv")))
    assert (row["best epoch"], row["epochs before the cut"], row["epochs after the cut"]) == (
        "1", "8", "2",
    )  # fmt: skip


def test_a_run_that_was_not_trained_after_its_cut_has_no_best_epoch(home):
    sparsified_run(home, before=8, accuracies=())
    assert "not fine-tuned" in said()
    (row,) = csv.DictReader(io.StringIO(said("--csv")))
    assert row["best epoch"] == row["accuracy best epoch, % (measured, chosen on the test images)"]
    assert (row["best epoch"], row["epochs after the cut"], row["epochs"]) == ("", "0", "8")


def test_csv_has_every_field_with_its_unit_and_how_it_was_found(two):
    rows = {row["run"]: row for row in csv.DictReader(io.StringIO(said("--csv")))}
    ours = rows[two[0].name]
    assert ours["accuracy last epoch, % (measured)"] == "95.0"
    assert ours["MACs of one image (counted)"] == "80000"
    assert ours["params before (computed)"] == "20000"
    assert ours["recipe"] == "similarity"
    assert ours["setting learning_rate"] == "0.02"
    assert ours["machine torch"] == "2.15"


def test_a_name_that_a_spreadsheet_would_run_is_made_harmless(home):
    finished_run(home, recipe="=1+1", data="@evil")
    text = said("--csv")
    assert ",'=1+1," in text
    assert "'@evil" in text


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.outside: list[str] = []
        self.text = ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.outside += [v for name, v in attrs if name in ("src", "href", "action") and v]

    def handle_data(self, data):
        self.text += data


def test_the_report_stands_alone_and_shows_chart_table_settings_and_plans(two, tmp_path):
    evil = '<script>alert("x")</script><img src=x onerror=alert(1)>'
    finished_run(tmp_path, recipe=evil)
    file = tmp_path / "report.html"
    assert "Written to" in said("--html", str(file))
    page = Page()
    page.feed(file.read_text())
    assert not {"script", "link", "iframe", "img", "form"} & set(page.tags)
    assert not page.outside
    assert "svg" in page.tags
    assert evil in page.text
    for words in ("Differences", "Common settings", "pruned filters", "learning_rate",
                  "Pareto front of", "best epoch was chosen on the test images"):  # fmt: skip
        assert words in page.text


def cells(page: str) -> list[str]:
    return re.findall(r"<td[^>]*>[^<]*</td>", page)


def test_the_report_writes_accuracies_with_one_decimal_and_keeps_ids_of_runs_whole(home, two):
    finished_run(home, plan=plan_of(Recipe()), accuracies=(0.9514237,))
    file = home / "report.html"
    said("--html", str(file))
    page = file.read_text()
    found = cells(page)
    assert '<td class="number">95.1 %</td>' in found
    assert '<td class="number">98.6 %</td>' in found  # the unpruned network's
    assert "95.14" not in page
    assert f'<td class="name">{two[0].name}</td>' in found
    assert f'<th scope="col" class="name">{two[0].name}</th>' in page
    assert ".name{white-space:nowrap" in page


def test_the_svg_is_written_without_a_browser(two, tmp_path):
    file = tmp_path / "chart.svg"
    said("--svg", str(file), "--against", "params")
    assert ElementTree.parse(file).getroot().tag.endswith("svg")
    assert "params" in file.read_text()


def test_runs_of_different_images_or_networks_share_no_chart(two, tmp_path):
    finished_run(tmp_path, data="cifar10")
    with pytest.raises(RunError, match=r"different images.*--data"):
        said("--svg", str(tmp_path / "a.svg"))
    said("--svg", str(tmp_path / "a.svg"), "--data", "digits")
    finished_run(tmp_path, digest="0" * 16)
    with pytest.raises(RunError, match=r"different networks.*--weights"):
        said("--svg", str(tmp_path / "a.svg"))
    with pytest.raises(RunError, match="nothing to draw"):
        said("--svg", str(tmp_path / "a.svg"), "--weights", "ffff")


def test_measured_latencies_are_shown_with_what_they_hold_for(two, home):
    latencies.append_latency(
        home,
        RunLatency(two[0].name, 4.0, "cpu", 2, 1, "here", 1.5, (1.4, 1.7), 30, "2", 1.0),
    )
    assert "Latency: 1 image on cpu, 2 threads, here." in said()
    rows = {row["run"]: row for row in csv.DictReader(io.StringIO(said("--csv")))}
    head = "latency, ms (measured, median; 1 image on cpu, 2 threads, here)"
    assert rows[two[0].name][head] == "1.5"
    assert rows[two[1].name][head] == ""


def test_an_empty_workspace_says_how_to_begin(home):
    assert "sfp-viz finetune" in said()
