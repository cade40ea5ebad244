"""What was measured on a click is found again: of the same weights, plan and images alone."""

from __future__ import annotations

from dataclasses import replace

from sfp_viz.runs.results import measurements
from sfp_viz.runs.results.measurements import MeasurementKey

OF = MeasurementKey("check", "a" * 16, "b" * 16, "digits")


def test_it_is_found_for_the_same_plan_and_images_and_for_no_others(tmp_path):
    kept = measurements.save_measurement(tmp_path, OF, {"macs": 3})
    assert measurements.find_measurement(tmp_path, OF) == kept
    assert measurements.has_measurement(tmp_path, "check", OF.digest)
    assert not measurements.has_measurement(tmp_path, "one-shot", OF.digest)
    for other in ({"plan": "c" * 16}, {"data": "cifar10"}, {"digest": "d" * 16}, {"what": "x"}):
        assert measurements.find_measurement(tmp_path, replace(OF, **other)) is None


def test_what_is_not_readable_is_passed_over_and_a_full_disk_loses_nothing_shown(tmp_path):
    measurements.save_measurement(tmp_path, OF, 1)
    (path,) = (tmp_path / measurements.FOLDER).iterdir()
    path.write_text('{"format": 9}')
    assert measurements.find_measurement(tmp_path, OF) is None
    path.write_text("{")
    assert measurements.find_measurement(tmp_path, OF) is None
    (tmp_path / "file").write_text("")
    assert measurements.save_measurement(tmp_path / "file", OF, 1).value == 1


def test_only_so_many_are_kept_and_the_oldest_go(tmp_path, monkeypatch):
    monkeypatch.setattr(measurements, "_FILES", 2)
    for digit in "123":
        measurements.save_measurement(tmp_path, replace(OF, plan=digit * 16), 1)
    assert len(list((tmp_path / measurements.FOLDER).iterdir())) == 2
    assert measurements.find_measurement(tmp_path, replace(OF, plan="3" * 16)) is not None
