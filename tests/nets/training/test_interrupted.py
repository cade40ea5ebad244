"""A training that was interrupted between any two steps ends with the bits of one that was not."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from sfp_viz.core.training.distillation import Distillation
from sfp_viz.errors import RunError
from sfp_viz.nets.data.datasets import load_data
from sfp_viz.nets.model import Model, digest_of
from sfp_viz.nets.training.checkpoint import load_checkpoint, save_checkpoint
from sfp_viz.nets.training.distill import Training
from sfp_viz.nets.training.peak_memory import peak_bytes
from sfp_viz.nets.training.reproducibility import numerics

TINY = Distillation(
    epochs=3,
    batch_size=20,
    train_images=70,
    test_images=40,
    learning_rate=0.1,
    augmentation="shift",
)
STEPS = 4  # of an epoch, the last with 10 images


class Dropping(nn.Module):
    """A convolution, BatchNorm and dropout: everything that remembers, and everything drawn."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4)
        self.drop, self.fc = nn.Dropout(0.5), nn.Linear(36, 10)

    def forward(self, images):
        maps = F.max_pool2d(F.relu(self.norm(self.conv(images))), 2)
        return self.fc(self.drop(maps.flatten(1)))


def network(seed: int) -> Model:
    torch.manual_seed(seed)
    return Model(Dropping(), name="dropping", input_shape=(1, 8, 8))


def training(settings: Distillation = TINY, *, fabric=None) -> Training:
    train, test = (load_data("digits", split) for split in ("train", "test"))
    student, teacher = network(0), network(1)
    return Training(
        student, teacher=teacher, train=train, test=test, settings=settings, fabric=fabric
    )


def same(session: Training, other: Training) -> bool:
    ours, theirs = session.state_dict(), other.state_dict()
    timeless = ours.keys() - {"seconds"}
    assert ours.keys() == theirs.keys()
    return all(torch.equal(ours[name], theirs[name]) for name in timeless) and digest_of(
        session.model().module
    ) == digest_of(other.model().module)


def after(steps: int):
    """Stops before the step with this number."""
    asked = iter([False] * steps)
    return lambda: next(asked, True)


def lines(epochs) -> list[dict]:
    timeless = {"seconds": 0.0, "images_per_second": 0.0, "memory": 0}
    return [asdict(epoch) | timeless for epoch in epochs if epoch is not None]


OPTIONS = {
    "plain": {},
    "average": {"ema": 0.9},
    "adaptive": {"schedule": "adaptive"},
    "bf16": {"precision": "bf16-mixed"},
    "views": {"teacher_views": 2, "clip": 0.1},
}


@pytest.mark.parametrize("changes", OPTIONS.values(), ids=OPTIONS.keys())
def test_interrupted_before_every_step_it_ends_with_the_same_bits(changes, tmp_path):
    settings = replace(TINY, **changes)
    undisturbed = training(settings)
    whole = [undisturbed.epoch() for _ in range(3)]
    session, found = training(settings), []
    for turn in range(3 * STEPS):
        found.append(session.epoch(after(1)))
        torch.manual_seed(turn)  # what others draw in between does not matter
        save_checkpoint(tmp_path / "it.safetensors", session.state_dict(), {})
        session = training(settings)  # as if in another process
        session.load_state_dict(load_checkpoint(tmp_path / "it.safetensors")[0])
        assert (session.done, session.step) == divmod(turn + 1, STEPS)
    assert lines(found) == lines(whole)
    assert same(session, undisturbed)


