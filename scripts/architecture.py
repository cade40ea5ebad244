"""Draw docs/architecture.svg from the imports, and print figures of the structure.

    python scripts/architecture.py            # draws; with --check, fails when it is out of date
    python scripts/architecture.py --figures  # folders, floors, circles, parameters, identifiers

The picture has a band for each floor of the package and a box for each room. A room stands above
the rooms of its floor that it imports; lines join rooms of one floor, less those that follow from
other lines.
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "architecture.svg"
VAGUE = ("found", "made", "some", "theirs", "them", "now", "part", "told", "asked")

# Floors from the top down; what each is stands in docs/architecture.md.
FLOORS = (("ui", "cli"), ("figures",), ("text",), ("runs",), ("nets",), ("core",))
LABELS = {"ui": "ui · streamlit", "cli": "cli · click", "figures": "figures · plotly",
          "text": "text · sentences", "runs": "runs · processes", "nets": "nets · torch",
          "core": "core · numpy, no torch"}  # fmt: skip
NOTE = "Below all: files and errors. Imports go down only."
Graph = dict[str, set[str]]


def modules(root: Path) -> dict[str, Path]:
    """Files of the package by dotted name; a package is named by its folder."""
    names = {}
    for path in sorted((root / "sfp_viz").rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return names


def import_graph(root: Path) -> Graph:
    """Modules of the package that each module imports: at its top, in functions, for types."""
    paths, graph = modules(root), {}
    for name, path in paths.items():
        targets: set[str] = set()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                targets |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                full = {f"{node.module}.{alias.name}" for alias in node.names}
                targets |= {n if n in paths else str(node.module) for n in full}
        graph[name] = (targets & set(paths)) - {name}
    return graph


def circles(graph: Graph) -> list[list[str]]:
    """Sets of modules that import each other, by repeatedly taking away what imports nothing or is
    imported by nothing, then walking what is left."""
    reach = {name: _reach(graph, name) for name in graph}
    groups = {frozenset({n, *(m for m in reach[n] if n in reach[m])}) for n in graph}
    return sorted(sorted(group) for group in groups if len(group) > 1)


def _reach(graph: Graph, start: str) -> set[str]:
    seen: set[str] = set()
    stack = list(graph[start])
    while stack:
        name = stack.pop()
        if name not in seen:
            seen.add(name)
            stack += graph[name]
    return seen


def levels(graph: Graph) -> dict[str, int]:
    """Height of each node: 1 for what imports nothing of the graph. Members of a circle are taken
    as they come."""
    height: dict[str, int] = {}

    def visit(name: str, above: tuple[str, ...] = ()) -> int:
        if name not in height and name not in above:
            below = [visit(other, (*above, name)) for other in graph[name]]
            height[name] = 1 + max(below, default=0)
        return height.get(name, 0)

    for name in sorted(graph):
        visit(name)
    return height


def room_of(name: str) -> tuple[str, str]:
    """Floor and room of a module; the room is '' for what lies in the floor's own folder."""
    parts = name.split(".")[1:]
    return (parts[0] if parts else "", parts[1] if len(parts) > 2 else "")


def room_graph(graph: Graph, paths: dict[str, Path], floor: str) -> Graph:
    """Rooms of a floor and the rooms of it that each imports."""
    packages = {name for name, path in paths.items() if path.name == "__init__.py"}
    rooms = {
        n.split(".")[2] for n in packages if n.split(".")[1:2] == [floor] and n.count(".") == 2
    }
    result: Graph = {room: set() for room in sorted(rooms)}
    for name, targets in graph.items():
        for target in targets:
            (f1, r1), (f2, r2) = room_of(name), room_of(target)
            if f1 == f2 == floor and r1 in rooms and r2 in rooms and r1 != r2:
                result[r1].add(r2)
    return result


