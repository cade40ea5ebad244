"""Which runs there are is known without opening them."""

from __future__ import annotations

import json
import shutil

import pytest

from sfp_viz import files
from sfp_viz.nets.io.samples import sample_network
from sfp_viz.runs import folder
from sfp_viz.runs.results import catalog
from sfp_viz.runs.results.catalog import entries, newest
from sfp_viz.runs.results.evidence import find_sources
from sfp_viz.runs.storage import json_record
from tests.finished_runs import MODEL, finished_run


def dated(path, created: float, **more) -> str:
    settings = json.loads((path / "settings.json").read_text())
    (path / "settings.json").write_text(json.dumps({**settings, "created": created, **more}))
    return path.name


def test_runs_are_told_apart_by_kind_weights_and_age(tmp_path):
    digest = sample_network(MODEL).digest
    old = dated(finished_run(tmp_path), 1.0)
    new = dated(finished_run(tmp_path), 3.0)
    other = dated(finished_run(tmp_path, digest="0" * 16), 2.0)
    study = dated(finished_run(tmp_path), 4.0, kind="sensitivity")
    (tmp_path / "runs" / ".new-half").mkdir()
    (tmp_path / "runs" / "strange").mkdir()
    assert [one.path.name for one in entries(tmp_path)] == [study, new, other, old]
    mine = entries(tmp_path, ("finetune",), digest)
    assert [(one.path.name, one.created) for one in mine] == [(new, 3.0), (old, 1.0)]
    assert [run.id for run in newest(tmp_path, 2, kinds=("finetune",))] == [new, other]
    assert entries(tmp_path / "nowhere") == ()


def test_only_the_runs_that_are_asked_for_are_read(tmp_path, monkeypatch):
    names = [dated(finished_run(tmp_path), float(number)) for number in range(4)]
    read = []

    def noting(path, *rest):
        read.append(path.name)
        return folder.read_run(path, *rest)

    monkeypatch.setattr(catalog, "read_run", noting)
    assert [run.id for run in newest(tmp_path, 1)] == names[-1:]
    assert read == names[-1:]
    monkeypatch.setattr(json_record, "read_json", lambda path: pytest.fail(f"opened {path}"))
    assert len(entries(tmp_path)) == 4  # known by now
    assert find_sources(tmp_path, "0" * 16) == ()


def test_deleted_changed_and_broken_runs_are_seen_at_once(tmp_path):
    gone, changed = finished_run(tmp_path), finished_run(tmp_path)
    assert len(entries(tmp_path)) == 2
    shutil.rmtree(gone)
    settings = json.loads((changed / "settings.json").read_text())
    files.write_json(changed / "settings.json", {**settings, "kind": "steps"})
    assert [one.kind for one in entries(tmp_path)] == ["steps"]
    (changed / "settings.json").write_text("no json")
    assert newest(tmp_path, 5) == ()
    (changed / "settings.json").write_text('{"created": "yesterday", "facts": 3}')
    assert entries(tmp_path) == ()
