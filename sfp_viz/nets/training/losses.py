"""The distillation loss, and the gap between student and teacher.

T^2 with the current T keeps the size of the gradient when T changes (Hinton et al. 2015;
docs/method.md). Everything is computed in float32, whatever the logits came in.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from sfp_viz.core.training.distillation import Distillation

_FIRST_STEPS = 20  # their mean is the first gap; then a moving average with decay 1 - 1/20 = 0.95
_SMALLEST_GAP = 0.05  # nats of cross-entropy: a smaller first gap is next to none


def kd_loss(
    student: Tensor, teacher: Tensor, labels: Tensor, settings: Distillation, temperature: float
) -> Tensor:
    """The distillation loss as the settings ask for it: plain or decoupled, on logits as they are
    or standardized.

    Args:
        student: Logits [batch, classes].
        teacher: Logits [batch, classes].
        labels: Classes [batch]; used by the decoupled loss alone.
        settings: Their ``standardize`` and ``dkd`` count.
        temperature: The current T, above 0.

    Returns:
        The mean over the batch, 0 or more, in float32.
    """
    if settings.standardize:
        student, teacher = standardize(student), standardize(teacher)
    if settings.dkd is None:
        return distillation_loss(student, teacher, temperature=temperature)
    return decoupled_loss(student, teacher, labels, temperature=temperature, weights=settings.dkd)


def distillation_loss(student: Tensor, teacher: Tensor, *, temperature: float) -> Tensor:
    """T^2 KL(softmax(teacher / T) || softmax(student / T)), mean over the batch; 0 or more.

    Args:
        student: Logits [batch, classes].
        teacher: Logits [batch, classes].
        temperature: The current T, above 0.
    """
    log_q = F.log_softmax(student.float() / temperature, dim=1)
    log_p = F.log_softmax(teacher.float() / temperature, dim=1)
    return F.kl_div(log_q, log_p, reduction="batchmean", log_target=True) * temperature**2


def decoupled_loss(
    student: Tensor,
    teacher: Tensor,
    labels: Tensor,
    *,
    temperature: float,
    weights: tuple[float, float],
) -> Tensor:
    """DKD (Zhao et al. 2022): T^2 (a TCKD + b NCKD), mean over the batch.

    TCKD is the divergence of (label's class, all others), NCKD that among the others; with b the
    teacher's share of the others, 1 - p, they add up to ``distillation_loss``.

    Args:
        student: Logits [batch, classes].
        teacher: Logits [batch, classes].
        labels: Classes [batch].
        temperature: The current T, above 0.
        weights: (a, b).
    """
    others = torch.ones_like(student, dtype=torch.bool).scatter_(1, labels[:, None], False)
    target_logs, other_logs = [], []
    for logits in (student, teacher):
        log = F.log_softmax(logits.float() / temperature, dim=1)
        remaining = log[others].view(len(log), -1)
        total = remaining.logsumexp(1, keepdim=True)
        target_logs.append(torch.cat([log.gather(1, labels[:, None]), total], 1))
        other_logs.append(remaining - total)
    tckd, nckd = (
        F.kl_div(log_q, log_p, reduction="batchmean", log_target=True)
        for log_q, log_p in (target_logs, other_logs)
    )
    return (weights[0] * tckd + weights[1] * nckd) * temperature**2


def standardize(logits: Tensor) -> Tensor:
    """Logits [batch, classes] minus their mean, over their standard deviation + 1e-7, for each row
    (Sun et al. 2024). Equal logits become 0."""
    values = logits.float()
    values = values - values.mean(1, keepdim=True)
    return values / (values.std(1, keepdim=True) + 1e-7)


def cross_entropy_gap(student: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of the student minus that of the teacher: the mean over a batch, without
    gradient.

    Args:
        student: Logits [batch, classes].
        teacher: Logits [batch, classes].
        labels: Classes [batch].
    """
    student_ce, teacher_ce = (
        F.cross_entropy(logits.detach().float(), labels) for logits in (student, teacher)
    )
    return student_ce - teacher_ce


class TeacherGap:
    """How much of its first gap to the teacher the student still has (adaptive temperature).

    The gap is CE of the student - CE of the teacher. Our own variant: one odd batch decides
    nothing, and a tiny first gap does not count as a whole one.

    Attributes:
        value: The gap: its mean over the first 20 steps, then a moving average with decay 0.95.
        first: ``value`` after 20 steps, at least 0.05.
    """

    def __init__(self) -> None:
        self.value, self.first = 0.0, _SMALLEST_GAP
        self._steps = 0

    def update(self, gap: float) -> None:
        """Take in the ``cross_entropy_gap`` of one step."""
        self._steps += 1
        self.value += (gap - self.value) / min(self._steps, _FIRST_STEPS)
        if self._steps <= _FIRST_STEPS:
            self.first = max(_SMALLEST_GAP, self.value)

    def remaining(self) -> float:
        """0..1: 1 before the first step, 0 while the student is no worse than its teacher."""
        return min(1.0, max(0.0, self.value / self.first)) if self._steps else 1.0

    def state_dict(self) -> Tensor:
        """Value, first value, and number of steps: float64 [3]."""
        return torch.tensor([self.value, self.first, float(self._steps)], dtype=torch.float64)

    def load_state_dict(self, state: Tensor) -> None:
        """Take over a ``state_dict``."""
        self.value, self.first, steps = state.tolist()
        self._steps = int(steps)
