"""The floors of the house: imports go down only, and each floor knows only its own libraries."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "sfp_viz"

# Rooms of the package that a floor may import from, itself included.
MAY_SEE = {
    "errors.py": {"errors"},
    "files.py": {"errors", "files"},
    "core": {"errors", "core"},
    "nets": {"errors", "files", "core", "nets"},
    "runs": {"errors", "files", "core", "nets", "runs"},
    "text": {"errors", "core", "runs", "text"},
    "figures": {"errors", "core", "text", "figures"},
    "ui": {"errors", "files", "core", "nets", "runs", "text", "figures", "ui"},
    "cli": {"errors", "files", "core", "nets", "runs", "text", "figures", "cli"},
    "__init__.py": {"errors", "core", "nets", "figures", "runs"},
}

# Rooms inside core and nets from the ground up; a room imports itself and rooms of steps below.
ORDER = {
    "core": (
        {"network", "named_network", "json_format", "isotonic", "measurement", "memo",
         "network_json"},
        {"plan"}, {"cost"}, {"evidence"}, {"redundancy"}, {"allocation"},
        {"training", "selection", "comparison"},
    ),
    "nets": (
        {"forward"}, {"model"}, {"exported"}, {"data", "zoo"}, {"tracing"}, {"io", "pruning"},
        {"stripes", "evaluation"}, {"training", "export"}, {"sparsity"},
    ),
}  # fmt: skip
MOST_MODULES = 14  # in one folder, its __init__.py aside

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
    "scipy": {"core", "nets"},
}


@cache
def imports(path: Path) -> frozenset[str]:
    """Full dotted names that a file imports, at its top or inside functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(found)


def floor_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0]


FILES = sorted(PACKAGE.rglob("*.py"))


def module_of(path: Path) -> str:
    """The dotted name under which a file of the package is imported."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path) for path in FILES}


def modules_imported(path: Path) -> set[str]:
    """Modules of the package that a file imports anywhere: at its top, inside functions, and for
    type checking."""
    names = {n if n in MODULES else n.rpartition(".")[0] for n in imports(path)}
    return (names & MODULES) - {module_of(path)}


def strongly_connected(graph: dict[str, set[str]]) -> list[set[str]]:
    """Sets of modules that reach each other: Tarjan's algorithm."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    components: list[set[str]] = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in graph[name]:
            if other not in index:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], index[other])
        if low[name] == index[name]:
            at = stack.index(name)
            components.append(set(stack[at:]))
            del stack[at:]

    for name in graph:
        if name not in index:
            visit(name)
    return components


def test_a_file_imports_only_its_own_floor_and_those_below():
    wrong = []
    for path in FILES:
        rooms = {name.split(".")[1] for name in imports(path) if name.startswith("sfp_viz.")}
        if above := rooms - MAY_SEE[floor_of(path)]:
            wrong.append(f"{path.relative_to(PACKAGE)} looks up to {', '.join(sorted(above))}")
    assert not wrong, "\n".join(wrong)


def test_a_file_imports_only_the_libraries_of_its_floor():
    wrong = []
    for path in FILES:
        for library in {name.split(".")[0] for name in imports(path)} & set(ONLY_IN):
            if floor_of(path) not in ONLY_IN[library]:
                wrong.append(f"{path.relative_to(PACKAGE)} imports {library}")
    assert not wrong, "\n".join(wrong)


def step_of(floor: str, name: str) -> int | None:
    """The step of ORDER on which the module with this dotted name stands."""
    parts = name.split(".")
    if parts[1] != floor or len(parts) < 3:
        return None
    steps = [n for n, rooms in enumerate(ORDER[floor]) if parts[2] in rooms]
    assert steps, f"{name} is in no room of ORDER"
    return steps[0]


@pytest.mark.parametrize("floor", ORDER)
def test_rooms_of_core_and_nets_import_only_those_below(floor):
    wrong = []
    for path in sorted((PACKAGE / floor).rglob("*.py")):
        own, at = module_of(path), step_of(floor, module_of(path))
        for name in modules_imported(path):
            below = step_of(floor, name)
            same_room = own.split(".")[:3] == name.split(".")[:3]
            if at is not None and below is not None and below >= at and not same_room:
                single_files = own.count(".") == 2 and name.count(".") == 2
                if not (single_files and below == at):
                    wrong.append(f"{own} -> {name}")
    assert not wrong, "\n".join(wrong)


def test_no_modules_import_each_other_in_a_circle():
    graph = {module_of(path): modules_imported(path) for path in FILES}
    circles = [sorted(names) for names in strongly_connected(graph) if len(names) > 1]
    assert not circles, "\n".join(" <-> ".join(names) for names in circles)


def test_no_folder_holds_more_modules_than_one_can_overlook():
    counts = Counter(path.parent for path in FILES if path.name != "__init__.py")
    wrong = [f"{folder} has {count} modules" for folder, count in counts.items()
             if count > MOST_MODULES]  # fmt: skip
    assert not wrong, "\n".join(wrong)


def test_torch_pruning_is_known_to_one_file_only():
    knowing = [p for p in FILES if any(n.startswith("torch_pruning") for n in imports(p))]
    assert [p.name for p in knowing] == ["dependency_groups.py"]


# Modules of core that may hold sentences: those of version 0.1, which it still reads, and parts of
# messages that are raised elsewhere in the module.
SENTENCES_IN = {
    "network_json.py", "plan/version_1.py", "training/distillation.py",
}  # fmt: skip
WORDS_OF_A_SENTENCE = 6


def sentences(path: Path) -> list[str]:
    """String literals of a module that are LaTeX, end a sentence or have as many words as one;
    docstrings, what is raised and the text of exceptions (``__str__``) aside."""
    tree, skipped = ast.parse(path.read_text()), set()
    for node in ast.walk(tree):
        is_text = isinstance(node, ast.FunctionDef) and node.name == "__str__"
        if isinstance(node, ast.Raise) or is_text:
            skipped |= set(ast.walk(node))
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            skipped.add(node.value)
    literals = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in skipped
    ]
    return [
        text
        for text in literals
        if re.search(r"\\[a-zA-Z]{2,}", text)
        or (" " in text and text.endswith("."))
        or (len(re.findall(r"[a-zA-Z]{2,}", text)) >= WORDS_OF_A_SENTENCE and " " in text)
    ]


@pytest.mark.parametrize(
    "path", sorted((PACKAGE / "core").rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE))
)
def test_core_holds_records_and_no_sentences_or_latex(path):
    if path.relative_to(PACKAGE / "core").as_posix() not in SENTENCES_IN:
        assert not sentences(path), "make it a record, and its words in sfp_viz/text"


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
        "sfp_viz.figures.theme, sfp_viz.figures.filters.dispersion",
        "sfp_viz.runs.folder, sfp_viz.runs.pool",
        "sfp_viz.nets.io.samples",
        "sfp_viz.ui.session.state, sfp_viz.ui.cached.planned",
    ],
)
def test_what_needs_no_torch_loads_none(modules):
    code = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr or f"{modules} loaded torch"


def test_the_picture_of_the_architecture_shows_every_room():
    picture = (ROOT / "docs" / "architecture.svg").read_text()
    rooms = {p.parent.name for p in PACKAGE.glob("*/*/__init__.py")}
    missing = sorted(room for room in rooms if f">{room}<" not in picture)
    assert not missing, f"Run scripts/architecture.py: {missing} are not in docs/architecture.svg"
