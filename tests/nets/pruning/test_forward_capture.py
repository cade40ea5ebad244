"""What a norm's output is added to, and when it is not followed; passes end when all is seen."""

from __future__ import annotations

import operator

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from sfp_viz.nets.pruning.forward_capture import AdditionTracker, capture, layer_inputs
from sfp_viz.nets.tracing.execution import execute

X = torch.arange(6.0).reshape(1, 2, 3)
OTHER = torch.full((1, 2, 3), 10.0)


def settled_by(act):
    """The first use of a tensor that ``act`` computes with, and what ``act`` returns."""
    uses = []
    x, other = X.clone(), OTHER.clone()
    with AdditionTracker(
        lambda _, other: uses.append(other if other is None else other.clone())
    ) as tracker:
        tracker.follow("x", x)
        result = act(x, other)
    return uses, result


@pytest.mark.parametrize(
    "add",
    [
        operator.add,
        operator.iadd,
        torch.add,
        lambda x, o: o + x,
        lambda x, o: o.add_(x),
        lambda x, o: operator.iadd(o, x),
        lambda x, o: torch.add(input=o, other=x),
        lambda x, o: torch.add(x, other=o),
        lambda x, o: torch.add(x, o, alpha=1),
        lambda x, o: torch.add(x, o, out=torch.empty(1, 2, 3)),
        lambda x, o: torch.add(x, o, out=o),
    ],
)
def test_the_other_arm_of_an_addition_is_told_as_it_was_before(add):
    uses, result = settled_by(add)
    assert len(uses) == 1
    assert torch.equal(uses[0], OTHER)
    assert torch.equal(result, X + OTHER)


@pytest.mark.parametrize(
    "act",
    [
        lambda x, o: x + x,
        lambda x, o: x + 3,
        lambda x, o: x + o[:, :1],
        lambda x, o: torch.add(x, o, alpha=2),
        lambda x, o: o - x,
        lambda x, o: x + o * x,  # the other arm depends on it
        lambda x, o: F.relu(x) + o,
        lambda x, o: F.relu(x, inplace=True) + o,
        lambda x, o: torch.cat([x, o]),
    ],
)
def test_anything_else_that_happens_first_ends_the_following(act):
    assert settled_by(act)[0] == [None]


def test_looking_at_a_shape_is_no_use_and_two_followed_arms_are_told_each_other():
    uses, _ = settled_by(lambda x, o: (x.shape, x.device, x + o)[2])
    assert torch.equal(uses[0], OTHER)
    both = {}
    with AdditionTracker(both.__setitem__) as tracker:
        one, two = X.clone(), OTHER.clone()
        tracker.follow("one", one)
        tracker.follow("two", two)
        _ = one + two
        _ = one + one
    assert both["one"] is two
    assert both["two"] is one


class Shared(nn.Module):
    """One norm behind two layers; a norm behind an in-place ReLU; a norm behind a sum."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.norm = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1), _norm()
        self.third, self.after_relu = nn.Conv2d(4, 4, 1), _norm()
        self.fourth, self.after_sum = nn.Conv2d(4, 4, 1), _norm()
        self.fifth, self.own = nn.Conv2d(4, 4, 1), _norm()

    def forward(self, images):
        maps = self.norm(self.second(self.norm(self.first(images))))
        maps = self.after_relu(F.relu(self.third(maps), inplace=True))
        branch = self.fourth(maps)
        branch += maps
        maps = self.after_sum(branch)
        return maps + self.own(self.fifth(maps))


def _norm() -> nn.BatchNorm2d:
    return nn.BatchNorm2d(4)


def test_only_a_norm_that_reads_one_layers_output_as_it_is_lies_behind_it():
    execution = execute(Shared().eval(), (3, 4, 4))
    names = ("first", "second", "third", "fourth", "fifth")
    assert [execution.own_norm(name) for name in names] == ["", "", "", "", "own"]


def test_a_pass_tells_calls_and_sums_and_ends_with_the_last_of_them():
    net, images = Shared().eval(), torch.randn(2, 3, 4, 4)
    seen, ran = {}, []
    for name, part in net.named_children():
        part.register_forward_hook(lambda part, ins, out, name=name: ran.append(name))
    calls = []

    def called(name, read, put):
        calls.append((name, read.clone(), put.clone()))

    capture(net, {"fifth": 1}, images, called, norms={"fifth": "own"}, on_addition=seen.__setitem__)
    assert [name for name, *_ in calls] == ["fifth"]
    assert torch.equal(seen["fifth"], calls[0][1])  # the block adds to what it reads
    ran.clear()
    capture(net, {"first": 1, "norm": 2}, images, called)
    assert ran[-1] == "norm"
    assert "third" not in ran
    assert not any(len(part._forward_hooks) > 1 for part in net.children())
    (read,) = layer_inputs(net, "third", iter([images]))
    with torch.no_grad():
        assert torch.equal(read, net.norm(net.second(net.norm(net.first(images)))))
