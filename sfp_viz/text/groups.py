"""What ties the layers of a group, and why a group cannot be cut, in words."""

from __future__ import annotations

from collections.abc import Mapping

from sfp_viz.core.cost.cost import all_tied
from sfp_viz.core.network import Cause, CauseKind, FilterGroup, Network
from sfp_viz.core.plan.recipe import Recipe

UNKNOWN = "No reason is known."
_TIES: Mapping[CauseKind, str] = {
    "residual_add": "residual add",
    "product": "product",
    "shared_channels": "shared channels",
}
_OPERATIONS = {
    "slice": "slicing",
    "pad": "padding",
    "matmul": "a matrix product",
    "cat": "concatenation",
}
_SINGULAR = {"It": "It", "is": "is", "has": "It has", "starts": "It starts", "Its": "Its",
             "its": "its", "it": "it", "layer": "this layer"}  # fmt: skip
_PLURAL = {"It": "They", "is": "are", "has": "Each has", "starts": "They start", "Its": "Their",
           "its": "their", "it": "them", "layer": "these layers"}  # fmt: skip
_SENTENCES: Mapping[CauseKind, str] = {
    "network_output": "{Its} filters are the outputs of the network, so their number is fixed.",
    "joint_norm": (
        "{operation} '{place}' normalizes {its} channels together, so removing one would change "
        "all the others."
    ),
    "transposed_conv_groups": (
        "{It} cannot be traced: the {conv_groups} conv_groups of the transposed convolution "
        "'{place}' are not followed."
    ),
    "shared_parameters": (
        "The parameters of '{place}' are also those of another layer, so pruning one would prune "
        "both."
    ),
    "coupled_module": "{It} {is} tied to {operation} '{place}', which is not pruned here.",
    "rearranged": "{It} cannot be traced: {where} moves or mixes {its} channels.",
    "misaligned": "{It} cannot be traced: {its} channels do not line up with whole filters{at}.",
    "single_unit": "{has} a single unit, which has to be kept.",
    "conv_groups": (
        "{Its} {channels:,} channels cannot be removed one by one: they are in the {conv_groups} "
        "conv_groups of '{place}', which need equal sizes."
    ),
    "narrow_input": (
        "{starts} with the layer that reads the image, which has only {channels:,} filters."
    ),
    "trial_cut": (
        "Pruning {it} on a trial copy did not give the same network as silencing {its} channels."
    ),
    "trial_raises": "A trial copy without some of {its} channels does not run: {text}{at}.",
    "trial_cost": "What pruning {it} saves cannot be counted{at}.",
    "untried": "{It} could not be tried on a copy of the network: {text}.",
    "training_alone": (
        "{where_alone} runs in training alone, and would not work without some of {its} channels."
    ),
    "computed_weight": (
        "The weight of '{place}' is computed from other parameters ({operation}), which are not "
        "pruned here."
    ),
    "untraced_layer": "The tracer did not reach {layer}.",
    "no_network": "The file holds weights without the network that they belong to.",
}
_PADDED = (
    "{It} cannot be traced: {its} channels are padded with zero channels ({where}), which shifts "
    "the channels that have to be removed together."
)


def tie_kind(group: FilterGroup) -> str:
    """What ties the layers of a group, such as 'residual add'; '' where nothing is known."""
    return _TIES.get(group.cause.kind, "") if group.cause else ""


def cause_sentence(group: FilterGroup, layer: str = "") -> str:
    """Why a protected group is left whole, or what ties the layers of a free one; else ''.

    Args:
        group: The group.
        layer: The layer of the group that the sentence is about; '' for its first.
    """
    if group.cause is None:
        return UNKNOWN if group.protected else ""
    if tie := tie_kind(group):
        others = [name for name in group.layers if name != (layer or group.layers[0])]
        more = f" and {len(others) - 2} more" if len(others) > 2 else ""
        article = "" if group.cause.kind == "shared_channels" else "a "
        return f"Tied by {article}{tie} with {', '.join(others[:2])}{more}."
    return _sentence(group.cause)


def protected_groups(network: Network) -> dict[str, list[str]]:
    """The names of the protected groups, by the reason that they share, said of all of them."""
    groups: dict[Cause | None, list[str]] = {}
    for group in network.groups:
        if group.protected:
            groups.setdefault(group.cause, []).append(group.name)
    return {
        _sentence(cause, several=len(names) > 1) if cause else UNKNOWN: names
        for cause, names in groups.items()
    }


def tied_note(network: Network, recipe: Recipe) -> str:
    """That tied layers are pruned together although the recipe leaves them whole; '' elsewhere.

    Args:
        network: The network.
        recipe: The recipe.
    """
    if recipe.coupled != "protect" or not all_tied(network):
        return ""
    return "All prunable layers of this network are tied, so tied layers are pruned together."


def _sentence(cause: Cause, *, several: bool = False) -> str:
    if cause.kind == "untraceable_network":
        what = f"{_where(cause)} moves or mixes them" if cause.operation else cause.text
        return f"The channels of this network cannot be traced: {what}."
    template = _SENTENCES.get(cause.kind)
    if cause.kind == "rearranged" and cause.operation == "pad":
        template = _PADDED
    if template is None:
        return cause.text or UNKNOWN
    return template.format(
        **(_PLURAL if several else _SINGULAR),
        operation=cause.operation,
        place=cause.place,
        where=_where(cause),
        at=f" at '{cause.place}'" if cause.place else "",
        channels=cause.channels,
        conv_groups=cause.conv_groups,
        text=cause.text,
        where_alone=f"'{cause.place}'" if cause.place else "A part of the network",
    )


def _where(cause: Cause) -> str:
    """The operation with its place: "slicing at 'block.0'"."""
    place = f"'{cause.place}'" if cause.place else "the top of the network"
    return f"{_OPERATIONS.get(cause.operation, cause.operation)} at {place}"
