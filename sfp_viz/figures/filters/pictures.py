"""Kernels as small pictures: one diverging scale a layer, symmetric around 0; PNG without PIL."""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np

from sfp_viz.core.network import ConvLayer
from sfp_viz.figures.colors import DIVERGING, GLASS
from sfp_viz.figures.filters.windows import Shape

MOST_FIELDS = 256  # of a filter whose inputs have no places: more would be smaller than a pixel


def filter_pixels(
    layer: ConvLayer, *, kernels: int | None = 16, window: Shape | None = None
) -> np.ndarray:
    """Thumbnails of a layer's kernels: uint8 [filters, kernels, height, width], 128 is zero.

    The scale is symmetric around 0 and the same for the whole layer: its 99th percentile of
    |weight| is 255 or 1, larger weights are cut off.

    Args:
        layer: The layer.
        kernels: How many kernels of a filter to draw; None for all.
        window: (channels, height, width) to draw a filter's weights in (windows.py); None for its
            own.
    """
    weight = layer.weight if window is None else layer.weight.reshape(-1, *window)
    top = float(np.percentile(np.abs(weight), 99)) if weight.size else 0.0
    top = top or float(np.abs(weight).max(initial=0.0)) or 1.0
    shown = weight[:, :kernels]
    return np.clip(np.round(128 + 127 * shown / top), 1, 255).astype(np.uint8)


def input_fields(layer: ConvLayer, *, most: int = MOST_FIELDS) -> np.ndarray:
    """Filters of one-pixel kernels as one field an input: uint8 [filters, 1, rows, columns].

    The first inputs, in order, row by row in a rectangle about as wide as high; the rest of its
    last row is 0, which is drawn as nothing.

    Args:
        layer: The layer.
        most: Most inputs that are drawn.
    """
    fields = filter_pixels(layer, kernels=most)[:, :, 0, 0]
    filters, inputs = fields.shape
    columns = max(1, int(np.ceil(np.sqrt(inputs))))
    rows = max(1, -(-inputs // columns))
    sheet = np.zeros((filters, rows * columns), np.uint8)
    sheet[:, :inputs] = fields
    return sheet.reshape(filters, 1, rows, columns)


def palette() -> np.ndarray:
    """The colors of the values 0..255 of ``filter_pixels``: uint8 [256, 3]."""
    stops = [(at, [int(color[i : i + 2], 16) for i in (1, 3, 5)]) for at, color in DIVERGING]
    at = np.linspace(0, 1, 256)
    parts = [np.interp(at, [a for a, _ in stops], [c[i] for _, c in stops]) for i in range(3)]
    return np.stack(parts, axis=1).round().astype(np.uint8)


def contact_sheet(pixels: np.ndarray, *, columns: int | None = None, gap: int = 1) -> np.ndarray:
    """Kernels side by side, with transparent pixels (0) between them: uint8 [height, width].

    Args:
        pixels: uint8 [kernels, height, width].
        columns: Kernels in a row; None for about as many as rows.
        gap: Pixels between two kernels.
    """
    kernels, height, width = pixels.shape
    columns = columns or max(1, int(np.ceil(np.sqrt(kernels))))
    rows = -(-kernels // columns)
    sheet = np.zeros((rows * (height + gap) - gap, columns * (width + gap) - gap), np.uint8)
    for index, kernel in enumerate(pixels):
        top, left = index // columns * (height + gap), index % columns * (width + gap)
        sheet[top : top + height, left : left + width] = kernel
    return sheet


def png(sheet: np.ndarray, colors: np.ndarray | None = None) -> bytes:
    """A PNG of values through a palette of 256 colors; value 0 is transparent.

    Args:
        sheet: uint8 [height, width].
        colors: uint8 [256, 3], or [256, 4] with an opacity each; None for ``palette``.
    """
    height, width = sheet.shape
    colors = palette() if colors is None else colors
    opacity = b"\0" + colors[1:, 3].tobytes() if colors.shape[1] == 4 else b"\0"
    lines = b"".join(b"\0" + row.tobytes() for row in np.ascontiguousarray(sheet))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
            _chunk(b"PLTE", np.ascontiguousarray(colors[:, :3]).tobytes()),
            _chunk(b"tRNS", opacity),
            _chunk(b"IDAT", zlib.compress(lines, 6)),
            _chunk(b"IEND", b""),
        )
    )


def data_uri(
    pixels: np.ndarray, *, columns: int | None = None, colors: np.ndarray | None = None
) -> str:
    """One filter's kernels as an image for an ``src`` attribute.

    Args:
        pixels: uint8 [kernels, height, width].
        columns: Kernels in a row; None for about as many as rows.
        colors: See ``png``.
    """
    image = png(contact_sheet(pixels, columns=columns), colors)
    return "data:image/png;base64," + base64.b64encode(image).decode("ascii")


def glass() -> np.ndarray:
    """Colors for both themes: the hue is the sign, the opacity the size; uint8 [256, 4].

    Weights near 0 let the page through, with a trace of grey that shows where the kernel ends.
    """
    size = np.abs(np.arange(256) - 128) / 127
    hue = np.where((np.arange(256) < 128)[:, None], GLASS[0], GLASS[1])
    colors = np.concatenate([hue, (255 * np.minimum(size, 1))[:, None]], axis=1)
    faint = size < 0.12
    colors[faint] = (128, 128, 128, 30)
    return colors.round().astype(np.uint8)


def _chunk(kind: bytes, body: bytes) -> bytes:
    sum_of = struct.pack(">I", zlib.crc32(kind + body))
    return struct.pack(">I", len(body)) + kind + body + sum_of
