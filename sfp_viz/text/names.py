"""Names in a sentence."""

from __future__ import annotations

from collections.abc import Sequence


def join_names(names: Sequence[str], *, most: int = 4) -> str:
    """'a, b and c', or 'a, b, c, d and 3 more'.

    Args:
        names: The names, in order.
        most: How many to give before 'and ... more'.
    """
    names = list(names)
    if len(names) > most + 1:
        names = [*names[:most], f"{len(names) - most} more"]
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"
