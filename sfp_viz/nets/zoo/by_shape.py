"""The architecture of weights whose names are unknown, from the order and shapes of its layers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, product
from typing import Any

from sfp_viz.nets.zoo.tensor_units import PROJECTION, Shape, Unit, common_parts, normed, units_of

_SHORTCUT = re.compile(r"(?<![a-z])res|skip|short", re.IGNORECASE)
_SIDES = {1: (28, 32), 3: (32, 28, 64)}  # pixels of an image with so many channels, likeliest first
_MOST_FREE = 10  # convolutions without numbers between which poolings are searched


@dataclass(frozen=True)
class Described:
    """An architecture that has these layers.

    Args:
        architecture: Its name in ``ARCHITECTURES``.
        arguments: To build it.
        assumptions: What the shapes do not tell and was taken as usual, as phrases.
        side: Height and width of its images in pixels, where its layers tell; else 0.
    """

    architecture: str
    arguments: Mapping[str, Any]
    assumptions: tuple[str, ...] = ()
    side: int = 0


@dataclass(frozen=True)
class Ambiguous:
    """Layers that several networks have: what the shapes do not tell, as a phrase."""

    unknown: str


def describe_layers(shapes: Mapping[str, Shape], side: int = 0) -> Described | Ambiguous | None:
    """The residual or plain network with these tensors; None where it is neither.

    Args:
        shapes: Shape of each entry of a state dict, in its order.
        side: Height of the images in pixels, where it is known; else 0.
    """
    units, _ = units_of(shapes)
    if len([unit for unit in units if unit.kind == "conv"]) < 1:
        return None
    return residual(units) or resnet9(units) or plain(units, side)


# --- residual networks


@dataclass(frozen=True)
class _Block:
    convs: tuple[Unit, ...]
    projection: Unit | None

    @property
    def outs(self) -> int:
        return self.convs[-1].shape[0]


def residual(units: Sequence[Unit]) -> Described | None:
    """The residual network with these layers; None where their shapes form none."""
    convs = [unit for unit in units if unit.kind == "conv"]
    linears = [unit for unit in units if unit.kind == "linear"]
    if len(convs) < 3 or len(linears) != 1:
        return None
    stem = convs[0]
    blocks = next(
        (found for size in (2, 3) if (found := _blocks(convs[1:], stem.shape[0], size))), None
    )
    if not blocks or linears[0].shape[1] != blocks[-1].outs or stem.window not in (1, 3, 5, 7):
        return None
    if all(block.projection is None for block in blocks) and not _in_pairs(blocks):
        return None  # a chain has such shapes too
    arguments = _stages(blocks, stem.shape[0])
    norms = _norms(units, blocks, stem)
    if arguments is None or norms is None:
        return None
    biases = _biases(blocks)
    if biases is None:
        return None
    arguments |= norms | biases
    arguments |= {
        "stem": stem.shape[0], "stem_window": stem.window, "stem_bias": "bias" in stem.keys,
        "head_bias": "bias" in linears[0].keys, "channels": stem.shape[1],
        "classes": linears[0].shape[0],
    }  # fmt: skip
    assumptions = ["each stage but the first halves the image in its first block"]
    if arguments["projection"] == "none" and len(arguments["widths"]) > 1:
        is_end = any("conv_a" in unit.owner for unit in units)  # as that author's code does
        arguments["pad"] = "end" if is_end else "centre"
        assumptions.append(
            "shortcuts without weights put zeros "
            + ("behind" if is_end else "on both sides of") + " the channels"
        )  # fmt: skip
    if arguments["preact"] and arguments["bias"] and arguments["projection_bias"]:
        arguments["raw_shortcut"] = True  # the one published code with these biases
        assumptions.append("projections read a block's input")
    return Described(*_shortest(arguments), tuple(assumptions))


def _blocks(convs: Sequence[Unit], channels: int, size: int) -> list[_Block] | None:
    """``convs`` as blocks of ``size`` convolutions and perhaps a projection; None where they are
    none. ``channels`` are those of the map that the first one reads."""
    blocks: list[_Block] = []
    at = 0
    while at < len(convs):
        block = _block(convs[at : at + size + 1], channels, size)
        if block is None:
            return None
        blocks.append(block)
        at += size + (block.projection is not None)
        channels = block.outs
    return blocks


def _block(convs: Sequence[Unit], channels: int, size: int) -> _Block | None:
    """The block at the start of ``convs``, with its projection wherever that stands."""
    choices = []
    for at in range(len(convs)) if len(convs) > size else ():
        body = (*convs[:at], *convs[at + 1 :])
        aside = convs[at]
        if aside.window == 1 and aside.shape[:2] == (body[-1].shape[0], channels):
            choices.append((not PROJECTION.search(aside.owner), -at, _Block(body, aside)))
    choices = [block for *_, block in sorted(choices, key=lambda choice: choice[:2])]
    if len(convs) >= size:
        alone = _Block(tuple(convs[:size]), None)
        # where the width stays, a window of 1 behind a bottleneck begins the next one
        is_same = alone.outs == channels
        choices = [alone, *choices] if is_same and size == 3 else [*choices, alone]
    return next((block for block in choices if _is_body(block.convs, channels)), None)


def _is_body(convs: Sequence[Unit], channels: int) -> bool:
    windows = tuple(conv.window for conv in convs)
    if len(convs) == 2:
        first, second = convs
        outs = first.shape[0]
        return windows == (3, 3) and first.shape[1] == channels and second.shape[:2] == (outs, outs)
    first, middle, last = convs
    inner = first.shape[0]
    return (
        windows == (1, 3, 1) and first.shape[1] == channels and middle.shape[0] == inner
        and inner % middle.shape[1] == 0 and last.shape[1] == inner
    )  # fmt: skip


def _in_pairs(blocks: Sequence[_Block]) -> bool:
    """Whether names put the convolutions of each block together, apart from other blocks'."""
    for block, after in pairwise(blocks):
        own = common_parts(block.convs[0].owner, block.convs[-1].owner)
        if own <= common_parts(block.convs[-1].owner, after.convs[0].owner):
            return False
    return len(blocks) > 1


