from dataclasses import replace
from typing import get_args

import pytest

from sfp_viz.core.network import Cause, CauseKind, FilterGroup, Network
from sfp_viz.text.groups import cause_sentence, protected_groups

FULL = Cause("text", "view", "block.0", channels=20, conv_groups=4, text="A sentence of its own.")


def group(cause, *, name="a", layers=("a", "b", "c", "d"), protected=True) -> FilterGroup:
    return FilterGroup(name, layers, 16, protected, cause)


@pytest.mark.parametrize("kind", get_args(CauseKind))
def test_every_cause_is_a_sentence(kind):
    text = cause_sentence(group(replace(FULL, kind=kind)))
    assert text.endswith(".")
    assert "{" not in text
    assert "_" not in text.replace("conv_groups", "")


@pytest.mark.parametrize(
    ("cause", "text"),
    [
        (Cause("residual_add"), "Tied by a residual add with b, c and 1 more."),
        (Cause("shared_channels"), "Tied by shared channels with b, c and 1 more."),
        (
            Cause("rearranged", operation="slice", place="step"),
            "It cannot be traced: slicing at 'step' moves or mixes its channels.",
        ),
        (
            Cause("rearranged", operation="pad"),
            "It cannot be traced: its channels are padded with zero channels (padding at the top "
            "of the network), which shifts the channels that have to be removed together.",
        ),
        (
            Cause("untraceable_network", operation="matmul", place="attn"),
            "The channels of this network cannot be traced: a matrix product at 'attn' moves or "
            "mixes them.",
        ),
        (Cause("narrow_input", channels=16),
         "It starts with the layer that reads the image, which has only 16 filters."),
    ],
)  # fmt: skip
def test_a_cause_is_said_with_its_operation_and_its_place(cause, text):
    assert cause_sentence(group(cause)) == text


def test_a_group_without_a_cause_says_nothing_or_that_none_is_known():
    assert cause_sentence(group(None, protected=False)) == ""
    assert cause_sentence(group(None)) == "No reason is known."


def test_groups_with_one_cause_share_a_sentence_that_speaks_of_several():
    view, single = Cause("rearranged", operation="view"), Cause("single_unit")
    groups = (group(view, name="a"), group(view, name="b"), group(single, name="c"))
    network = Network("net", "0", (1, 8, 8), (), groups, ())
    assert protected_groups(network) == {
        "They cannot be traced: view at the top of the network moves or mixes their channels.": [
            "a", "b",
        ],
        "It has a single unit, which has to be kept.": ["c"],
    }  # fmt: skip


def test_a_layer_is_never_tied_with_itself():
    tied = group(Cause("residual_add"), protected=False)
    for name in tied.layers:
        others = [other for other in tied.layers if other != name]
        text = cause_sentence(tied, name)
        assert text == f"Tied by a residual add with {', '.join(others[:2])} and 1 more."
