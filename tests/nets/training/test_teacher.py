"""Averaged weights, clipped gradients, remembered answers: a resumed run repeats them all."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from sfp_viz.core.training.distillation import Distillation
from sfp_viz.errors import RunError
from sfp_viz.nets.data.datasets import load_data
from sfp_viz.nets.model import Model, digest_of
from sfp_viz.nets.training import teacher as teaching
from sfp_viz.nets.training.distill import Training
from sfp_viz.nets.training.ema import EMA
from sfp_viz.nets.zoo.build import build

QUICK = Distillation(epochs=4, batch_size=64, train_images=200, test_images=100, learning_rate=0.1)


def lenet(seed=None):
    arguments = {"classes": 10, "side": 8}
    module = build("lenet5", arguments)
    if seed is not None:
        source = torch.Generator().manual_seed(seed)
        for parameter in module.parameters():
            parameter.data += 0.1 * torch.randn(parameter.shape, generator=source)
    return Model(module, name="lenet", input_shape=(1, 8, 8))


def training(settings, told=None):
    train, test = (load_data("digits", split) for split in ("train", "test"))
    return Training(lenet(), teacher=told or lenet(1), train=train, test=test, settings=settings)


class Counted(nn.Module):
    """A network that counts the images it is asked about."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.inner = module
        self.register_buffer("asked", torch.zeros(()))

    def forward(self, images):
        self.asked += len(images)
        return self.inner(images)


def asked(session: Training) -> int:
    assert session._teacher is not None
    return int(session._teacher._module.asked)


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        ({"augmentation": "none"}, [200, 200, 200]),
        ({"augmentation": "shift", "teacher_views": 2}, [200, 400, 400]),
        ({"augmentation": "shift"}, [200, 400, 600]),
    ],
)
def test_the_teacher_is_asked_once_for_each_view(changes, counts):
    whole = lenet(1)
    session = training(replace(QUICK, **changes), replace(whole, module=Counted(whole.module)))
    found = []
    for _ in counts:
        session.epoch()
        found.append(asked(session))
    assert found == counts


def test_a_remembered_answer_is_the_answer_given_anew(monkeypatch):
    settings = replace(QUICK, augmentation="none", epochs=2)
    kept = training(settings)
    first = [kept.epoch(), kept.epoch()]
    monkeypatch.setattr(teaching, "_MOST_BYTES", 0)
    anew = training(settings)
    second = [anew.epoch(), anew.epoch()]
    for ours, theirs in zip(first, second, strict=True):
        assert ours.loss == pytest.approx(theirs.loss, rel=1e-4)
    for a, b in zip(kept.module.parameters(), anew.module.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-4)


