"""Pictures of chosen filters' kernels, side by side, as one block of HTML."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from sfp_viz.figures.filters.pictures import MOST_FIELDS, data_uri, glass
from sfp_viz.figures.filters.windows import size_words, window_of
from sfp_viz.ui.group.group_view import SHOWN_KERNELS, GroupView, pixels

MOST = 72
FEW = 6  # chosen filters that are drawn larger, without a scroll bar

_CSS = (
    "<style>.tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(72px,1fr));"
    "gap:10px 12px}.tiles figure{margin:0}.tiles img{width:100%;display:block;"
    "image-rendering:pixelated;border-radius:3px}.tiles figcaption{font-size:12px;"
    "line-height:1.3;padding-top:3px;white-space:nowrap}.tiles .goes img{opacity:.5}"
    ".tiles.few{grid-template-columns:repeat(auto-fill,minmax(104px,1fr));gap:12px 20px}"
    ".tiles i{font-style:normal;opacity:.82}</style>"
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
    if pictures.shape[-1] <= 3 and pictures.shape[1] > 1:  # or gaps would be as wide as kernels
        pictures = pictures.repeat(2, axis=2).repeat(2, axis=3)
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
    few = " few" if len(shown) <= FEW else ""
    return f'{_CSS}<div class="tiles{few}" data-shown="{len(shown)}">{"".join(tiles)}</div>'


def what(view: GroupView) -> str:
    """'48 filters of 20 × 3 × 3', or '64 neurons, each a filter of 48 × 2 × 2'."""
    size = size_words(view.network, view.layer)
    many = f"{view.layer.filters:,}"
    if view.layer.neurons:
        return f"{many} neurons, each a filter of {size}"
    return f"{many} filters of {size}"


def words(view: GroupView, count: int) -> str:
    """What the pictures show, and what they leave out."""
    channels, height, width = window_of(view.network, view.layer)
    text = "Teal: weights above 0; orange: below 0; the stronger, the larger. One scale a layer."
    if (height, width) == (1, 1):
        text += _fields(channels, neurons=view.layer.neurons)
    else:
        kernels = "kernels"
        if view.layer.neurons:
            kernels = "maps"
            text += (
                f" Its inputs are drawn as the maps that they are, {height} × {width} pixels each."
            )
        if channels > SHOWN_KERNELS:
            text += f" The first {SHOWN_KERNELS} of {channels:,} {kernels} of each filter."
    if count > MOST:
        text += f" The first {MOST} of {count:,} filters."
    return text


def _fields(inputs: int, *, neurons: bool) -> str:
    """What a picture of kernels of one pixel is, and is not."""
    text = " A kernel has one pixel: one field a channel, row by row."
    if neurons:
        text = (
            " A neuron has no window on an image: one field an input, row by row. What is alike "
            "shows, a shape means nothing."
        )
    if inputs > MOST_FIELDS:
        text += f" The first {MOST_FIELDS} of {inputs:,}."
    return text
