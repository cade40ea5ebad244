"""The layers in a state dict, told by the shapes and the order of its tensors and not by names."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Shape = tuple[int, ...]
Kind = Literal["conv", "linear", "norm"]

_ROLES = {
    "running_mean": "mean", "moving_mean": "mean", "running_var": "var", "moving_variance": "var",
    "moving_var": "var", "num_batches_tracked": "count", "weight": "weight", "bias": "bias",
    "gamma": "weight", "beta": "bias", "kernel": "weight", "scale": "weight", "offset": "bias",
    "mean": "mean", "variance": "var", "var": "var", "w": "weight", "b": "bias",
}  # fmt: skip
_LEAF = re.compile(rf"^(?:(.*?)[._/])?({'|'.join(_ROLES)})(?::0)?$")
# the 1-d tensors behind a weight, by how many there are, where no name says what they are
_BEHIND = {
    1: (("own", "bias"),),
    2: (("norm", "weight"), ("norm", "bias")),
    3: (("own", "bias"), ("norm", "weight"), ("norm", "bias")),
    4: tuple(("norm", role) for role in ("weight", "bias", "mean", "var")),
    5: (("own", "bias"), *(("norm", role) for role in ("weight", "bias", "mean", "var"))),
}
PROJECTION = re.compile(r"short|down|proj|skip|ident|match|adjust", re.IGNORECASE)


@dataclass(frozen=True)
class Unit:
    """One layer of a state dict.

    Args:
        kind: 'conv' (a 4-d weight), 'linear' (2-d) or 'norm' (1-d tensors alone).
        owner: What its names have in common, such as 'layer1.0.conv1'.
        shape: Its weight's shape; (channels,) for a norm.
        keys: Its entries by role: 'weight', 'bias', 'mean', 'var'.
    """

    kind: Kind
    owner: str
    shape: Shape
    keys: Mapping[str, str]

    @property
    def signature(self) -> tuple:
        """Kind, shape and roles: two layers that can hold each other's tensors have the same."""
        return self.kind, self.shape, tuple(sorted(self.keys))

    @property
    def window(self) -> int:
        """Height of a convolution's window in pixels; 0 where it is not square."""
        return self.shape[2] if self.kind == "conv" and self.shape[2] == self.shape[3] else 0


def is_count(name: str, shape: Shape) -> bool:
    """Whether an entry counts batches or steps: no layer needs it.

    Args:
        name: The entry's name.
        shape: Its shape.
    """
    return name.endswith("num_batches_tracked") or shape == ()


def units_of(shapes: Mapping[str, Shape]) -> tuple[tuple[Unit, ...], tuple[str, ...]]:
    """The layers in a state dict, in its order, and the names of what belongs to none.

    Entries of one owner ('bn1.weight', 'bn1.running_var', or 'bn1_gamma', 'bn1_beta') are one
    layer. Where names say nothing, the 1-d tensors behind a weight are its bias and the gamma,
    beta, mean and variance of its norm, by their number and length. Entries in the order of the
    alphabet, as safetensors has them, are put in a likely order of execution first.
    """
    if list(shapes) == sorted(shapes):
        shapes = {name: shapes[name] for name in execution_order(shapes)}
    groups: dict[str, dict[str, str]] = {}
    for name, shape in shapes.items():
        if not is_count(name, shape):
            leaf = _LEAF.match(name)
            owner, role = (leaf[1] or "", _ROLES[leaf[2]]) if leaf else (name, "weight")
            if role in groups.get(owner, {}):  # such as an owner '' that has everything
                owner = name
            groups.setdefault(owner, {})[role] = name
    units: list[Unit] = []
    left: list[str] = []
    lone: list[str] = []  # 1-d tensors that stand alone, behind the last weight

    def settle() -> None:
        """Give the lone tensors to the last weight and to a norm of their own."""
        roles = _BEHIND.get(len(lone), ())
        fits = bool(units) and all(shapes[name] == units[-1].shape[:1] for name in lone)
        if roles and fits and not ("bias" in units[-1].keys and ("own", "bias") in roles):
            norm = {}
            for (owner, role), name in zip(roles, lone, strict=True):
                if owner == "own":
                    last = units[-1]
                    units[-1] = Unit(last.kind, last.owner, last.shape, {**last.keys, role: name})
                else:
                    norm[role] = name
            if norm:
                units.append(Unit("norm", lone[0], shapes[lone[0]], norm))
        else:
            left.extend(lone)
        lone.clear()

    for owner, keys in groups.items():
        dims = {role: len(shapes[name]) for role, name in keys.items()}
        if set(dims.values()) == {1} and len(dims) == 1:
            lone += keys.values()
            continue
        if lone:
            settle()
        kind: Kind | None = {4: "conv", 2: "linear", 1: "norm"}.get(dims.get("weight", 0))  # type: ignore[assignment]
        if kind is None or any(dim != 1 for role, dim in dims.items() if role != "weight"):
            left += keys.values()
            continue
        shape = shapes[keys["weight"]]
        lengths = {shapes[name] for role, name in keys.items() if role != "weight"}
        if lengths - {shape[:1]} and (kind == "norm" or keys.keys() != {"weight", "bias"}):
            left += keys.values()
            continue
        units.append(Unit(kind, owner, shape, keys))
    if lone:
        settle()
    return tuple(units), tuple(left)


