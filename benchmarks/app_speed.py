"""How quick the app feels on this machine, and how much memory its server takes.

    python benchmarks/app_speed.py [--json] [--rounds 5]

Starts the real app, drives it in a real Chromium and prints: process start to first picture, layer
switch, ratio change to new numbers, peak memory of the server. Writes docs/results/app_speed.json.
Times are of this machine; a loaded machine reads high, so the load is printed beside them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "docs" / "results" / "app_speed.json"
PORT = 8699


def start_app(home: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.headless=true"]
    command.append(f"--server.port={PORT}")
    quiet = subprocess.DEVNULL
    environment = {**os.environ, "SFP_VIZ_HOME": home}
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=quiet, stderr=quiet)


def first_picture(page: Page, started: float) -> float:
    """Seconds from the command until the filter map has drawn its points."""
    while True:
        try:
            page.goto(f"http://127.0.0.1:{PORT}/", wait_until="commit")
            break
        except Exception:  # the server is not listening yet
            time.sleep(0.05)
    page.locator(".map[data-calls]").first.wait_for(timeout=60_000)
    return time.perf_counter() - started


def layer_switches(page: Page, rounds: int) -> list[float]:
    """Seconds from choosing another layer until its title stands over the map."""
    page.goto(f"http://127.0.0.1:{PORT}/explore?model=resnet20_cifar10")
    strip = page.locator("[data-testid^='layer-']")
    strip.first.wait_for(timeout=60_000)
    times = []
    for turn in range(rounds + 1):
        target = strip.nth(1 + turn * 2 % (strip.count() - 1))
        name = (target.get_attribute("data-testid") or "").removeprefix("layer-")
        started = time.perf_counter()
        target.click()
        page.locator(f".map[data-group='{name}']").wait_for(timeout=30_000)
        times.append(time.perf_counter() - started)
    return times[1:]  # the first switch fills the caches


def ratio_changes(page: Page, rounds: int) -> list[float]:
    """Seconds from a ratio key press until the frame shows other MACs (the bars wait 250 ms for
    key repeats, which is taken off)."""
    page.goto(f"http://127.0.0.1:{PORT}/plan?model=resnet20_cifar10")
    edge = page.get_by_role("slider", name="Filters kept in layer1.0.conv1").first
    edge.wait_for(timeout=60_000)
    strip = page.get_by_test_id("budget-macs")
    times = []
    for turn in range(rounds + 1):
        before = strip.inner_text()
        edge.focus()
        started = time.perf_counter()
        edge.press("ArrowRight" if turn % 2 == 0 else "ArrowLeft")
        while strip.inner_text() == before and time.perf_counter() - started < 20:
            page.wait_for_timeout(5)
        times.append(time.perf_counter() - started - 0.25)
    return times[1:]


def peak_memory(server: subprocess.Popen) -> float:
    """Largest resident size of the server process so far, in MB."""
    status = Path(f"/proc/{server.pid}/status")
    if status.exists():
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return psutil.Process(server.pid).memory_info().rss / 2**20


def measure(rounds: int) -> dict:
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as home, sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("google-chrome"),
            args=["--no-sandbox"],
        )
        page = browser.new_page(viewport={"width": 1360, "height": 860})
        started = time.perf_counter()
        server = start_app(home)
        try:
            return {
                "first_picture_s": first_picture(page, started),
                "layer_switch_s": statistics.median(layer_switches(page, rounds)),
                "ratio_to_numbers_s": statistics.median(ratio_changes(page, rounds)),
                "server_peak_mb": peak_memory(server),
                "load_before": load,
                "cores": os.cpu_count(),
                "python": platform.python_version(),
            }
        finally:
            server.terminate()
            server.wait(10)
            browser.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    times = {key: round(value, 3) for key, value in measure(options.rounds).items()
             if isinstance(value, int | float)}  # fmt: skip
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(times, indent=1) + "\n")
    if options.json:
        print(json.dumps(times))
        return
    goals = {"first_picture_s": 5, "layer_switch_s": 1, "ratio_to_numbers_s": 0.3}
    goals["server_peak_mb"] = 1500
    for name, value in times.items():
        goal = f"   aim: under {goals[name]}" if name in goals else ""
        print(f"{name:<20} {value:>10}{goal}")


if __name__ == "__main__":
    main()
