import numpy as np
import pytest
import torch

from sfp_viz.nets.data.augmentation import augment, order


def numbered(count=6, side=8, channels=2):
    """Every pixel has a value of its own, none 0."""
    values = np.arange(count * channels * side * side) % 255 + 1
    return torch.from_numpy(values.reshape(count, channels, side, side).astype(np.uint8))


def augmented(pixels, chosen, kind="crop_flip", *, seed=0, epoch=0):
    return augment(pixels, np.array(chosen), kind=kind, seed=seed, epoch=epoch, count=len(pixels))


def test_the_order_is_a_permutation_that_seed_and_epoch_decide():
    assert sorted(order(0, 0, 50)) == list(range(50))
    assert (order(0, 3, 50) == order(0, 3, 50)).all()
    assert (order(0, 3, 50) != order(0, 4, 50)).any()
    assert (order(0, 3, 50) != order(1, 3, 50)).any()


def test_what_an_image_becomes_depends_on_seed_epoch_and_its_number_alone():
    pixels = numbered()
    together = augmented(pixels, [0, 1, 2, 3, 4, 5])
    assert torch.equal(augmented(pixels, [4, 1]), together[[4, 1]])
    assert not torch.equal(augmented(pixels, [0, 1, 2, 3, 4, 5], epoch=1), together)
    assert not torch.equal(augmented(pixels, [0, 1, 2, 3, 4, 5], seed=1), together)


def test_none_leaves_the_images_as_they_are():
    pixels = numbered()
    assert torch.equal(augmented(pixels, [3, 0], "none"), pixels[[3, 0]])


@pytest.mark.parametrize(("side", "reach"), [(8, 1), (16, 1), (28, 2), (32, 4)])
def test_every_result_is_a_shift_of_its_image_within_the_reach(side, reach):
    """The slow plain way: try each shift, and each mirror image for 'crop_flip'."""
    pixels = numbered(count=12, side=side, channels=1)
    padded = np.pad(pixels.numpy(), ((0, 0), (0, 0), (reach,) * 2, (reach,) * 2))
    for kind, mirrors in (("shift", 1), ("crop_flip", 2)):
        results, seen = augmented(pixels, range(12), kind).numpy(), set()
        for index, result in enumerate(results):
            found = [
                (top, left, mirror)
                for top in range(2 * reach + 1)
                for left in range(2 * reach + 1)
                for mirror in range(mirrors)
                if (
                    padded[index, :, top : top + side, left : left + side][
                        :, :, :: -1 if mirror else 1
                    ]
                    == result
                ).all()
            ]
            assert found, f"{kind} {index}"
            seen.update(found[:1])
        assert len(seen) > 1
        assert {mirror for _, _, mirror in seen} == set(range(mirrors))


def test_the_images_given_are_not_written_to():
    pixels = numbered()
    before = pixels.clone()
    augmented(pixels, [0, 1, 2])
    assert torch.equal(pixels, before)
    assert augmented(pixels, [0]).dtype == torch.uint8
