"""What a student is told: the teacher's part of the loss, and how far it still is from the teacher.

T^2 with the current T keeps the size of the gradient when T changes (Hinton et al. 2015;
docs/method.md). Everything is computed in float32, whatever the logits came in.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from sfp_viz.core.training.distillation import Distillation

_FIRST = 20  # steps whose mean is the first gap; then a running average with 1 - 1/20 = 0.95
_LEAST = 0.05  # nats of cross-entropy: a smaller first gap is next to none


def teacher_loss(
    student: Tensor, teacher: Tensor, labels: Tensor, settings: Distillation, temperature: float
) -> Tensor:
    """The teacher's part of the loss as ``settings`` ask for it. Logits [batch, classes]."""
    if settings.standardize:
        student, teacher = standardized(student), standardized(teacher)
    if settings.dkd is None:
        return distillation_loss(student, teacher, temperature=temperature)
    return decoupled_loss(student, teacher, labels, temperature=temperature, weights=settings.dkd)


def distillation_loss(student: Tensor, teacher: Tensor, *, temperature: float) -> Tensor:
    """T^2 KL(softmax(teacher / T) || softmax(student / T)), mean over the batch; >= 0.

    Logits [batch, classes]. T^2 keeps the size of the gradient when T changes (it must be the
    current T: docs/method.md). Computed in float32, whatever the logits came in.
    """
    ours = F.log_softmax(student.float() / temperature, dim=1)
    theirs = F.log_softmax(teacher.float() / temperature, dim=1)
    return F.kl_div(ours, theirs, reduction="batchmean", log_target=True) * temperature**2


def decoupled_loss(
    student: Tensor,
    teacher: Tensor,
    labels: Tensor,
    *,
    temperature: float,
    weights: tuple[float, float],
) -> Tensor:
    """DKD (Zhao et al. 2022): T^2 (a TCKD + b NCKD) with ``weights`` (a, b), mean over the batch.

    TCKD is the divergence of (label's class, all others), NCKD that among the others; with b the
    teacher's share of the others, 1 - p, they add up to ``distillation_loss``. ``labels`` [batch].
    """
    others = torch.ones_like(student, dtype=torch.bool).scatter_(1, labels[:, None], False)
    target, rest = [], []
    for logits in (student, teacher):
        log = F.log_softmax(logits.float() / temperature, dim=1)
        left = log[others].view(len(log), -1)
        total = left.logsumexp(1, keepdim=True)
        target.append(torch.cat([log.gather(1, labels[:, None]), total], 1))
        rest.append(left - total)
    parts = [
        F.kl_div(ours, theirs, reduction="batchmean", log_target=True)
        for ours, theirs in (target, rest)
    ]
    return (weights[0] * parts[0] + weights[1] * parts[1]) * temperature**2


def standardized(logits: Tensor) -> Tensor:
    """Logits [batch, classes] less their mean, over their standard deviation + 1e-7, each row on
    its own (Sun et al. 2024). Equal logits become 0."""
    values = logits.float()
    values = values - values.mean(1, keepdim=True)
    return values / (values.std(1, keepdim=True) + 1e-7)


def distance(student: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
    """How far the student is behind its teacher on a batch: CE of the student - CE of the teacher,
    without gradient. Logits [batch, classes]."""
    ours, theirs = (F.cross_entropy(x.detach().float(), labels) for x in (student, teacher))
    return ours - theirs


class Gap:
    """How much of its first distance to the teacher the student still has: ``value``, the running
    average of CE of the student - CE of the teacher (the plain mean of the first 20 steps, then
    with 0.95), over ``first``, its value after 20 steps, at least 0.05. Our own variant:
    one odd batch decides nothing, and a tiny first distance is no whole one."""

    def __init__(self) -> None:
        self.value, self.first = 0.0, _LEAST
        self._steps = 0

    def add(self, apart: float) -> None:
        """Take in the ``distance`` of one step."""
        self._steps += 1
        self.value += (apart - self.value) / min(self._steps, _FIRST)
        if self._steps <= _FIRST:
            self.first = max(_LEAST, self.value)

    def share(self) -> float:
        """0..1: 1 before the first step, 0 while the student is no worse than its teacher."""
        return min(1.0, max(0.0, self.value / self.first)) if self._steps else 1.0

    def state(self) -> Tensor:
        """Value, first value and how many steps it has seen, float64 [3]."""
        return torch.tensor([self.value, self.first, float(self._steps)], dtype=torch.float64)

    def restore(self, state: Tensor) -> None:
        """Take up a ``state``."""
        self.value, self.first, steps = state.tolist()
        self._steps = int(steps)
