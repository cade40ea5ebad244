"""How numbers are written everywhere: pages, charts and the command line's tables."""

from __future__ import annotations

_STEPS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def count(number: float) -> str:
    """A count with three digits and a unit letter: 1234567 -> '1.23 M'; below 1,000 whole."""
    for size, letter in _STEPS:
        if abs(number) >= size * 0.9995:
            value = number / size
            digits = 2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0
            return f"{value:.{digits}f} {letter}"
    return f"{number:.0f}"


def size(number: float) -> str:
    """Bytes as kB or MB (thousands): 123456 -> '123 kB'."""
    return f"{count(number)}B" if number >= 1000 else f"{number:.0f} B"


def percent(share: float, digits: int = 1) -> str:
    """A share 0..1 in per cent: 0.4213 -> '42.1 %'.

    Args:
        share: 0..1, or any other share.
        digits: After the point.
    """
    return f"{100 * share:.{digits}f} %"


def change(before: float, after: float) -> str:
    """What is saved, in per cent with a sign: (200, 100) -> '−50.0 %'; '' for before 0.

    Args:
        before: A cost, 0 or more.
        after: The cost now.
    """
    if not before:
        return ""
    moved = 100 * (after - before) / before
    if abs(moved) < 0.05:
        return "no change"
    return f"{'−' if moved < 0 else '+'}{abs(moved):.1f} %"


def signed(number: float, digits: int = 2) -> str:
    """A number with a true minus sign where it is negative: -0.17 -> '−0.17'.

    Args:
        number: The number.
        digits: After the point.
    """
    return f"{number:.{digits}f}".replace("-", "−")


def span(interval: tuple[float, float] | None) -> str:
    """An interval of shares in per cent: (0.912, 0.943) -> '91.2–94.3 %'."""
    if interval is None:
        return ""
    return f"{100 * interval[0]:.1f}–{100 * interval[1]:.1f} %"


def difference_text(share: float) -> str:
    """How far a file's outputs are from the network's, as measured.

    Args:
        share: The largest difference as a share of the outputs' scale.
    """
    if not share:
        return "no difference (measured)"
    return f"largest difference {share:.1e} of the outputs' scale (measured)"


def duration(seconds: float) -> str:
    """A time for people: 95 -> '1 min 35 s'; 7260 -> '2 h 1 min'."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def device_name(device: str) -> str:
    """torch's name of a device for people: 'cpu' -> 'CPU'; others, such as 'cuda:0', as it is."""
    return "CPU" if device == "cpu" else device


def milliseconds(number: float) -> str:
    """A time given in ms: 3.48 -> '3.48 ms'; 0.0438 -> '0.044 ms'; 1330 -> '1.33 s'."""
    if number >= 999.5:
        return f"{number / 1000:.2f} s"
    return f"{number:.3f} ms" if number < 1 else f"{number:.3g} ms"