def reduced(graph: Graph) -> Graph:
    """The graph less every edge that follows from a longer way."""
    return {
        name: {t for t in targets if not any(t in _reach(graph, o) for o in targets - {t})}
        for name, targets in graph.items()
    }


# The picture.

WIDTH, BOX, GAP, ROW, PAD = 1120, 118, 12, 58, 14
STYLE = """
text { font: 13px Inter, system-ui, sans-serif; fill: #14181b; }
.band { fill: #f0f0ec; } .room { fill: #fbfbf9; stroke: #0b6e74; }
.title { font-weight: 600; } .small { font-size: 11px; fill: #5a6368; }
.line { fill: none; stroke: #0b6e74; stroke-opacity: .45; }
@media (prefers-color-scheme: dark) {
  text { fill: #e4e6e3; } .band { fill: #1e2226; } .room { fill: #14171a; stroke: #4fb8bd; }
  .small { fill: #a8b0b2; } .line { stroke: #4fb8bd; }
}
"""


def draw(root: Path) -> str:
    """The picture as SVG text; the same for the same tree."""
    graph, paths = import_graph(root), modules(root)
    shapes: list[str] = []
    y = 12
    for row in FLOORS:
        share = [max(3, len(room_graph(graph, paths, floor))) for floor in row]
        x, height = 12, 0
        for floor, weight in zip(row, share, strict=True):
            width = (WIDTH - 24 - GAP * (len(row) - 1)) * weight // sum(share)
            band, tall = _band(graph, paths, floor, x, y, width)
            shapes += band
            height = max(height, tall)
            x += width + GAP
        y += height + GAP
    shapes.append(f'<text class="small" x="12" y="{y + 8}">{NOTE}</text>')
    body = "\n".join(shapes)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + 24}" role="img" '
        f'aria-label="Floors and rooms of sfp_viz">\n<style>{STYLE}</style>\n{body}\n</svg>\n'
    )


