"""Accuracy against cost as an SVG file, without a browser."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from html import escape

from sfp_viz.figures.tradeoff.marks import Mark, Series, View

WIDTH, HEIGHT = 820, 480
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 14, 52, 52
_INK, _PALE = "#333a3f", "#d9d9d3"
_MANY = 60  # marks of one series; of more, each is drawn smaller
_SIZE = 5.5  # half the width of a mark, in pixels
_SHAPES: dict[str, Sequence[tuple[float, float]]] = {
    "square": ((-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)),
    "diamond": ((0, -1.25), (1.25, 0), (0, 1.25), (-1.25, 0)),
    "triangle-up": ((0, -1.2), (1.1, 0.8), (-1.1, 0.8)),
    "triangle-down": ((0, 1.2), (1.1, -0.8), (-1.1, -0.8)),
    "hexagon": tuple((math.cos(k * math.pi / 3), math.sin(k * math.pi / 3)) for k in range(6)),
    "pentagon": tuple((math.sin(k * math.tau / 5), -math.cos(k * math.tau / 5)) for k in range(5)),
    "star": tuple(
        (r * math.sin(k * math.pi / 5), -r * math.cos(k * math.pi / 5))
        for k in range(10)
        for r in [1.4 if k % 2 == 0 else 0.6]
    ),
}


def tradeoff_svg(picture: View, *, title: str = "") -> str:
    """The chart as an SVG document of 820 x 480 pixels in the light theme's colors, with a tooltip
    for each mark. A chart without marks says that nothing was measured.

    Args:
        picture: The chart.
        title: Its label for screen readers.
    """
    label = escape(title or "Accuracy against cost", quote=True)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}" role="img" aria-label="{label}" '
        'font-family="Inter, Helvetica, Arial, sans-serif" font-size="12">'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>'
    )
    if not picture.marks:
        message = "Nothing has been measured on this axis yet."
        text = _text(WIDTH / 2, HEIGHT / 2, message, anchor="middle")
        return f"{head}{text}</svg>\n"
    x, x_ticks = _scale(_range(picture, 0), _LEFT, WIDTH - _RIGHT, turned=picture.turned)
    y, y_ticks = _scale(_range(picture, 1), HEIGHT - _BOTTOM, _TOP)
    many = Counter(mark.series for mark in picture.marks)
    parts = [
        *_grid(x, x_ticks, y, y_ticks),
        _text((_LEFT + WIDTH - _RIGHT) / 2, HEIGHT - 12, picture.x_title, anchor="middle"),
        f'<g transform="translate(14 {(_TOP + HEIGHT - _BOTTOM) / 2}) rotate(-90)">'
        f"{_text(0, 0, picture.y_title, anchor='middle')}</g>",
        _steps(picture, x, y),
        *(
            _mark(mark, x, y, _SIZE if many[mark.series] <= _MANY else 0.6 * _SIZE)
            for mark in picture.marks
        ),
        *_legend(picture),
    ]
    return head + "".join(parts) + "</svg>\n"


def ticks(low: float, high: float, *, most: int = 8) -> list[float]:
    """Round numbers (1, 2 or 5 times a power of ten apart) that cover low..high.

    Args:
        low: Lower end of the axis.
        high: Upper end, not below it.
        most: About how many ticks at most.
    """
    wide = max(high - low, abs(high) * 1e-6, 1e-9)
    rough = wide / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(k * power for k in (1, 2, 5, 10) if k * power >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(k * step, 12) for k in range(first, max(last, first + 1) + 1)]


def _range(picture: View, at: int) -> tuple[float, float]:
    """The smallest and the largest number on an axis; costs and changes include 0."""
    values = [0.0] if at == 0 or picture.turned else []
    for mark in picture.marks:
        value, around = ((mark.x, mark.x_span), (mark.y, mark.y_span))[at]
        values += [value, *(around or ())]
    return min(values), max(values)


def _scale(
    limits: tuple[float, float], start: float, end: float, *, turned: bool = False
) -> tuple[Callable[[float], float], list[float]]:
    marks = ticks(*limits)
    low, high = marks[0], marks[-1]
    if turned:
        start, end = end, start
    return lambda value: start + (value - low) / (high - low) * (end - start), marks


def _grid(x, x_ticks: list[float], y, y_ticks: list[float]) -> list[str]:
    elements = []
    for value in x_ticks:
        at = f"{x(value):.1f}"
        elements.append(_line(at, _TOP, at, HEIGHT - _BOTTOM, _PALE))
        elements.append(_text(x(value), HEIGHT - _BOTTOM + 18, _number(value), anchor="middle"))
    for value in y_ticks:
        at = f"{y(value):.1f}"
        elements.append(_line(_LEFT, at, WIDTH - _RIGHT, at, _PALE))
        elements.append(_text(_LEFT - 8, y(value) + 4, _number(value), anchor="end"))
    return elements


def _steps(picture: View, x, y) -> str:
    """The front: the best accuracy up to each cost."""
    if len(picture.front) < 2:
        return ""
    path, last = "", None
    for place in picture.front:
        to = (x(place[0]), y(place[1]))
        path += f"M{to[0]:.1f} {to[1]:.1f}" if last is None else f"H{to[0]:.1f}V{to[1]:.1f}"
        last = to
    return (
        f'<path d="{path}" fill="none" stroke="#808080" stroke-width="1.5" stroke-dasharray="2 3"/>'
    )


def _mark(mark: Mark, x, y, size: float) -> str:
    across, up, color = x(mark.x), y(mark.y), _ink(mark.series)
    bars = ""
    if mark.y_span:
        low, high = (f"{y(end):.1f}" for end in mark.y_span)
        bars += _line(f"{across:.1f}", low, f"{across:.1f}", high, color)
    if mark.x_span:
        low, high = (f"{x(end):.1f}" for end in mark.x_span)
        bars += _line(low, f"{up:.1f}", high, f"{up:.1f}", color)
    words = escape("\n".join(mark.words))
    size *= 1.4 if mark.series.hollow else 1  # a ring around a disc at the same place
    return f"<g><title>{words}</title>{bars}{_symbol(mark.series, across, up, size)}</g>"


def _symbol(series: Series, x: float, y: float, size: float = _SIZE) -> str:
    color = _ink(series)
    look = f'fill="{"#ffffff" if series.hollow else color}" stroke="{color}" stroke-width="1.6"'
    if series.symbol == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{size}" {look}/>'
    if series.symbol not in _SHAPES:
        near, far = size * 0.7, -size * 0.7
        ends = [(near, near, far, far), (near, far, far, near)]
        return "".join(
            _line(f"{x + a:.1f}", f"{y + b:.1f}", f"{x + c:.1f}", f"{y + d:.1f}", color, width=1.5)
            for a, b, c, d in ends
        )
    places = " ".join(f"{x + size * a:.1f},{y + size * b:.1f}" for a, b in _SHAPES[series.symbol])
    return f'<polygon points="{places}" {look}/>'


def _legend(picture: View) -> list[str]:
    elements, x, y = [], float(_LEFT), 16.0
    names: list[tuple[str, Series | None]] = [(s.name, s) for s in picture.series]
    if len(picture.front) > 1:
        names.append((f"dotted: Pareto front of {picture.among}", None))
    for name, series in names:
        wide = 30 + 6.6 * len(name)
        if x + wide > WIDTH - _RIGHT and x > _LEFT:
            x, y = float(_LEFT), y + 18
        if series:
            elements.append(_symbol(series, x + 6, y - 4))
        elements.append(_text(x + (16 if series else 0), y, name))
        x += wide
    return elements


def _line(x1, y1, x2, y2, color: str, *, width: float = 1) -> str:
    return (
        f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{color}" stroke-width="{width}"/>'
    )


def _text(x: float, y: float, text: str, *, anchor: str = "start") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" fill="{_INK}" text-anchor="{anchor}">{escape(text)}</text>'
    )


def _ink(series: Series) -> str:
    """The color of a series; old SVG viewers do not support colors with transparency."""
    return series.color if series.color.startswith("#") else "#808080"


def _number(value: float) -> str:
    return f"{value:g}".replace("-", "−")