def test_the_state_asked_for_in_the_stop_call_is_whole(tmp_path):
    """A checkpoint written from the callback, without stopping, is as good as one after it."""
    undisturbed, kept = training(), {}

    def keep() -> bool:
        state = undisturbed.state_dict()
        kept[int(state["done"]), int(state["step"])] = {k: v.clone() for k, v in state.items()}
        return False

    whole = [undisturbed.epoch(keep) for _ in range(3)]
    assert list(kept) == [divmod(number, STEPS) for number in range(3 * STEPS)]
    for (done, step), state in kept.items():
        if step in (1, 3):
            resumed = training()
            resumed.load_state_dict(state)
            assert lines(resumed.epoch() for _ in range(done, 3)) == lines(whole[done:])
            assert same(resumed, undisturbed)


def test_the_seconds_of_an_interrupted_epoch_add_up():
    session = training()
    assert session.epoch(after(3)) is None
    state = session.state_dict()
    state["seconds"] += 100
    resumed = training()
    resumed.load_state_dict(state)
    epoch = resumed.epoch()
    assert epoch.seconds > 100
    assert epoch.images_per_second < 1


def test_dropout_depends_on_seed_epoch_and_step_and_leaves_the_callers_stream_alone():
    torch.manual_seed(7)
    expected = torch.rand(3)
    first = training()
    torch.manual_seed(7)
    first.epoch()
    assert torch.equal(torch.rand(3), expected)
    other = training(replace(TINY, seed=1, augmentation="none"))
    plain = training(replace(TINY, augmentation="none"))
    other.epoch()
    plain.epoch()
    assert digest_of(other.model().module) != digest_of(plain.model().module)


def test_the_scale_of_half_precision_goes_along():
    from lightning_fabric import Fabric
    from lightning_fabric.plugins import MixedPrecision

    def halved() -> Training:
        return training(
            fabric=Fabric(accelerator="cpu", plugins=[MixedPrecision("16-mixed", "cpu")])
        )

    undisturbed, session = halved(), halved()
    scaler = undisturbed.fabric.strategy.precision.scaler
    before = scaler.get_scale()
    undisturbed.epoch()
    undisturbed.epoch()
    session.epoch()
    session.epoch(after(2))
    state = session.state_dict()
    resumed = halved()
    resumed.load_state_dict(state)
    now = resumed.fabric.strategy.precision.state_dict()
    assert now == session.fabric.strategy.precision.state_dict()
    assert now["_growth_tracker"] > 0 or now["scale"] != before
    resumed.epoch()
    assert same(resumed, undisturbed)


def test_a_checkpoint_of_an_earlier_version_is_taken_up_between_epochs():
    session = training()
    session.epoch()
    old = {k: v for k, v in session.state_dict().items() if k not in ("step", "sums", "seconds")}
    resumed = training()
    resumed.load_state_dict(old)
    assert (resumed.done, resumed.step) == (1, 0)
    assert same(resumed, session)


def test_a_checkpoint_with_a_step_beyond_the_epoch_does_not_fit():
    state = training().state_dict()
    state["step"] = torch.tensor(STEPS + 1)
    with pytest.raises(RunError, match=r"does not fit this run.*step 5 of 4"):
        training().load_state_dict(state)


def test_weights_without_bounds_are_no_state_to_go_on_from():
    session = training()
    with torch.no_grad():
        session.module.fc.weight[0, 0] = float("nan")
    with pytest.raises(RunError, match=r"weights became infinite in epoch 1.*Lower"):
        session.state_dict()


def test_the_memory_of_an_epoch_is_measured():
    held = torch.ones(30_000_000)
    epoch = training().epoch()
    assert held.numel() * 4 < epoch.memory < 2**40
    assert epoch.memory <= peak_bytes(torch.device("cpu"))


def test_several_processes_need_a_run_that_starts_them():
    with pytest.raises(RunError, match="set processes to 1"):
        training(replace(TINY, processes=2))


def test_the_record_of_the_numerics_can_be_written_and_names_what_bits_depend_on():
    facts = numerics()
    assert {"threads", "torch", "numpy", "device", "vectors", "precision"} <= facts.keys()
    assert facts["memory_format"] == "channels_last"
    assert numerics(facts["threads"]) == facts
