"""The names a user types: all there, imported when first used, documented."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import sfp_viz as sfp

ROOT = Path(__file__).resolve().parent.parent


def test_every_public_name_is_there_and_documented():
    assert sfp.__all__ == sorted(sfp.__all__)
    assert set(sfp.__all__) == set(sfp._HOMES)
    for name in sfp.__all__:
        assert inspect.getdoc(getattr(sfp, name)), name


def test_the_names_of_the_design_are_public():
    typed = """load_model Model read_network load_data Recipe recipes analyze figures make_plan
    Edits cost prune finetune Distillation export_onnx save_model measure_accuracy SfpError"""
    assert set(typed.split()) <= set(sfp.__all__)


def test_dir_shows_the_public_names_and_others_are_refused():
    assert set(sfp.__all__) <= set(dir(sfp))
    with pytest.raises(AttributeError, match="no public name 'nonsense'"):
        _ = sfp.nonsense


LIGHT = {
    "the package": "import sfp_viz as sfp; sfp.Recipe, sfp.recipes, sfp.Edits, sfp.cost",
    "the plan": "import sfp_viz as sfp; sfp.analyze, sfp.make_plan, sfp.figures, sfp.Distillation",
    "runs": "import sfp_viz.runs.folder, sfp_viz.runs.pool, sfp_viz.runs.launch.process",
    "the worker, until it works": "import sfp_viz.runs.worker",
    "the command line": "from sfp_viz.cli import main; main(['--help'], standalone_mode=False)",
    "help on a command": "from sfp_viz.cli import main; "
    "main(['finetune', '--help'], standalone_mode=False)",
    "a plan of a sample": "from sfp_viz.cli import main; "
    "main(['plan', 'lenet5_digits', '--target', '0.3'], standalone_mode=False)",
}


@pytest.mark.parametrize("what", LIGHT)
def test_what_needs_no_torch_loads_none(what):
    heavy = "{'torch', 'streamlit', 'umap', 'torchvision'} & set(sys.modules)"
    code = f"import sys\n{LIGHT[what]}\nprint('heavy:', *{heavy})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "heavy:"
