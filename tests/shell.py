"""The command line as a shell calls it: for tests of its commands."""

from __future__ import annotations

import json

from click.testing import CliRunner, Result

from sfp_viz import cli

NET = "lenet5_digits"


def call(*words: object, status: int = 0) -> Result:
    """Run ``sfp-viz`` with ``words``; it must end with ``status``."""
    result = CliRunner().invoke(cli.main, [str(word) for word in words])
    assert result.exit_code == status, result.output
    return result


def value(*words: object) -> dict:
    """What a command says with ``--json``."""
    return json.loads(call(*words, "--json").stdout)
