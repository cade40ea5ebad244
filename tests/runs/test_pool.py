"""The warm process for UMAP: one at a time, answers on the disk, never in this process."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from sfp_viz.runs import pool
from sfp_viz.runs.storage.processes import ROOT

MATRIX = np.arange(24, dtype=np.float32).reshape(6, 4)
# The same process with another embedding: the first two columns, or an error for an odd seed.
STAND_IN = """
import sys
from pathlib import Path
from sfp_viz.runs.pool import serve
def embed(matrix, seed):
    if seed % 2:
        raise ValueError("odd seeds are not liked")
    return matrix[:, :2] + seed
serve(Path(sys.argv[2]), embed=embed, idle=float({idle}))
"""


def stand_in(home: Path, idle: float = 60) -> list[str]:
    code = STAND_IN.replace("{idle}", str(idle))
    return [sys.executable, "-c", code, pool.MODULE, str(home)]


@pytest.fixture
def home(tmp_path):
    yield tmp_path
    pool.stop_pool(tmp_path, wait=2.0)


def until(look, seconds: float = 30):
    """What ``look`` gives, once it gives something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if (found := look()) is not None and found is not False:
            return found
        time.sleep(0.02)
    raise AssertionError("nothing came")


def test_a_map_is_computed_by_another_process_and_stays_on_the_disk(home):
    assert pool.embedding(home, "a map") is None
    assert pool.pool_alive(home) is None
    pool.request_embedding(home, "a map", MATRIX, seed=2, command=stand_in(home))
    found = until(lambda: pool.embedding(home, "a map"))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, MATRIX[:, :2] + 2)
    first = pool.pool_alive(home)
    pool.request_embedding(home, "another", MATRIX + 1, command=stand_in(home))
    np.testing.assert_array_equal(until(lambda: pool.embedding(home, "another"))[0], [1, 2])
    assert pool.pool_alive(home) == first  # the same warm process
    pool.stop_pool(home)
    assert pool.pool_alive(home) is None
    assert pool.embedding(home, "a map") is not None
    pool.request_embedding(home, "a map", MATRIX, command=["never started"])


def test_a_map_that_fails_says_why_and_the_process_goes_on(home):
    pool.request_embedding(home, "bad", MATRIX, seed=1, command=stand_in(home))
    assert "odd seeds are not liked" in until(lambda: pool.embedding_problem(home, "bad") or None)
    assert pool.embedding(home, "bad") is None
    pool.request_embedding(home, "good", MATRIX, command=stand_in(home))
    assert until(lambda: pool.embedding(home, "good")) is not None
    assert pool.embedding_problem(home, "good") == ""


def test_many_requests_at_once_start_one_process(home, monkeypatch):
    started = []
    real = pool.start_process
    monkeypatch.setattr(pool, "start_process", lambda *a, **k: started.append(1) or real(*a, **k))
    with ThreadPoolExecutor(8) as threads:
        for n in range(8):
            threads.submit(pool.request_embedding, home, f"map {n}", MATRIX, command=stand_in(home))
    for n in range(8):
        until(lambda n=n: pool.embedding(home, f"map {n}"))
    assert len(started) == 1


def test_a_second_process_gives_way_to_the_first(home):
    pool.request_embedding(home, "one", MATRIX, command=stand_in(home))
    first = pool.pool_alive(home)
    second = subprocess.run(stand_in(home), cwd=ROOT, timeout=60)
    assert second.returncode == 0  # it found the first, and left
    assert pool.pool_alive(home) == first


def test_a_killed_process_is_replaced_and_the_request_is_kept(home):
    sleepy = [sys.executable, "-c", "import time; time.sleep(60)", pool.MODULE, str(home)]
    pool.request_embedding(home, "patient", MATRIX, command=sleepy)
    first = until(lambda: pool.pool_alive(home))
    subprocess.run(["kill", "-9", str(first)], check=True)
    until(lambda: pool.pool_alive(home) is None)
    pool.request_embedding(home, "patient", MATRIX, command=stand_in(home))
    assert until(lambda: pool.embedding(home, "patient")) is not None


def test_the_process_ends_when_nobody_asks(home):
    pool.request_embedding(home, "last", MATRIX, command=stand_in(home, idle=0.2))
    until(lambda: pool.embedding(home, "last"))
    until(lambda: pool.pool_alive(home) is None)


def test_the_newest_request_is_served_first(tmp_path):
    order: list[float] = []
    room = tmp_path / "cache" / "embeddings"
    room.mkdir(parents=True)
    for n in range(3):
        np.savez(room / f"{n}.request.npz", matrix=MATRIX + n, seed=0)
        time.sleep(0.01)
    pool.serve(tmp_path, embed=lambda m, seed: order.append(float(m[0, 0])) or m[:, :2], idle=0.0)
    assert order == [2.0, 1.0, 0.0]


def test_a_map_with_holes_is_refused(tmp_path):
    pool.request_embedding(tmp_path, "nan", MATRIX, command=["true"])
    pool.serve(tmp_path, embed=lambda m, seed: np.full((len(m), 2), np.nan), idle=0.0)
    assert "no finite point" in pool.embedding_problem(tmp_path, "nan")


@pytest.mark.slow
def test_umap_itself_maps_filters_in_a_process_of_its_own(home):
    near = np.random.default_rng(0).normal(size=(40, 12)).astype(np.float32)
    near[20:] += 8
    pool.request_embedding(home, "real", near)
    found = until(lambda: pool.embedding(home, "real"), seconds=240)
    gap = np.linalg.norm(found[:20].mean(0) - found[20:].mean(0))
    assert gap > 2 * found[:20].std(0).max()
    assert "umap" not in sys.modules
