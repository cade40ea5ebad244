"""Names of layers as people read them."""

from __future__ import annotations

from collections.abc import Sequence


def short_names(names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Each dotted path as (stage, rest): 'layer3.0.conv2' -> ('layer3', '0.conv2').

    The stage is the first part of the path, after parts that all paths share; it is '' for a path
    of one part.
    """
    paths = [name.split(".") for name in names]
    shared = 0
    while paths and all(len(p) > shared + 2 and p[shared] == paths[0][shared] for p in paths):
        shared += 1
    found = {}
    for name, path in zip(names, paths, strict=True):
        rest = path[shared:]
        found[name] = (rest[0], ".".join(rest[1:])) if len(rest) > 1 else ("", rest[0])
    return found
