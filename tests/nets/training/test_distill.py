from dataclasses import replace

import numpy as np
import pytest
import torch

from sfp_viz.core.training.distillation import Distillation
from sfp_viz.core.training.history import Epoch
from sfp_viz.errors import DataError, RunError
from sfp_viz.nets.data.datasets import Images, load_data
from sfp_viz.nets.model import Model, digest_of
from sfp_viz.nets.training.distill import Training
from sfp_viz.nets.training.finetune import finetune
from sfp_viz.nets.training.losses import distillation_loss
from sfp_viz.nets.zoo.build import build

QUICK = Distillation(epochs=2, batch_size=64, train_images=200, test_images=100, learning_rate=0.1)


def lenet(*, classes=10, side=8):
    arguments = {"classes": classes, "side": side}
    return Model(
        build("lenet5", arguments),
        name="lenet",
        input_shape=(1, side, side),
        architecture="lenet5",
        arguments=arguments,
    )


def training(student=None, *, teacher=None, settings=QUICK, train=None, test=None):
    return Training(
        student or lenet(),
        teacher=teacher,
        train=load_data("digits", "train") if train is None else train,
        test=load_data("digits", "test") if test is None else test,
        settings=settings,
    )


def test_the_loss_is_the_temperature_squared_times_the_divergence():
    """The slow plain way, from Hinton et al. 2015, over one pair of logits after the other."""
    draw = np.random.default_rng(0)
    student, teacher, degrees = draw.normal(size=(4, 5)), draw.normal(size=(4, 5)), 3.0
    total = 0.0
    for ours, theirs in zip(student, teacher, strict=True):
        p = np.exp(theirs / degrees) / np.exp(theirs / degrees).sum()
        q = np.exp(ours / degrees) / np.exp(ours / degrees).sum()
        total += float((p * np.log(p / q)).sum())
    loss = distillation_loss(torch.tensor(student), torch.tensor(teacher), temperature=degrees)
    assert float(loss) == pytest.approx(degrees**2 * total / 4, rel=1e-5)


def test_the_loss_is_zero_for_equal_logits_and_whatever_is_added_to_all():
    logits = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    for degrees in (0.5, 1.0, 4.0):
        assert float(distillation_loss(logits, logits, temperature=degrees)) == 0
        shifted = distillation_loss(logits + 7, logits, temperature=degrees)
        assert float(shifted) == pytest.approx(0, abs=1e-5)
        other = distillation_loss(logits.flip(1), logits, temperature=degrees)
        assert float(other) > 0


def test_the_square_keeps_the_size_of_the_gradient_when_the_temperature_changes():
    """docs/method.md: the gradient's norm stays within 30 % between T = 2 and 32."""
    source = torch.Generator().manual_seed(0)
    student, teacher = (torch.randn(64, 10, generator=source) for _ in range(2))
    norms = []
    for degrees in (2.0, 8.0, 32.0):
        ours = student.clone().requires_grad_()
        distillation_loss(ours, teacher, temperature=degrees).backward()
        norms.append(float(ours.grad.norm()))
    assert max(norms) / min(norms) < 1.3


def test_half_precision_logits_do_not_overflow():
    huge = torch.tensor([[60000.0, -60000.0]], dtype=torch.float16)
    assert torch.isfinite(distillation_loss(huge, -huge, temperature=1.0))


def test_a_training_learns_and_leaves_the_student_as_it_was():
    student = lenet()
    before = digest_of(student.module)
    settings = replace(QUICK, epochs=8, train_images=None, alpha=0.0, augmentation="none")
    session = training(student, settings=settings)
    first, *_, last = [session.epoch() for _ in range(8)]
    assert last.loss < first.loss
    assert last.test_accuracy > 0.8
    assert (last.epoch, last.epochs, last.test_images) == (8, 8, 100)
    assert first.temperature > last.temperature >= 1
    assert 0 <= last.learning_rate < first.learning_rate
    assert digest_of(student.module) == before
    trained = session.model()
    assert trained.digest != student.digest
    assert trained.base_digest == student.base_digest
    assert not trained.module.training


@pytest.mark.parametrize("teacher", [True, False])
def test_a_resumed_training_equals_an_undisturbed_one(teacher):
    told = lenet() if teacher else None
    undisturbed = training(teacher=told)
    whole = [undisturbed.epoch(), undisturbed.epoch()]
    stopped = training(teacher=told)
    stopped.epoch()
    saved = {name: tensor.clone() for name, tensor in stopped.state_dict().items()}
    resumed = training(teacher=told)
    resumed.load_state_dict(saved)
    assert resumed.done == 1
    second = resumed.epoch()
    assert digest_of(resumed.model().module) == digest_of(undisturbed.model().module)
    assert second.loss == whole[1].loss
    assert second.test_accuracy == whole[1].test_accuracy


def test_a_training_that_is_asked_to_stop_stops_between_two_steps():
    session = training()
    asked = iter([False, False, True])
    assert session.epoch(stop=lambda: next(asked)) is None
    assert session.done == 0


def test_a_checkpoint_of_another_network_gives_one_sentence():
    state = training().state_dict()
    other = training(lenet(classes=12))
    with pytest.raises(RunError, match="does not fit this run"):
        other.load_state_dict(state)
    del state["done"]
    with pytest.raises(RunError):
        training().load_state_dict(state)


def test_finetune_yields_epochs_and_returns_the_network():
    told = lenet()
    steps = finetune(lenet(), teacher=told, data="digits", settings=QUICK)
    history = []
    try:
        while True:
            history.append(next(steps))
    except StopIteration as end:
        trained = end.value
    assert [epoch.epoch for epoch in history] == [1, 2]
    assert all(isinstance(epoch, Epoch) for epoch in history)
    assert trained.digest != told.digest


def test_a_student_like_its_teacher_has_nothing_to_learn_from_it_alone():
    settings = replace(QUICK, alpha=1.0, augmentation="none", epochs=1, weight_decay=0.0)
    epoch = training(teacher=lenet(), settings=settings).epoch()
    assert epoch.loss == pytest.approx(0, abs=1e-6)


def test_a_teacher_of_another_question_is_refused():
    with pytest.raises(RunError, match=r"has 12 classes.*student 'lenet' has 10"):
        training(teacher=lenet(classes=12))
    with pytest.raises(RunError, match=r"\(1, 12, 12\)"):
        training(teacher=lenet(side=12))


def test_images_that_do_not_fit_are_refused_before_the_first_step():
    small = Images("small", "train", np.zeros((4, 1, 4, 4), np.uint8), np.zeros(4, int))
    with pytest.raises(DataError, match=r"takes images of \(1, 8, 8\)"):
        training(train=small)
    with pytest.raises(DataError, match=r"takes images of \(1, 8, 8\)"):
        training(test=small)
    with pytest.raises(DataError, match="has the class 9"):
        training(lenet(classes=5))
    empty = Images("none", "train", np.zeros((0, 1, 8, 8), np.uint8), np.zeros(0, int))
    with pytest.raises(DataError, match="no images"):
        training(train=empty)


def test_an_infinite_loss_says_what_to_do():
    session = training(settings=replace(QUICK, learning_rate=1e12, warmup=0.0))
    with pytest.raises(RunError, match=r"became infinite in epoch 1.*Lower the learning rate"):
        session.epoch()


def test_a_last_batch_of_one_image_does_no_harm():
    settings = replace(QUICK, train_images=65)
    assert training(settings=settings).epoch().loss > 0