class Wavering(nn.Module):
    """A network whose answers in training mode are others: dropout, and statistics of a batch."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.drop = nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.Dropout(0.5)
        self.fc = nn.Linear(6, 10)

    def forward(self, images):
        return self.fc(self.drop(self.norm(self.conv(images)).relu()).mean((2, 3)))


@pytest.mark.parametrize("changes", [{"augmentation": "none"}, {"augmentation": "shift"}])
def test_a_teacher_handed_over_in_training_mode_teaches_the_same_and_is_not_changed(changes):
    torch.manual_seed(0)
    teacher = Model(Wavering().eval(), name="teacher", input_shape=(1, 8, 8), classes=10)
    state = {name: value.clone() for name, value in teacher.module.state_dict().items()}
    settings, ended = replace(QUICK, epochs=1, alpha=1.0, **changes), []
    for training_mode in (False, True):
        teacher.module.train(training_mode)
        session = training(settings, teacher)
        ended.append((session.epoch().loss, session.module.state_dict()))
        assert teacher.module.training == training_mode
        assert all(torch.equal(value, state[n]) for n, value in teacher.module.state_dict().items())
    (loss, weights), (again, others) = ended
    assert loss == again
    assert all(torch.equal(weights[name], others[name]) for name in weights)


def test_too_many_views_for_the_memory_are_refused(monkeypatch):
    monkeypatch.setattr(teaching, "_MOST_BYTES", 10_000)
    with pytest.raises(RunError, match="Set fewer teacher views"):
        training(replace(QUICK, teacher_views=8))


def test_views_come_again_and_are_different():
    session = training(replace(QUICK, augmentation="crop_flip", teacher_views=2))
    chosen = session._pixels.new_zeros(3).numpy().astype("int64")
    views = [teaching.augmented(session._pixels, chosen, session.settings, e) for e in range(4)]
    assert torch.equal(views[0], views[2])
    assert torch.equal(views[1], views[3])
    assert not torch.equal(views[0], views[1])


OPTIONS = [
    {"schedule": "adaptive"},
    {"ema": 0.9},
    {"clip": 0.01},
    {"teacher_views": 2},
    {"augmentation": "none"},
    {"standardize": True, "dkd": (1, 2), "label_smoothing": 0.1},
]


@pytest.mark.parametrize("changes", OPTIONS)
def test_with_each_option_a_resumed_training_equals_an_undisturbed_one(changes):
    settings = replace(QUICK, epochs=3, **changes)
    undisturbed = training(settings)
    whole = [undisturbed.epoch() for _ in range(3)]
    stopped = training(settings)
    stopped.epoch()
    saved = {name: tensor.clone() for name, tensor in stopped.state_dict().items()}
    resumed = training(settings)
    resumed.load_state_dict(saved)
    rest = [resumed.epoch(), resumed.epoch()]
    assert digest_of(resumed.model().module) == digest_of(undisturbed.model().module)
    assert [(e.loss, e.temperature) for e in rest] == [(e.loss, e.temperature) for e in whole[1:]]
    plain = training(replace(QUICK, epochs=3))
    for _ in range(3):
        plain.epoch()
    assert digest_of(plain.model().module) != digest_of(resumed.model().module)


def test_a_checkpoint_without_the_average_does_not_fit_a_run_that_needs_it():
    state = training(QUICK).state_dict()
    for changes in ({"ema": 0.9}, {"schedule": "adaptive"}):
        with pytest.raises(RunError, match="does not fit"):
            training(replace(QUICK, **changes)).load_state_dict(state)


def test_the_average_by_hand_with_buffers_and_counters():
    module = nn.Sequential(nn.Linear(1, 1, bias=False), nn.BatchNorm1d(1))
    average = EMA(module, 0.5)
    with torch.no_grad():
        module[0].weight.fill_(4)
        module[1].running_mean.fill_(2)
        module[1].num_batches_tracked.fill_(7)
    start = float(average.module[0].weight)
    average.update(module, 0)  # the decay begins at 1 / 10
    assert float(average.module[0].weight) == pytest.approx(0.1 * start + 0.9 * 4)
    assert float(average.module[1].running_mean) == pytest.approx(1.8)
    assert int(average.module[1].num_batches_tracked) == 7
    average.update(module, 10_000)
    assert float(average.module[1].running_mean) == pytest.approx(1.9)


def test_what_is_measured_and_kept_is_the_average():
    session = training(replace(QUICK, ema=0.9))
    session.epoch()
    kept, trained = session.model().module, session.module
    assert not torch.equal(kept.state_dict()["conv1.weight"], trained.state_dict()["conv1.weight"])
    assert all(parameter.requires_grad for parameter in kept.parameters())


def test_a_clipped_gradient_moves_the_weights_less():
    moved = []
    for clip in (0.0, 1e-6):
        settings = replace(QUICK, clip=clip, weight_decay=0.0, train_images=64)
        session = training(settings)
        before = [p.detach().clone() for p in session.module.parameters()]
        session.epoch()
        pairs = zip(before, session.module.parameters(), strict=True)
        moved.append(max(float((a - b.detach()).abs().max()) for a, b in pairs))
    assert moved[1] < 1e-6 < moved[0]


def test_the_adaptive_temperature_falls_as_the_student_learns():
    still = replace(QUICK, augmentation="none", train_images=400)
    settings = replace(still, epochs=12, schedule="adaptive")
    trained = training(replace(still, epochs=8, alpha=0.0))
    for _ in range(8):
        trained.epoch()
    session = training(settings, trained.model())
    degrees = [session.epoch().temperature for _ in range(12)]
    assert 4 >= degrees[0] > degrees[-1] >= 1