def _stages(blocks: Sequence[_Block], stem: int) -> dict[str, Any] | None:
    """Widths, blocks and projections of each stage; None where they are not of one kind."""
    stages: list[list[_Block]] = []
    for block in blocks:
        begins = not stages or block.outs != stages[-1][-1].outs or block.projection is not None
        if begins:
            stages.append([])
        stages[-1].append(block)
    groups = {b.convs[0].shape[0] // b.convs[1].shape[1] for b in blocks if len(b.convs) == 3}
    changed = [stage[0].projection is not None for stage in stages[1:]]
    first = stages[0][0].projection is not None
    if len(set(changed)) > 1 or len(groups) > 1 or len(stages) > 8:
        return None
    if stages[0][0].outs != stem and changed and first != changed[0]:
        return None
    inner = [stage[0].convs[0].shape[0] for stage in stages if len(stage[0].convs) == 3]
    return {
        "widths": [stage[0].outs for stage in stages],
        "blocks": [len(stage) for stage in stages],
        "inner": inner,
        "groups": groups.pop() if groups else 1,
        "first_projection": first and stages[0][0].outs == stem,
        "projection": "conv" if first or any(changed) else "none",
    }


def _norms(units: Sequence[Unit], blocks: Sequence[_Block], stem: Unit) -> dict[str, Any] | None:
    """Where the norms stand; None where no usual network has them so."""
    norms = [unit for unit in units if unit.kind == "norm"]
    plain = {"norms": False, "stem_norm": False, "preact": False, "final_norm": False}
    if not norms:
        return plain
    body = [conv for block in blocks for conv in block.convs]
    asides = [block.projection for block in blocks if block.projection is not None]
    count = len(body)
    outs, ins = ([n.shape[0] for n in norms] for _ in range(2))
    # after each convolution: the stem's, the blocks' and the projections' norms
    behind = {id(conv): norm for conv, norm in normed(units)}
    is_behind = all(behind.get(id(conv)) is not None for conv in (stem, *body))
    with_aside = bool(asides) and all(behind.get(id(conv)) is not None for conv in asides)
    after = {"norms": True, "stem_norm": True, "preact": False, "final_norm": False}
    if (
        is_behind
        and len(norms) == 1 + count + len(asides) * with_aside
        and not _is_before(units, norms[0], stem)
    ):
        return {**after, **({"projection": "conv+norm"} if with_aside else {})}
    # before each convolution, and perhaps one before the pooling
    wanted = [block_in(conv, blocks) for conv in body]
    if ins[:count] == wanted and len(norms) in (count, count + 1):
        last = len(norms) == count + 1
        if last and outs[-1] != blocks[-1].outs:
            return None
        return {"norms": True, "stem_norm": False, "preact": True, "final_norm": last}
    return None


def block_in(conv: Unit, blocks: Sequence[_Block]) -> int:
    """Channels that a convolution reads, all groups together.

    Args:
        conv: The convolution.
        blocks: The blocks of the network.
    """
    for block in blocks:
        if len(block.convs) == 3 and conv is block.convs[1]:
            return block.convs[0].shape[0]
    return conv.shape[1]


def _is_before(units: Sequence[Unit], norm: Unit, stem: Unit) -> bool:
    """Whether the first norm stands in the first block, in front of its convolution."""
    after = units[units.index(norm) + 1 :]
    follower = next((unit for unit in after if unit.kind == "conv"), None)
    if follower is None:
        return False
    own = common_parts(norm.owner, follower.owner)
    return own > common_parts(stem.owner, norm.owner)


def _biases(blocks: Sequence[_Block]) -> dict[str, Any] | None:
    body = {"bias" in conv.keys for block in blocks for conv in block.convs}
    aside = {"bias" in b.projection.keys for b in blocks if b.projection is not None}
    if len(body) > 1 or len(aside) > 1:
        return None
    return {"bias": body.pop(), "projection_bias": aside.pop() if aside else False}


_USUAL = {
    "inner": [], "groups": 1, "first_projection": False, "stem_bias": False, "bias": False,
    "projection_bias": False, "norms": True, "preact": False, "final_norm": False,
    "stem_norm": True, "head_bias": True, "stem": 16, "stem_window": 3, "projection": "conv+norm",
    "pad": "centre", "raw_shortcut": False,
}  # fmt: skip


def _shortest(arguments: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The name and arguments of the network, without what is usual."""
    told = {key: value for key, value in arguments.items() if _USUAL.get(key, ()) != value}
    blocks = set(told["blocks"])
    rest = told.keys() - {"widths", "blocks", "channels", "classes", "projection"}
    if told["widths"] == [16, 32, 64] and len(blocks) == 1 and not rest:
        shortcut = {"conv+norm": "projection", "none": "pad"}.get(arguments["projection"])
        if shortcut:
            sizes = {"channels": told["channels"], "classes": told["classes"]}
            return "cifar_resnet", {"blocks": blocks.pop(), "shortcut": shortcut, **sizes}
    return "residual_network", told


def resnet9(units: Sequence[Unit]) -> Described | None:
    """The ResNet-9 of DAWNBench and of many a course: its shapes are those of a chain too, so that
    names have to say where its shortcuts are."""
    pairs = normed(units)
    convs = [pair for pair in pairs if pair[0].kind == "conv"]
    heads = [unit for unit in units if unit.kind == "linear"]
    width = convs[0][0].shape[0]
    ins, outs = ([conv.shape[side] // width for conv, _ in convs] for side in (1, 0))
    usual = outs == [1, 2, 2, 2, 4, 8, 8, 8] and ins[1:] == [1, 2, 2, 2, 4, 8, 8]
    named = [bool(_SHORTCUT.search(conv.owner)) for conv, _ in convs]
    biases = {"bias" in conv.keys for conv, _ in convs}
    normal = {norm is not None and {"mean", "var"} <= norm.keys.keys() for _, norm in convs}
    if not usual or len(heads) != 1 or heads[0].shape[1] != 8 * width or len(biases) > 1:
        return None
    if named != [False, False, True, True] * 2 or normal != {True} or len(units) != 17:
        return None
    if any(conv.window != 3 for conv, _ in convs):
        return None
    arguments = {"width": width, "bias": biases.pop(), "head_bias": "bias" in heads[0].keys}
    sizes = {"channels": convs[0][0].shape[1], "classes": heads[0].shape[0]}
    assumptions = (
        "a pooling of 2 x 2 behind the second, third and fourth single convolution, and the "
        "maximum over all positions at the end",
    )
    return Described("resnet9", {**arguments, **sizes}, assumptions)


# --- chains


def plain(units: Sequence[Unit], side: int = 0) -> Described | Ambiguous | None:
    """The chain of these layers; Ambiguous where several chains have them, None where none has.

    Args:
        units: The layers in order.
        side: Height and width of the images; 0 where unknown.
    """
    pairs = normed(units)
    convs = [pair for pair in pairs if pair[0].kind == "conv"]
    linears = [pair for pair in pairs if pair[0].kind == "linear"]
    first = convs[0][0]
    in_order = pairs == [*convs, *linears] and bool(linears)
    chained = all(a.shape[0] == b.shape[1] for (a, _), (b, _) in pairwise(convs))
    chained &= all(a.shape[0] == b.shape[1] for (a, _), (b, _) in pairwise(linears))
    square = all(conv.window for conv, _ in convs)
    taken = sum(1 + (norm is not None) for _, norm in pairs)
    if not (in_order and chained and square and taken == len(units) and len(pairs) <= 60):
        return None
    if any(_SHORTCUT.search(unit.owner) for unit in units):
        return Ambiguous("where its shortcuts are, of which its names speak")
    pixels, rest = divmod(linears[0][0].shape[1], convs[-1][0].shape[0])
    if rest or first.shape[1] not in _SIDES:
        return None
    if pixels == 1 and any(_gap(units, *pair) is None for pair in convs[:-1]):
        return Ambiguous(
            f"where the poolings between its {len(convs)} convolutions stand: its linear layer "
            "reads one value a channel, as it would behind any of them"
        )
    for size in (side,) if side else _SIDES[first.shape[1]]:
        chains = _chains(units, [conv for conv, _ in convs], pairs, size, pixels)
        if len(chains) == 1:
            return _chain(convs, linears, chains.pop(), pixels, size)
        if chains:
            return Ambiguous(
                f"where its poolings stand and how its {len(convs)} convolutions are padded: "
                f"{len(chains)} chains of these layers fit images of {size} x {size} pixels"
            )
    return Ambiguous(
        "how its convolutions are stepped, padded and pooled: no usual chain of them gives the "
        f"{pixels:,} positions a channel that its first linear layer reads"
    )


@dataclass(frozen=True)
class _Pooling:
    pads: tuple[int, ...]
    after: tuple[bool, ...]  # a pooling behind each convolution
    average: bool = False
    others: int = 0  # chains of these layers that would fit too


def _chains(
    units: Sequence[Unit], convs: Sequence[Unit], pairs: Sequence[tuple[Unit, Unit | None]],
    side: int, pixels: int,
) -> set[_Pooling]:  # fmt: skip
    """Ways to pad and pool that give ``pixels`` positions from images of ``side`` pixels: of the
    first kind of padding that has any, and with poolings wherever numbers leave room for one."""
    gaps = [_gap(units, conv, norm) for conv, norm in pairs[: len(convs)]]
    gaps = [
        gap if gap is None else gap + _is_relu_first(conv, norm)
        for gap, (conv, norm) in zip(gaps, pairs, strict=False)
    ]
    if gaps[-1] is not None:
        gaps[-1] = max(0, gaps[-1] - 1)  # flattening stands there too
    if pixels == 1:
        pads = tuple(_same(conv) for conv in convs)
        after = (*((gap or 0) >= 2 for gap in gaps[:-1]), False)
        left = _side_behind(convs, pads, after, side)
        if left in (2, 3) and gaps[-1] != 1:  # as VGG has it
            return {_Pooling(pads, (*after[:-1], True))}
        if left > 1 and (gaps[-1] or 0) >= 3:  # a pooling and an average, or an average and dropout
            return {_Pooling(pads, after, True), _Pooling(pads, (*after[:-1], True), True)}
        return {_Pooling(pads, after, left > 1)} if left else set()
    for is_free in (lambda gap: gap is None, lambda gap: gap is None or gap >= 2):
        free = [i for i, gap in enumerate(gaps) if is_free(gap)]
        if len(free) > _MOST_FREE:
            return set()
        for kinds in _paddings(convs):
            chains = set()
            for pads, bits in product(kinds, range(1 << len(free))):
                after = [(gap or 0) >= 2 for gap in gaps]
                for place, index in enumerate(free):
                    after[index] = bool(bits >> place & 1)
                if _side_behind(convs, pads, after, side) ** 2 == pixels:
                    chains.add(_Pooling(pads, tuple(after)))
            regular = [chain for chain in chains if all(chain.after)]
            if len(chains) > 1 and len(regular) == 1:
                return {replace(regular[0], others=len(chains) - 1)}
            if chains:
                return chains
    return set()


def _same(conv: Unit) -> int:
    return (conv.window - 1) // 2


def _paddings(convs: Sequence[Unit]) -> list[set[tuple[int, ...]]]:
    """Usual paddings, the likeliest first: all or none; by window; of the first convolution."""
    same = [_same(conv) for conv in convs]
    count = len(convs)

    def padded(*choices: Sequence[bool]) -> set[tuple[int, ...]]:
        return {tuple(p * c for p, c in zip(same, choice, strict=True)) for choice in choices}

    return [
        padded([True] * count, [False] * count),
        padded([conv.window <= 3 for conv in convs]),
        padded([conv.window > 3 for conv in convs]),
        padded([True] + [False] * (count - 1)),
    ]


def _side_behind(
    convs: Sequence[Unit], pads: Sequence[int], after: Sequence[bool], side: int
) -> int:
    """Height of the last map; 0 where an image is too small."""
    for conv, pad, pool in zip(convs, pads, after, strict=True):
        side = max(0, side + 2 * pad - conv.window + 1)
        side = side // 2 if pool else side
    return side


def _gap(units: Sequence[Unit], conv: Unit, norm: Unit | None) -> int | None:
    """How many layers without weights a Sequential has behind a convolution and its norm; None
    where its numbers do not tell."""
    last = norm or conv
    at = units.index(last)
    here, there = last.owner.rpartition("."), units[at + 1].owner.rpartition(".")
    if here[0] != there[0] or not (here[2].isdecimal() and there[2].isdecimal()):
        return None
    return int(there[2]) - int(here[2]) - 1


def _chain(
    convs: Sequence[tuple[Unit, Unit | None]], linears: Sequence[tuple[Unit, Unit | None]],
    pooling: _Pooling, pixels: int, side: int,
) -> Described:  # fmt: skip
    layers = []
    for index, (conv, norm) in enumerate(convs):
        size = f"{conv.shape[0]} {conv.window} {pooling.pads[index]}"
        words = [f"conv {size}", *_words(conv, norm)]
        words += ["pool"] * pooling.after[index]
        layers.append(" ".join(words))
    if pooling.average:
        layers[-1] += " average"
    for linear, norm in linears:
        last = linear is linears[-1][0]
        words = _words(linear, norm)
        words = [word for word in words if word == "nobias"] if last else words
        layers.append(" ".join([f"linear {linear.shape[0]}", *words]))
    arguments = {"layers": layers, "channels": convs[0][0].shape[1], "pixels": pixels}
    assumptions = ["a chain without shortcuts, with a ReLU behind each layer but the last"]
    if pooling.others:
        padded = "padded to keep their size" if any(pooling.pads) else "without padding"
        assumptions.append(
            f"a pooling behind each convolution, which are {padded}; {pooling.others} other "
            f"chain{'s' if pooling.others > 1 else ''} of these layers would fit, so measure it"
        )
    if any(pooling.after):
        assumptions.append("poolings take the maximum over 2 x 2 pixels")
    if pooling.average:
        assumptions.append("an average over all positions in front of the linear layer")
    return Described("plain_network", arguments, tuple(assumptions), side)


def _words(layer: Unit, norm: Unit | None) -> list[str]:
    words = [] if "bias" in layer.keys else ["nobias"]
    if norm is None:
        return [*words, "relu"]
    return [*words, "relu", "norm"] if _is_relu_first(layer, norm) else [*words, "norm", "relu"]


def _is_relu_first(layer: Unit, norm: Unit | None) -> bool:
    """Whether a Sequential's numbers leave room between a layer and its norm."""
    if norm is None:
        return False
    here, there = layer.owner.rpartition("."), norm.owner.rpartition(".")
    numbered = here[0] == there[0] and here[2].isdecimal() and there[2].isdecimal()
    return numbered and int(there[2]) - int(here[2]) == 2
