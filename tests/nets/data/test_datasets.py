import gzip
import hashlib
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sfp_viz.errors import DataError
from sfp_viz.nets.data import datasets as data
from sfp_viz.nets.data.datasets import Images, available, load_data
from sfp_viz.nets.data.download import fetch, fetch_file


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    """An empty SFP_VIZ_DATA and an empty workspace, and no Debian package."""
    monkeypatch.setenv("SFP_VIZ_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("SFP_VIZ_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(data, "DEBIAN_FASHION", tmp_path / "no such package")
    return tmp_path


def shard(path, count=4, *, start=0, shape=(3, 8, 8)):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((count, *shape), start, np.uint8)
    np.savez(path, images=pixels, labels=np.arange(start, start + count, dtype=np.uint8))


def test_the_digits_are_always_here_and_every_fifth_is_for_testing():
    train, test = load_data("digits", "train"), load_data("digits", "test")
    assert (len(train), len(test)) == (1437, 360)
    assert train.pixels.shape[1:] == (1, 8, 8)
    assert (train.pixels.min(), train.pixels.max()) == (0, 255)
    assert set(train.labels) == set(test.labels) == set(range(10))
    assert available("digits")
    seen = {image.tobytes() for image in train.pixels}
    assert sum(image.tobytes() in seen for image in test.pixels) <= 1  # no image is in both


def test_images_cannot_be_written_to():
    images = load_data("digits", "test", limit=3)
    assert len(images) == 3
    with pytest.raises(ValueError):
        images.pixels[0] = 0
    with pytest.raises(ValueError):
        images.labels[0] = 0


def test_shards_are_found_first_and_joined_in_order(places):
    for part in (1, 0):
        shard(places / "data" / "cifar10" / f"cifar10_test_{part}.npz", start=part * 4)
    images = load_data("cifar10", "test")
    assert images.labels.tolist() == list(range(8))
    assert images.labels.dtype == np.int64
    assert (images.name, images.split) == ("cifar10", "test")
    assert len(load_data("cifar10", "test", limit=5)) == 5
    assert available("cifar10", "test")
    assert not available("cifar10", "train")


def test_an_npz_file_of_ones_own_is_read(places):
    shard(places / "mine.npz")
    assert load_data(str(places / "mine.npz")).name == "mine"
    assert available(str(places / "mine.npz"))


def hostile(kind, path):
    if kind == "text":
        path.write_text("hello")
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "cut off":
        shard(path)
        path.write_bytes(path.read_bytes()[:-40])
    elif kind == "one array":
        with path.open("wb") as file:
            np.save(file, np.zeros(3))
    elif kind == "objects":
        np.savez(path, images=np.array([{}]), labels=np.zeros(1, int))
    elif kind == "other names":
        np.savez(path, x=np.zeros(3), y=np.zeros(3))
    elif kind == "floats":
        np.savez(path, images=np.zeros((2, 3, 8, 8)), labels=np.zeros(2, int))
    elif kind == "lengths":
        np.savez(path, images=np.zeros((2, 3, 8, 8), np.uint8), labels=np.zeros(3, int))
    elif kind == "negative labels":
        np.savez(path, images=np.zeros((2, 3, 8, 8), np.uint8), labels=np.array([-1, 0]))
    elif kind == "float labels":
        np.savez(path, images=np.zeros((2, 3, 8, 8), np.uint8), labels=np.array([0.5, 0]))


@pytest.mark.parametrize(
    "kind",
    [
        "text",
        "empty",
        "cut off",
        "one array",
        "objects",
        "other names",
        "floats",
        "lengths",
        "negative labels",
        "float labels",
    ],
)
def test_a_file_that_holds_no_images_gives_one_sentence(places, kind):
    path = places / "odd.npz"
    hostile(kind, path)
    with pytest.raises(DataError) as caught:
        load_data(str(path))
    assert "\n" not in str(caught.value)


def test_shards_of_different_sizes_are_refused(places):
    folder = places / "data" / "odd"
    shard(folder / "odd_test_0.npz")
    shard(folder / "odd_test_1.npz", shape=(3, 9, 9))
    with pytest.raises(DataError, match="cannot be read"):
        load_data("odd", "test")


def test_data_larger_than_memory_allows_are_refused_before_they_are_read(places, monkeypatch):
    monkeypatch.setattr(data, "_MOST_BYTES", 1000)
    shard(places / "big.npz", count=9)
    with pytest.raises(DataError, match="larger than 4 GB"):
        load_data(str(places / "big.npz"))


def pictures(folder, *, sizes=((6, 5), (6, 5)), count=4):
    for label, size in enumerate(sizes):
        kind = folder / f"class{label}"
        kind.mkdir(parents=True)
        for index in range(count):
            Image.new("L", size, color=10 * index).save(kind / f"{index}.png")


def test_a_folder_with_a_folder_for_each_class_is_read(places):
    pictures(places / "mine" / "train")
    images = load_data(str(places / "mine"), "train")
    assert images.pixels.shape == (8, 3, 5, 6)
    assert images.labels.tolist() == [0] * 4 + [1] * 4
    assert set(load_data(str(places / "mine"), "train", limit=2).labels) == {0, 1}
    assert load_data(str(places / "mine" / "train"), "test").name == "train"


def test_a_folder_of_other_things_gives_one_sentence(places):
    (places / "empty").mkdir()
    with pytest.raises(DataError, match="no readable class folders"):
        load_data(str(places / "empty"))
    pictures(places / "sizes", sizes=((6, 5), (7, 5)))
    with pytest.raises(DataError, match="differ in size"):
        load_data(str(places / "sizes"))
    pictures(places / "broken")
    (places / "broken" / "class0" / "1.png").write_text("no picture")
    with pytest.raises(DataError, match="no readable"):
        load_data(str(places / "broken"))


def test_an_unknown_name_says_what_is_known(places):
    for name in ("nothing", "", "../cifar10", "~no-such-person"):
        with pytest.raises(DataError, match="Give one of digits, fashion_mnist"):
            load_data(name)
        assert not available(name)


@pytest.mark.parametrize("name", ["fashion_mnist", "cifar10", "cifar100"])
def test_a_known_set_that_is_not_here_is_not_fetched_unasked(places, name, monkeypatch):
    monkeypatch.setattr("urllib.request.urlopen", lambda *a, **k: pytest.fail("it was fetched"))
    assert not available(name)
    with pytest.raises(DataError, match=r"SFP_VIZ_DATA.*or allow the download"):
        load_data(name, "test")


def idx(pixels):
    head = [2048 + 1 + 2 * (pixels.ndim > 1)]
    return b"".join(int(n).to_bytes(4) for n in (*head, *pixels.shape)) + pixels.tobytes()


def packed_fashion(folder):
    folder.mkdir(parents=True)
    for split, count in (("train", 6), ("t10k", 3)):
        images = np.arange(count * 784, dtype=np.uint8).reshape(count, 28, 28)
        (folder / f"{split}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images)))
        labels = np.arange(count, dtype=np.uint8)
        (folder / f"{split}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels)))


def test_debians_fashion_mnist_is_unpacked_into_the_workspace(places, monkeypatch):
    monkeypatch.setattr(data, "DEBIAN_FASHION", places / "debian")
    packed_fashion(places / "debian")
    assert available("fashion_mnist")
    test = load_data("fashion_mnist", "test")
    assert test.pixels.shape == (3, 1, 28, 28)
    assert test.labels.tolist() == [0, 1, 2]
    raw = places / "home" / "data" / "FashionMNIST" / "raw"
    assert len(list(raw.iterdir())) == 4
    monkeypatch.setattr(data, "DEBIAN_FASHION", places / "gone")
    assert len(load_data("fashion_mnist", "train")) == 6


def test_a_half_unpacked_set_is_not_taken_for_whole(places):
    raw = places / "data" / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    (raw / "train-images-idx3-ubyte").write_bytes(b"")
    assert not available("fashion_mnist")


def test_a_download_is_shown_on_its_way_and_read_afterwards(places, monkeypatch):
    from torchvision import datasets

    packed_fashion(places / "server")
    files = sorted((places / "server").iterdir())
    sums = [hashlib.md5(f.read_bytes(), usedforsecurity=False).hexdigest() for f in files]
    resources = [(f.name, md5) for f, md5 in zip(files, sums, strict=True)]
    monkeypatch.setattr(datasets.FashionMNIST, "mirrors", [(places / "server").as_uri() + "/"])
    monkeypatch.setattr(datasets.FashionMNIST, "resources", resources)
    heard = []
    images = load_data(
        "fashion_mnist", "train", download=True, progress=lambda *said: heard.append(said)
    )
    assert len(images) == 6
    assert {file for file, _ in heard} == {f.name for f in files}
    assert all(0 <= share <= 1 for _, share in heard)
    assert heard[-1][1] == 1
    assert available("fashion_mnist")


def test_what_is_not_the_file_asked_for_is_not_kept(places):
    source = places / "source"
    source.write_bytes(b"something else")
    for url in (source.as_uri(), (places / "missing").as_uri()):
        with pytest.raises(DataError, match="could not be downloaded"):
            fetch_file(url, places / "into" / "file", md5="0" * 32, progress=lambda *_: None)
    assert not list((places / "into").iterdir())


def test_a_file_that_is_already_whole_is_not_fetched_again(places, monkeypatch):
    monkeypatch.setattr("urllib.request.urlopen", lambda *a, **k: pytest.fail("it was fetched"))
    from torchvision import datasets

    archive = places / datasets.CIFAR100.filename
    archive.write_bytes(b"whole")
    md5 = hashlib.md5(b"whole", usedforsecurity=False).hexdigest()
    monkeypatch.setattr(datasets.CIFAR100, "tgz_md5", md5)
    fetch("cifar100", places, lambda *_: pytest.fail("nothing was fetched"))


def test_images_of_another_kind_are_refused():
    pixels, labels = np.zeros((2, 1, 4, 4), np.uint8), np.zeros(2, int)
    assert len(Images("a", "test", pixels, labels)) == 2
    for wrong in (pixels.astype(float), pixels[0], pixels[:1]):
        with pytest.raises(DataError):
            Images("a", "test", wrong, labels)


@pytest.mark.skipif(
    not Path("/usr/share/datasets/fashion-mnist").is_dir(),
    reason="the Debian package dataset-fashion-mnist is not installed",
)
def test_the_real_fashion_mnist_is_whole(places, monkeypatch):
    monkeypatch.setattr(data, "DEBIAN_FASHION", Path("/usr/share/datasets/fashion-mnist"))
    assert load_data("fashion_mnist", "test").pixels.shape == (10_000, 1, 28, 28)
    assert os.listdir(places / "home" / "data" / "FashionMNIST") == ["raw"]


def test_one_npz_file_is_split_so_that_no_test_image_is_trained_on(places):
    shard(places / "mine.npz", count=40)
    name = str(places / "mine.npz")
    train, test = load_data(name, "train"), load_data(name, "test")
    assert len(train) + len(test) == 40
    assert len(test) == 8
    with np.load(places / "mine.npz") as whole:
        both = np.concatenate([train.pixels, test.pixels]).reshape(40, -1)
        everything = whole["images"].reshape(40, -1)
    assert sorted(map(bytes, both)) == sorted(map(bytes, everything))


def test_a_folder_without_splits_holds_out_every_fifth_picture(places):
    pictures(places / "birds", count=10)
    train = load_data(str(places / "birds"), "train")
    test = load_data(str(places / "birds"), "test")
    assert (len(train), len(test)) == (16, 4)
    assert set(test.labels) == {0, 1}


def test_a_folder_with_train_and_val_tests_on_val_and_one_with_train_alone_is_refused(places):
    pictures(places / "birds" / "train", count=3)
    with pytest.raises(DataError, match="none for 'test'"):
        load_data(str(places / "birds"), "test")
    pictures(places / "birds" / "val", count=2)
    assert len(load_data(str(places / "birds"), "test")) == 4
    assert len(load_data(str(places / "birds"), "train")) == 6


def test_classes_are_numbered_the_same_in_every_split(places):
    root = places / "split"
    pictures(root / "train", sizes=((6, 5),) * 3, count=2)
    pictures(root / "test", sizes=((6, 5),) * 3, count=2)
    shutil.rmtree(root / "test" / "class1")
    assert load_data(str(root), "test").labels.tolist() == [0, 0, 2, 2]
    (root / "test" / "other").mkdir()
    Image.new("L", (6, 5)).save(root / "test" / "other" / "0.png")
    with pytest.raises(DataError, match="has the class 'other'"):
        load_data(str(root), "train")


@pytest.mark.parametrize("name", ["__MACOSX", ".ipynb_checkpoints", ".git", "notes"])
def test_folders_that_systems_leave_behind_are_no_classes(places, name):
    pictures(places / "mine")
    (places / "mine" / name).mkdir()
    (places / "mine" / name / "._0.png").write_bytes(b"\0\5\26\7")
    images = load_data(str(places / "mine"))
    assert set(images.labels) == {0, 1}


def test_a_broken_picture_is_named(places):
    pictures(places / "mine", sizes=((60, 50),) * 2, count=10)
    broken = places / "mine" / "class1" / "3.png"
    broken.write_bytes(broken.read_bytes()[:70])
    with pytest.raises(DataError, match=r"class1.3\.png"):
        load_data(str(places / "mine"))


def test_gray_pictures_of_16_bits_keep_their_shades(places):
    values = np.linspace(0, 65535, 30).reshape(5, 6).astype(np.uint16)
    for index in range(5):
        folder = places / "deep" / "a"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(values).save(folder / f"{index}.png")
    pixels = load_data(str(places / "deep")).pixels[0]
    assert pixels.shape == (3, 5, 6)
    np.testing.assert_allclose(pixels[0], values / 257, atol=0.51)


def test_a_gray_network_takes_a_folder_of_pictures(places):
    from sfp_viz.nets.evaluation.measure import measure_accuracy
    from sfp_viz.nets.io.load import load_model

    digits = load_data("digits", "test")
    for index, (pixels, label) in enumerate(zip(digits.pixels, digits.labels, strict=True)):
        folder = places / "gray" / "test" / str(label)
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels[0]).save(folder / f"{index:03}.png")
    model = load_model("lenet5_digits")
    folders = measure_accuracy(model, load_data(str(places / "gray"), "test"))
    assert folders.accuracy == measure_accuracy(model, digits).accuracy
