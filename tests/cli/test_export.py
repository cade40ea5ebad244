"""`sfp-viz export` writes each form, and what it writes opens."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.shell import NET, call, value


@pytest.fixture(autouse=True)
def _workspace(shell) -> None:
    """Each test has a folder and a workspace of its own."""


def test_a_state_dict_is_written_with_the_code_that_loads_it():
    import torch

    call("plan", NET, "--target", "0.5", "-o", "plan.json")
    call("prune", "plan.json", "--no-measure", "-o", "slim.safetensors")
    files = ("weights.pt", "network.py")
    words = value("export", "slim.safetensors", "--state-dict", files[0], "--code", files[1])
    assert words[files[0]]["difference"] <= 1e-6
    namespace: dict = {}
    exec(Path(files[1]).read_text(), namespace)
    network = namespace["load_network"](files[0])
    assert network(torch.zeros(2, 1, 8, 8)).shape == (2, 10)
    assert "write it with --state-dict" in call("export", NET, "--code", "a.py", status=2).stderr
    assert "End the name in" in call("export", NET, "--state-dict", "a.txt", status=1).stderr