def _band(
    graph: Graph, paths: dict[str, Path], floor: str, x: int, y: int, width: int
) -> tuple[list[str], int]:
    rooms = room_graph(graph, paths, floor)
    height = levels(rooms)
    own = [p for n, p in paths.items() if n.split(".")[1:2] == [floor] and n.count(".") == 2
           and p.name != "__init__.py"]  # fmt: skip
    per_row = max(1, (width - 2 * PAD + GAP) // (BOX + GAP))
    rows: list[list[str]] = []
    for level in sorted(set(height.values()), reverse=True):
        names = sorted(n for n in rooms if height[n] == level)
        rows += [names[i : i + per_row] for i in range(0, len(names), per_row)]
    tall = 30 + len(rows) * ROW + (6 if rows else 12)
    place: dict[str, tuple[float, float]] = {}
    boxes: list[str] = []
    for r, names in enumerate(rows):
        used = len(names) * (BOX + GAP) - GAP
        left = x + (width - used) / 2
        for i, name in enumerate(names):
            place[name] = (left + i * (BOX + GAP), y + 30 + r * ROW)
            boxes += _box(*place[name], name, *_size(paths, f"sfp_viz.{floor}.{name}"))
    lines = [
        _line(place[name], place[other])
        for name, targets in reduced(rooms).items()
        for other in sorted(targets)
    ]
    aside = f" · and {len(own)} modules" if rooms and len(own) > 1 else ""
    if not rooms:
        aside = " · {} modules, {:,} lines".format(*_size(paths, f"sfp_viz.{floor}"))
    words = f'{escape(LABELS[floor])}<tspan class="small">{aside}</tspan>'
    title = f'<text class="title" x="{x + PAD}" y="{y + 19}">{words}</text>'
    band = f'<rect class="band" x="{x}" y="{y}" width="{width}" height="{tall}" rx="8"/>'
    return [band, *lines, title, *boxes], tall


def _size(paths: dict[str, Path], package: str) -> tuple[int, int]:
    inside = [
        p for n, p in paths.items() if n.startswith(package + ".") and p.name != "__init__.py"
    ]
    return len(inside), sum(len(p.read_text().splitlines()) for p in inside)


def _box(x: float, y: float, name: str, count: int, lines: int) -> Iterator[str]:
    yield f'<rect class="room" x="{x:g}" y="{y}" width="{BOX}" height="38" rx="5"/>'
    yield f'<text x="{x + 9:g}" y="{y + 16}">{escape(name)}</text>'
    size = f"{count} modules, {round(lines, -1):,}"
    yield f'<text class="small" x="{x + 9:g}" y="{y + 31}">{size}</text>'


def _line(above: tuple[float, float], below: tuple[float, float]) -> str:
    (x1, y1), (x2, y2) = above, below
    x1, x2, y1 = x1 + BOX / 2, x2 + BOX / 2, y1 + 38
    half = (y1 + y2) / 2
    curve = f"M{x1:g} {y1}C{x1:g} {half:g} {x2:g} {half:g} {x2:g} {y2}"
    return f'<path class="line" d="{curve}"/>'


# The figures.


def figures(root: Path) -> Iterator[str]:
    """Lines of figures about the tree below ``root``."""
    graph, paths = import_graph(root), modules(root)
    folders = Counter(p.parent for p in paths.values() if p.name != "__init__.py")
    widest = folders.most_common(3)
    lines = sum(len(p.read_text().splitlines()) for p in paths.values())
    yield f"modules: {len(graph)}, lines: {lines:,}"
    yield "widest folders: " + ", ".join(f"{p.relative_to(root)} {n}" for p, n in widest)
    for floor in ("core", "nets"):
        inner = {n: {t for t in ts if t.startswith(f"sfp_viz.{floor}.")} for n, ts in graph.items()
                 if n.startswith(f"sfp_viz.{floor}.")}  # fmt: skip
        yield f"{floor}: {max(levels(inner).values())} floors of modules"
    rings = circles(graph)
    yield f"circles: {len(rings)}" + "".join(f"\n  {' <-> '.join(ring)}" for ring in rings)
    trees = [ast.parse(p.read_text()) for p in paths.values()]
    functions = [n for t in trees for n in ast.walk(t) if isinstance(n, ast.FunctionDef)]
    wide = [f for f in functions if len(_parameters(f)) >= 5]
    yield f"functions: {len(functions)}, with five or more parameters: {len(wide)}"
    names = Counter(_identifiers(trees))
    yield "identifiers: " + ", ".join(f"{word} {names[word]}" for word in VAGUE)
    public = [f for f in functions if not f.name.startswith("_") and len(_parameters(f)) > 1]
    listed = sum("Args:" in (ast.get_docstring(f) or "") for f in public)
    yield f"public functions of two or more parameters: {len(public)}, with 'Args:': {listed}"


def _parameters(function: ast.FunctionDef) -> list[str]:
    a = function.args
    return [p.arg for p in (*a.posonlyargs, *a.args, *a.kwonlyargs) if p.arg not in ("self", "cls")]


def _identifiers(trees: Iterable[ast.AST]) -> Iterator[str]:
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.Name):
                yield node.id
            elif isinstance(node, ast.arg):
                yield node.arg
            elif isinstance(node, ast.Attribute):
                yield node.attr


def main() -> int:
    parser = argparse.ArgumentParser(description="Draw docs/architecture.svg from the imports.")
    parser.add_argument("--figures", action="store_true", help="print figures instead of drawing")
    parser.add_argument("--check", action="store_true", help="fail when the picture is out of date")
    parser.add_argument("--root", type=Path, default=ROOT, help="another checkout")
    options = parser.parse_args()
    if options.figures:
        print("\n".join(figures(options.root)))
        return 0
    picture = draw(options.root)
    if options.check:
        return int(not PICTURE.exists() or PICTURE.read_text() != picture)
    PICTURE.write_text(picture)
    return 0


if __name__ == "__main__":
    sys.exit(main())
