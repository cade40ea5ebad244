"""Pictures of chosen filters' kernels, side by side, as one block of HTML."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from sfp_viz.figures.pictures import data_uri, glass
from sfp_viz.ui.explore.view import SHOWN_KERNELS, GroupView, pixels

MOST = 72

_CSS = (
    "<style>.tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(72px,1fr));"
    "gap:10px 8px}.tiles figure{margin:0}.tiles img{width:100%;display:block;"
    "image-rendering:pixelated;border-radius:3px}.tiles figcaption{font-size:12px;"
    "line-height:1.3;padding-top:3px;white-space:nowrap}.tiles .goes{opacity:.5}"
    ".tiles i{font-style:normal;opacity:.75}</style>"
)


def order(view: GroupView, units: Sequence[int]) -> list[int]:
    """``units`` by cluster, the most important of each first."""
    score = view.analysis.importance
    return sorted(units, key=lambda unit: (view.labels[unit], -score[unit], unit))


def html(view: GroupView, units: Sequence[int]) -> str:
    """At most ``MOST`` tiles, by cluster; filters that go are faded and say so."""
    shown = order(view, units)[:MOST]
    colors = glass()
    pictures = pixels(view.network, view.layer.name, view.group.size)
    columns = pictures.shape[1] if pictures.shape[1] <= 3 else None
    gone = set(view.removal.filters)
    tiles = []
    for unit in shown:
        label = view.labels[unit]
        where = "dead" if label < 0 else f"c{label}"
        words = escape(f"Filter {unit}: {view.note(unit)}", quote=True)
        goes = unit in gone
        tiles.append(
            f'<figure class="{"goes" if goes else ""}" title="{words}">'
            f'<img src="{data_uri(pictures[unit], columns=columns, colors=colors)}" alt="{words}">'
            f"<figcaption>{unit} <i>{where}{', goes' if goes else ''}</i></figcaption></figure>"
        )
    return f'{_CSS}<div class="tiles" data-shown="{len(shown)}">{"".join(tiles)}</div>'


def words(view: GroupView, count: int) -> str:
    """What the pictures show, and what they leave out."""
    kernels = view.layer.weight.shape[1]
    text = "Teal: weights above 0; orange: below 0; the stronger, the larger. One scale a layer."
    if kernels > SHOWN_KERNELS:
        text += f" The first {SHOWN_KERNELS} of {kernels} kernels of each filter."
    if count > MOST:
        text += f" The first {MOST} of {count} filters."
    return text
