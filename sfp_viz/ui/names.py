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
    stages = {}
    for name, path in zip(names, paths, strict=True):
        names_left = path[shared:]
        stages[name] = (
            (names_left[0], ".".join(names_left[1:]))
            if len(names_left) > 1
            else ("", names_left[0])
        )
    return stages
