"""Pictures of the kernels of selected filters, as one block of HTML."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from sfp_viz.figures.filters.pictures import MOST_FIELDS, data_uri, glass
from sfp_viz.figures.filters.windows import size_words, window_of
from sfp_viz.ui.group.group_view import SHOWN_KERNELS, GroupView, pixels

MOST = 72
FEW = 6  # selected filters that are drawn larger, without a scroll bar

_CSS = (
    "<style>.tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(72px,1fr));"
    "gap:10px 12px}.tiles figure{margin:0}.tiles img{width:100%;display:block;"
    "image-rendering:pixelated;border-radius:3px}.tiles figcaption{font-size:12px;"
    "line-height:1.3;padding-top:3px;white-space:nowrap}.tiles .pruned img{opacity:.5}"
    ".tiles.few{grid-template-columns:repeat(auto-fill,minmax(104px,1fr));gap:12px 20px}"
    ".tiles i{font-style:normal;opacity:.82}</style>"
)


def order(view: GroupView, units: Sequence[int]) -> list[int]:
    """``units`` by cluster, the most important filters of each cluster first.

    Args:
        view: The view of the group.
        units: Numbers of the filters.
    """
    score = view.analysis.importance
    return sorted(units, key=lambda unit: (view.labels[unit], -score[unit], unit))


def html(view: GroupView, units: Sequence[int]) -> str:
    """At most ``MOST`` tiles as HTML, by cluster; pruned filters are faded and labeled.

    Args:
        view: The view of the group.
        units: Numbers of the filters.
    """
    visible = order(view, units)[:MOST]
    colors = glass()
    pictures = pixels(view.network, view.layer.name, view.group.size)
    if pictures.shape[-1] <= 3 and pictures.shape[1] > 1:  # or gaps would be as wide as kernels
        pictures = pictures.repeat(2, axis=2).repeat(2, axis=3)
    columns = pictures.shape[1] if pictures.shape[1] <= 3 else None
    pruned = set(view.removal.filters)
    tiles = []
    for unit in visible:
        label = view.labels[unit]
        cluster = "dead" if label < 0 else f"c{label}"
        title = escape(f"Filter {unit}: {view.note(unit)}", quote=True)
        is_pruned = unit in pruned
        caption = f"{cluster}, pruned" if is_pruned else cluster
        tiles.append(
            f'<figure class="{"pruned" if is_pruned else ""}" title="{title}">'
            f'<img src="{data_uri(pictures[unit], columns=columns, colors=colors)}" alt="{title}">'
            f"<figcaption>{unit} <i>{caption}</i></figcaption></figure>"
        )
    few = " few" if len(visible) <= FEW else ""
    return f'{_CSS}<div class="tiles{few}" data-shown="{len(visible)}">{"".join(tiles)}</div>'


def layer_title(view: GroupView) -> str:
    """'48 filters of 20 × 3 × 3', or '64 units, each a filter of 48 × 2 × 2'."""
    size = size_words(view.network, view.layer)
    many = f"{view.layer.filters:,}"
    if view.layer.neurons:
        return f"{many} units, each a filter of {size}"
    return f"{many} filters of {size}"


def legend(view: GroupView, count: int) -> str:
    """What the pictures show, and what they omit.

    Args:
        view: The view of the group.
        count: Number of filters that are drawn.
    """
    channels, height, width = window_of(view.network, view.layer)
    text = "Teal: positive; orange: negative; stronger: larger. One color scale per layer."
    if (height, width) == (1, 1):
        text += _pixel_legend(channels, neurons=view.layer.neurons)
    else:
        kernels = "kernels"
        if view.layer.neurons:
            kernels = "maps"
            text += f" Its inputs are drawn as feature maps of {height} × {width} pixels."
        if channels > SHOWN_KERNELS:
            text += f" Shown: the first {SHOWN_KERNELS} of {channels:,} {kernels} of each filter."
    if count > MOST:
        text += f" Shown: the first {MOST} of {count:,} filters."
    return text


def _pixel_legend(inputs: int, *, neurons: bool) -> str:
    """What a picture of kernels of one pixel is, and is not."""
    text = " Each kernel has one pixel, drawn as one cell per channel, row by row."
    if neurons:
        text = (
            " One cell per input, row by row: similar units look alike, but shapes have no meaning."
        )
    if inputs > MOST_FIELDS:
        text += f" Shown: the first {MOST_FIELDS} of {inputs:,}."
    return text
