"""Whole files: what was begun by a process that died is cleared away."""

from __future__ import annotations

import subprocess
import sys
import threading

from sfp_viz import files
from sfp_viz.runs.storage import processes


def test_what_a_process_began_goes_also_when_it_takes_a_moment_to_die(tmp_path):
    writer = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    half = tmp_path / f"{files._begun()}{writer.pid}-1-2.json"
    half.write_text("{")
    processes.remove_partial_files(tmp_path, patience=0.0)
    assert half.exists()  # it may still be at it
    threading.Timer(0.2, writer.kill).start()
    processes.remove_partial_files(tmp_path, patience=30.0)
    assert not half.exists()
    writer.wait()