def execution_order(shapes: Mapping[str, Shape]) -> list[str]:
    """Names in the order in which layers are likely to run: the layer that reads the image first,
    by numbers, a norm behind the convolution of its number, projections last in their block, linear
    layers at the end."""
    stem = {s[0] for s in shapes.values() if len(s) == 4 and s[1] <= 4}

    def ordered(names: list[str], depth: int) -> list[str]:
        children: dict[str, list[str]] = {}
        for name in names:
            words = name.split(".")
            children.setdefault(words[depth] if depth < len(words) else "", []).append(name)
        if len(children) == 1 and len(names) > 1 and all(n.count(".") > depth for n in names):
            return ordered(names, depth + 1)

        has_stem = any(
            len(shapes[n]) == 4 and shapes[n][1] <= 4 and n.count(".") <= depth + 1 for n in names
        )

        def key(child: str) -> tuple:
            held = [shapes[name] for name in children[child]]
            convs = [shape for shape in held if len(shape) == 4]
            linear = any(len(shape) == 2 for shape in held) and not convs
            norm = not convs and not linear
            first = any(shape[1] <= 4 for shape in convs)
            if norm and has_stem:  # the stem's, or the last one of a network
                place = 1 if any(shape[0] in stem for shape in held if shape) else 3
            else:
                place = 0 if first else 4 if linear else 2
            aside = bool(PROJECTION.search(child))
            numbers = tuple(int(number) for number in re.findall(r"\d+", child))
            return place, aside, numbers, norm, child

        if all(len(group) == 1 for group in children.values()):  # entries of one layer
            roles = ["weight", "bias", "mean", "var", "count"]
            leaves = [(_LEAF.match(name), name) for name in names]
            if all(leaf for leaf, _ in leaves):
                return sorted(names, key=lambda n: roles.index(_ROLES[_LEAF.match(n)[2]]))  # type: ignore[index]
        if all(child.isdecimal() for child in children):  # of a Sequential
            row = sorted(children, key=int)
        else:
            row = sorted(children, key=key)
        return [n for child in row for n in (
            ordered(children[child], depth + 1) if len(children[child]) > 1 else children[child]
        )]  # fmt: skip

    return ordered(list(shapes), 0)


def normed(units: Sequence[Unit]) -> list[tuple[Unit, Unit | None]]:
    """Each convolution and linear layer with the norm behind it, or None; in order.

    In a run of weights and then norms, such as conv1, conv2, bn1, bn2, they are matched in order.
    """
    pairs: list[tuple[Unit, Unit | None]] = []
    run: list[Unit] = []  # the norms behind the newest weights
    start = 0  # of the weights that they may belong to

    def settle() -> None:
        last = pairs[-len(run) :] if start <= len(pairs) - len(run) else []
        if run and [w.shape[0] for w, _ in last] == [n.shape[0] for n in run]:
            pairs[-len(run) :] = [(w, n) for (w, _), n in zip(last, run, strict=True)]
            return
        for norm in run:
            for i in range(start, len(pairs)):
                if pairs[i][1] is None and pairs[i][0].shape[0] == norm.shape[0]:
                    pairs[i] = (pairs[i][0], norm)
                    break

    for unit in units:
        if unit.kind == "norm":
            run.append(unit)
            continue
        if run:
            settle()
            run.clear()
            start = len(pairs)
        pairs.append((unit, None))
    settle()
    return pairs


def matched(units: Sequence[Unit], wanted: Sequence[Unit]) -> dict[str, str] | None:
    """Which entry of ``wanted`` each entry of ``units`` is, by name; None where they differ.

    Layers of the same shapes are matched in order, each with the norm behind it, so that a
    projection may stand anywhere in its block; its name tells it from a layer of its shapes.

    Args:
        units: The layers of a file.
        wanted: The layers of an architecture.
    """
    if Counter(unit.signature for unit in units) != Counter(unit.signature for unit in wanted):
        return None
    for with_norm, with_name in ((True, True), (True, False), (False, True), (False, False)):
        here, there = (_by_signature(side, with_norm, with_name) for side in (units, wanted))
        if {key: len(row) for key, row in here.items()} != {
            key: len(row) for key, row in there.items()
        }:
            continue
        keys: dict[str, str] = {}
        for signature, rows in here.items():
            for row, other in zip(rows, there[signature], strict=True):
                for unit, target in zip(row, other, strict=True):
                    keys |= {unit.keys[role]: target.keys[role] for role in unit.keys}
        return keys
    return None


def _by_signature(
    units: Sequence[Unit], with_norm: bool, with_name: bool
) -> dict[tuple, list[tuple[Unit, ...]]]:
    """Layers by what they look like, in order, each with its norm where that is asked for."""
    table: dict[tuple, list[tuple[Unit, ...]]] = defaultdict(list)
    pairs = normed(units) if with_norm else []
    rows = [(unit, norm) if norm else (unit,) for unit, norm in pairs]
    held = {id(unit) for row in rows for unit in row}
    for row in (*rows, *((unit,) for unit in units if id(unit) not in held)):
        aside = with_name and row[0].window == 1 and bool(PROJECTION.search(row[0].owner))
        table[(*(unit.signature for unit in row), aside)].append(row)
    return table


def common_parts(one: str, other: str) -> int:
    """How many leading parts two dotted names share.

    Args:
        one: A dotted name.
        other: Another one.
    """
    count = 0
    for a, b in zip(one.split("."), other.split("."), strict=False):
        if a != b:
            break
        count += 1
    return count


def few(names: Iterable[str], most: int = 3) -> str:
    """The first names, and how many more there are.

    Args:
        names: All names.
        most: How many are spelled out.
    """
    names = list(names)
    shown = ", ".join(name[:80] for name in names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
