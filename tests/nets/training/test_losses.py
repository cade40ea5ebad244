"""The teacher's part of the loss: by hand, and at the edges."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from sfp_viz.core.training.distillation import Distillation, temperature
from sfp_viz.nets.training.losses import (
    TeacherGap,
    cross_entropy_gap,
    decoupled_loss,
    distillation_loss,
    kd_loss,
    standardize,
)


def logits(count=64, classes=10, seed=0):
    source = torch.Generator().manual_seed(seed)
    pair = [torch.randn(count, classes, generator=source) for _ in range(2)]
    return *pair, torch.randint(classes, (count,), generator=source)


def steepness(loss, student) -> float:
    ours = student.clone().requires_grad_()
    loss(ours).backward()
    return float(ours.grad.norm())


def test_the_decoupled_parts_by_hand():
    student, teacher, labels = logits(3, 4)
    target = others = 0.0
    for z, w, y in zip(student.tolist(), teacher.tolist(), labels.tolist(), strict=True):
        p, q = (torch.tensor(x).div(2).softmax(0).tolist() for x in (w, z))
        target += p[y] * math.log(p[y] / q[y])
        target += (1 - p[y]) * math.log((1 - p[y]) / (1 - q[y]))
        for k in set(range(4)) - {y}:
            a, b = p[k] / (1 - p[y]), q[k] / (1 - q[y])
            others += a * math.log(a / b)
    found = decoupled_loss(student, teacher, labels, temperature=2.0, weights=(1.5, 8.0))
    assert float(found) == pytest.approx(4 * (1.5 * target + 8 * others) / 3, rel=1e-4)


def test_the_two_parts_add_up_to_the_whole_divergence():
    student, teacher, _ = logits(1, 5)
    label = torch.tensor([2])
    share = 1 - float((teacher / 3).softmax(1)[0, 2])
    found = decoupled_loss(student, teacher, label, temperature=3.0, weights=(1.0, share))
    whole = distillation_loss(student, teacher, temperature=3.0)
    assert float(found) == pytest.approx(float(whole), rel=1e-4)


def test_two_classes_have_no_others_to_compare():
    student, teacher, labels = logits(5, 2)
    alone = decoupled_loss(student, teacher, labels, temperature=1.0, weights=(0.0, 8.0))
    assert float(alone) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("changes", [{}, {"standardize": True}, {"dkd": (1, 2)}])
def test_the_size_of_the_gradient_stays_from_2_to_32_degrees(changes):
    """docs/method.md: within 30 % thanks to T^2."""
    student, teacher, labels = logits()
    settings = Distillation(**changes)
    sizes = [
        steepness(lambda z, t=t: kd_loss(z, teacher, labels, settings, t), student)
        for t in (2.0, 4.0, 8.0, 16.0, 32.0)
    ]
    assert max(sizes) / min(sizes) < 1.3


def test_standardised_logits_do_not_see_scale_and_offset():
    student, teacher, labels = logits()
    settings = Distillation(standardize=True)
    loss = kd_loss(student, teacher, labels, settings, 2.0)
    other = kd_loss(3 * student + 5, 0.5 * teacher - 1, labels, settings, 2.0)
    assert float(loss) == pytest.approx(float(other), rel=1e-4)
    rows = standardize(student)
    assert torch.allclose(rows.mean(1), torch.zeros(64), atol=1e-6)
    assert torch.allclose(rows.std(1), torch.ones(64), atol=1e-5)


@pytest.mark.parametrize("changes", [{"standardize": True}, {"dkd": (1, 8)}, {}])
def test_equal_logits_and_half_precision_give_finite_losses_and_gradients(changes):
    settings, labels = Distillation(**changes), torch.tensor([0, 1])
    same = torch.full((2, 4), 3.0)
    huge = torch.tensor([[60000.0, -60000.0, 0, 0]] * 2, dtype=torch.float16)
    for ours, theirs in ((same, huge), (huge, same), (same, same), (huge, -huge)):
        ours = ours.clone().requires_grad_()
        loss = kd_loss(ours, theirs, labels, settings, 1.0)
        loss.backward()
        assert torch.isfinite(loss)
        assert torch.isfinite(ours.grad).all()


@pytest.mark.parametrize("changes", [{"standardize": True}, {"dkd": (1, 8)}, {}])
@pytest.mark.parametrize("degrees", [0.01, 1000.0])
def test_the_least_and_the_largest_temperature_give_finite_losses_and_gradients(changes, degrees):
    settings = Distillation(temperature_start=degrees, temperature_end=degrees, **changes)
    student, teacher, labels = logits()
    for scale in (1.0, 1e-3, 300.0):
        ours = (scale * student).requires_grad_()
        loss = kd_loss(ours, scale * teacher, labels, settings, degrees)
        loss.backward()
        assert ours.grad is not None
        assert torch.isfinite(loss)
        assert torch.isfinite(ours.grad).all()
        assert float(ours.grad.abs().max()) > 0


def gap_after(*apart):
    gap = TeacherGap()
    for each in apart:
        gap.update(each)
    return gap


def test_the_gap_is_a_running_average_over_that_of_the_first_steps():
    student, teacher, labels = logits()
    sharp = 8 * F.one_hot(labels, 10).float()  # a teacher that is nearly always right
    first = float(cross_entropy_gap(student, sharp, labels))
    by_hand = float(F.cross_entropy(student, labels) - F.cross_entropy(sharp, labels))
    assert first == pytest.approx(by_hand)
    assert TeacherGap().remaining() == 1
    gap = gap_after(*[first] * 20)
    assert gap.remaining() == pytest.approx(1)
    gap.update(float(cross_entropy_gap(sharp, sharp, labels)))
    assert gap.remaining() == pytest.approx(0.95)
    again = TeacherGap()
    again.load_state_dict(gap.state_dict())
    assert (again.value, again.first) == (gap.value, gap.first)
    for each in (again, gap):
        each.update(float(cross_entropy_gap(student, teacher, labels)))
    assert again.remaining() == gap.remaining()


def test_a_gap_taken_up_within_the_first_steps_goes_on_as_if_it_had_not_stopped():
    drawn = torch.rand(40, generator=torch.Generator().manual_seed(0)).tolist()
    for stop in (0, 1, 7, 20, 33):
        again = TeacherGap()
        again.load_state_dict(gap_after(*drawn[:stop]).state_dict())
        for each in drawn[stop:]:
            again.update(each)
        assert again.remaining() == gap_after(*drawn).remaining()


def test_a_student_no_worse_than_its_teacher_goes_at_the_last_temperature():
    assert gap_after(0.0).remaining() == 0
    assert gap_after(*[-0.3] * 30).remaining() == 0
    better = gap_after(*[1.0] * 30, *[-1.0] * 30)
    assert better.remaining() == 0
    settings = Distillation(schedule="adaptive")
    assert temperature(settings, 0.5, better.remaining()) == settings.temperature_end


@pytest.mark.parametrize("start", [-0.2, 0.0, 1e-9])
def test_a_tiny_gap_after_none_at_the_start_is_no_whole_gap(start):
    for steps in (1, 20, 40):
        gap = gap_after(*[start] * steps, *[1e-3] * 200)
        assert 0 <= gap.remaining() <= 0.05


@pytest.mark.parametrize("first", [-1.0, 0.0, 1e-6, 30.0])
def test_one_odd_first_batch_does_not_decide_the_first_gap(first):
    gap = gap_after(first, *[1.0] * 19)
    assert gap.first == pytest.approx(0.95 + first / 20)
    for _ in range(200):
        gap.update(0.1)
    assert 0 <= gap.remaining() < 0.12


def test_the_share_of_the_gap_is_never_above_1_whatever_comes():
    gap = gap_after(*[1.0] * 20)
    for _ in range(100):
        gap.update(50.0)
        assert gap.remaining() == 1
