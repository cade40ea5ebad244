"""What a command tells to do next works as printed."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import pytest

from tests.shell import NET, call


@pytest.fixture(autouse=True)
def _workspace(shell) -> None:
    """Each test has a folder and a workspace of its own."""


def following(output: str, mark: str) -> list[str]:
    """The words of the command that is printed behind ``mark``, without 'sfp-viz'."""
    words = shlex.split(output.partition(mark)[2].strip().splitlines()[0])
    assert words[0] == "sfp-viz"
    return words[1:]


@pytest.mark.parametrize("folder", ["here", "a folder of spaces"])
def test_the_next_step_of_a_plan_works_for_a_sample_and_for_a_file(folder):
    Path(folder).mkdir()
    once, twice = f"{folder}/once.json", f"{folder}/twice.json"
    planned = call("plan", NET, "--target", "0.3", "-o", once).stdout
    call(*following(planned, "Next:"))
    pruned = f"{folder}/pruned.safetensors"
    shutil.move("slim.safetensors", pruned)
    planned = call("plan", pruned, "--target", "0.2", "-o", twice).stdout
    assert "--model" in following(planned, "Next:")
    call(*following(planned, "Next:"))
    assert Path("slim.safetensors").exists()


def test_prune_finds_the_network_in_a_file_beside_the_plan():
    call("plan", NET, "--target", "0.3", "-o", "once.json")
    call("prune", "once.json", "-o", "once.safetensors")
    call("plan", "once.safetensors", "--target", "0.2", "-o", "twice.json")
    call("prune", "twice.json", "-o", "twice.safetensors")
    Path("once.safetensors").unlink()
    told = call("prune", "twice.json", "-o", "thrice.safetensors", status=1).stderr
    assert "--model NET" in told


def test_a_plan_says_what_is_not_rounded():
    words = ("--set", "rounding=8", "--recipe", "uniform_l1")
    assert "multiples" not in call("plan", NET, "--target", "0.3", *words).stdout
    far = call("plan", NET, "--target", "0.95", *words).stdout
    assert "could not be rounded to multiples of 8: with multiples alone at most" in far
    by_hand = call("plan", NET, "--target", "0", "--ratio", "conv2=0.3", *words).stdout
    assert "conv2 is not rounded to multiples of 8, because its width was set by hand." in by_hand


@pytest.mark.parametrize(
    "advice",
    ["observe NET", "sensitivity NET", "latency NET", "finetune NET", "preprocessing NET",
     "runs queue", "runs list", "mirror set URI", "cluster set ADDRESS", "models find PART"],
)  # fmt: skip
def test_commands_that_messages_name_take_those_words(advice):
    words = advice.split()
    usage = call(*[word for word in words if word.islower()], "--help").stdout.splitlines()[0]
    arguments = [word for word in words if word.isupper()]
    assert [word.strip("[].") for word in usage.partition("[OPTIONS]")[2].split()] == arguments
