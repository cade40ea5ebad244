"""The floors of the house: imports go down only, and each floor knows only its own libraries."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "sfp_viz"

# Rooms of the package that a floor may import from, itself included.
MAY_SEE = {
    "errors.py": {"errors"},
    "core": {"errors", "core"},
    "nets": {"errors", "core", "nets"},
    "figures": {"errors", "core", "figures"},
    "runs": {"errors", "core", "nets", "runs"},
    "ui": {"errors", "core", "nets", "figures", "runs", "ui"},
    "cli": {"errors", "core", "nets", "figures", "runs", "cli"},
    "__init__.py": {"errors", "core", "nets", "figures", "runs"},
}

# Outside libraries that only some floors may import.
ONLY_IN = {
    "torch": {"nets"},
    "torchvision": {"nets"},
    "torch_pruning": {"nets"},
    "lightning_fabric": {"nets"},
    "torchmetrics": {"nets"},
    "timm": {"nets"},
    "safetensors": {"nets"},
    "onnx": {"nets"},
    "onnxruntime": {"nets"},
    "streamlit": {"ui"},
    "plotly": {"figures"},
    "click": {"cli"},
    "psutil": {"runs"},
    "mlflow": {"runs"},
    "ray": set(),  # spoken to over HTTP
    "sklearn": {"core", "nets"},  # nets only for the embedded digits
    "umap": {"core"},
    "scipy": {"core"},
}


def imports(path: Path) -> set[str]:
    """Full dotted names that a file imports, at its top or inside functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def floor_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0]


FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_file_imports_only_its_own_floor_and_those_below(path):
    floor = floor_of(path)
    rooms = {name.split(".")[1] for name in imports(path) if name.startswith("sfp_viz.")}
    assert rooms <= MAY_SEE[floor], f"{path.name} on floor {floor} looks up to {rooms}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_file_imports_only_the_libraries_of_its_floor(path):
    floor = floor_of(path)
    for library in {name.split(".")[0] for name in imports(path)} & set(ONLY_IN):
        assert floor in ONLY_IN[library], f"{library} does not belong on the floor {floor}"


def test_torch_pruning_is_known_to_one_file_only():
    knowing = [p for p in FILES if any(n.startswith("torch_pruning") for n in imports(p))]
    assert [p.name for p in knowing] == ["dependency_groups.py"]


@pytest.mark.parametrize("path", [ROOT / "app.py", *sorted((ROOT / "pages").glob("*.py"))], ids=str)
def test_a_page_is_thin_and_computes_nothing(path):
    tree = ast.parse(path.read_text())
    lines = len(path.read_text().splitlines())
    assert lines <= 100, f"{path.name} has {lines} lines"
    assert not [n for n in ast.walk(tree) if isinstance(n, ast.ClassDef)]
    outside = {name.split(".")[0] for name in imports(path)} - {"__future__", "sfp_viz"}
    assert outside <= {"streamlit", "pathlib"}, f"{path.name} imports {outside}"


@pytest.mark.parametrize(
    "modules",
    [
        "sfp_viz, sfp_viz.errors",
        "sfp_viz.core.selection.analysis, sfp_viz.core.selection.planner, sfp_viz.core.cost.cost",
        "sfp_viz.figures.theme, sfp_viz.figures.dispersion",
        "sfp_viz.runs.folder, sfp_viz.runs.pool",
        "sfp_viz.nets.io.samples",
        "sfp_viz.ui.session.state, sfp_viz.ui.cached.planned",
    ],
)
def test_what_needs_no_torch_loads_none(modules):
    code = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr or f"{modules} loaded torch"
