"""How quickly the page Compare opens with hundreds of finished runs in the workspace.

    python benchmarks/compare_speed.py [--runs 500] [--rounds 5] [--json]

Makes the runs in a scratch workspace, starts the real app, and measures in a real Chromium until
the chart has its points, the table is there and the app is still: by the page's link in the open
app (page_s; the goal is under 2 s), and in a fresh browser, which loads the whole app first. The
same without any run shows what is the app's own. Writes docs/results/compare_speed.json. Times are
of this machine; the load when it began is printed beside them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from fixtures.fake_runs import MODEL, make
from playwright.sync_api import Browser, Page, sync_playwright

from sfp_viz.runs.folder import list_runs
from sfp_viz.runs.results.summary import finished_runs

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "docs" / "results" / "compare_speed.json"
STILL = '[data-testid="stApp"][data-test-script-state="notRunning"]'
GOAL = 2.0


def start_app(home: Path) -> tuple[subprocess.Popen, str]:
    """The app on a free port, once it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.headless=true"]
    environment = {**os.environ, "SFP_VIZ_HOME": str(home)}
    quiet = subprocess.DEVNULL
    server = subprocess.Popen(
        [*command, f"--server.port={port}"], cwd=ROOT, env=environment, stdout=quiet, stderr=quiet
    )
    address = f"http://127.0.0.1:{port}"
    for _ in range(600):
        try:
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=1):
                return server, address
        except OSError:
            time.sleep(0.1)
    server.kill()
    raise SystemExit("The app did not answer within a minute.")


def opened(browser: Browser, address: str, runs: int) -> tuple[float, float]:
    """Seconds until the page is all there: asked for in a fresh browser, which loads the whole
    app, and by its link from another page of the open app."""
    context = browser.new_context(viewport={"width": 1360, "height": 900})
    page = context.new_page()
    page.set_default_timeout(90_000)
    started = time.perf_counter()
    page.goto(f"{address}/compare?model={MODEL}", wait_until="commit")
    wait(page, runs)
    fresh = time.perf_counter() - started
    page.get_by_role("link", name="Model", exact=True).first.click()
    page.get_by_text("groups can be cut").first.wait_for()
    page.locator(STILL).wait_for()
    started = time.perf_counter()
    page.get_by_role("link", name="Compare", exact=True).first.click()
    wait(page, runs)
    linked = time.perf_counter() - started
    context.close()
    return fresh, linked


def wait(page: Page, runs: int) -> None:
    """Until the chart has its points (or says there are none), the table is there, all is still."""
    if runs:
        page.locator(".js-plotly-plot .scatterlayer .point").nth(runs - 1).wait_for(
            state="attached"
        )
        page.get_by_test_id("stDataFrame").first.wait_for()
    else:
        page.get_by_text("Nothing has been measured yet").wait_for()
    page.locator(STILL).wait_for()


def seconds(work) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def reading(home: Path, runs: int) -> dict[str, float]:
    """Seconds to list the runs, without a page: every file of each, and by the index."""
    every = seconds(lambda: list_runs(home))
    first = seconds(lambda: finished_runs(home))
    again = statistics.median(seconds(lambda: finished_runs(home)) for _ in range(7))
    assert len(finished_runs(home)) == runs
    return {"list_every_file_s": every, "index_made_s": first, "index_read_s": again}


def measure(runs: int, rounds: int) -> dict[str, float | int | str]:
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as play:
        home, empty = Path(scratch) / "workspace", Path(scratch) / "empty"
        make(home, runs)
        results = reading(home, runs)
        browser = play.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("google-chrome"),
            args=["--no-sandbox"],
        )
        for name, place, many in (("without_runs", empty, 0), ("page", home, runs)):
            server, address = start_app(place)
            try:
                first = opened(browser, address, many)[0]
                times = [opened(browser, address, many) for _ in range(rounds)]
            finally:
                server.terminate()
                server.wait(20)
            results[f"{name}_first_of_server_s"] = first
            results[f"{name}_in_fresh_browser_s"] = statistics.median(fresh for fresh, _ in times)
            results[f"{name}_s"] = statistics.median(linked for _, linked in times)
        browser.close()
    return {
        "runs": runs, "rounds": rounds, **results, "page_worst_s": max(t for _, t in times),
        "goal_s": GOAL, "load_before": load, "cores": os.cpu_count() or 0,
        "python": platform.python_version(),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    results = {
        key: round(value, 3) if isinstance(value, float) else value
        for key, value in measure(options.runs, options.rounds).items()
    }
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    if options.json:
        print(json.dumps(results))
        return
    for name, value in results.items():
        print(f"{name:<34} {value:>10}{'   goal: under 2' if name == 'page_s' else ''}")


if __name__ == "__main__":
    main()
