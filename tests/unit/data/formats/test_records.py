"""idx files and CIFAR's records, whole and damaged."""

from __future__ import annotations

import gzip
import lzma
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sightline.data.formats import cifar, idx
from sightline.data.parsing.options import ReadOptions
from sightline.errors import DataError

ANY = ReadOptions()
RNG = np.random.default_rng(0)


def idx_bytes(array: np.ndarray) -> bytes:
    head = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return head + array.astype(np.uint8).tobytes()


def idx_folder(root: Path, parts: dict[str, int]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    result = {}
    for part, n in parts.items():
        images, labels = RNG.integers(0, 255, (n, 5, 4)), RNG.integers(1, 4, n)
        (root / f"{part}-images-idx3-ubyte").write_bytes(idx_bytes(images))
        (root / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx_bytes(labels)))
        result[part] = (images, labels)
    return result


def test_idx_gives_pixels_labels_and_splits(tmp_path: Path) -> None:
    result = idx_folder(tmp_path, {"train": 20, "t10k": 5})
    data = idx.read(str(tmp_path), ANY)
    assert data.splits.tolist() == ["train"] * 20 + ["test"] * 5
    assert data.ids[20] == "test/00000"
    assert data.classes is not None
    assert data.classes.ids == (1, 2, 3)
    for part, start in (("train", 0), ("t10k", 20)):
        images, labels = result[part]
        for i in range(len(labels)):
            np.testing.assert_array_equal(data.pixels.read(start + i)[..., 0], images[i])
            assert data.classes.ids[int(data.targets.value[start + i])] == labels[i]


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda b: b[:-3], "header says 20 x 5 x 4"),
        (lambda b: b + b"x", "401 follow"),
        (lambda b: b"\0\0\x0d\3" + b[4:], "begins with 00000d03"),
        (lambda b: b"", "begins with nothing"),
    ],
)
def test_damaged_idx_files_are_refused(tmp_path: Path, damage: Any, words: str) -> None:
    idx_folder(tmp_path, {"train": 20})
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=words) as caught:
        idx.read(str(tmp_path), ANY)
    assert str(path) in str(caught.value)


def test_idx_with_missing_or_cut_labels(tmp_path: Path) -> None:
    idx_folder(tmp_path, {"train": 20})
    labels = tmp_path / "train-labels-idx1-ubyte.gz"
    labels.write_bytes(labels.read_bytes()[:-9])
    with pytest.raises(DataError, match="cut off"):
        idx.read(str(tmp_path), ANY)
    labels.write_bytes(gzip.compress(idx_bytes(np.ones(19))))
    with pytest.raises(DataError, match="20 images, but 19 labels"):
        idx.read(str(tmp_path), ANY)
    labels.unlink()
    with pytest.raises(DataError, match="labels are missing"):
        idx.read(str(tmp_path), ANY)


def test_mnist(data_folder: Any) -> None:
    data = idx.read(str(data_folder("mnist")), ANY)
    counts = np.bincount(data.targets.value[:60_000].numpy()).tolist()
    assert counts == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert (data.splits == "test").sum() == 10_000


def records(n: int, head: int = 1) -> np.ndarray:
    result = RNG.integers(0, 255, (n, head + 3072)).astype(np.uint8)
    result[:, :head] = RNG.integers(0, 2, (n, head))
    return result


def test_cifar_packed_and_not(tmp_path: Path) -> None:
    first, second, test = records(4), records(3), records(5)
    (tmp_path / "batches.meta.txt").write_text("cat\ndog\n\n")
    (tmp_path / "data_batch_1.bin").write_bytes(first.tobytes())
    (tmp_path / "data_batch_2.bin.gz").write_bytes(gzip.compress(second.tobytes()))
    (tmp_path / "test_batch.bin.xz").write_bytes(lzma.compress(test.tobytes()))
    data = cifar.read(str(tmp_path), ANY)
    assert data.splits.tolist() == ["train"] * 7 + ["test"] * 5
    assert data.classes is not None
    assert data.classes.names == ("cat", "dog")
    every = np.concatenate([first, second, test])
    assert data.targets.value.tolist() == every[:, 0].tolist()
    red = data.pixels.read(8)[..., 0]
    np.testing.assert_array_equal(red.ravel(), every[8, 1:1025])


def test_cifar_100_takes_the_fine_label(tmp_path: Path) -> None:
    (tmp_path / "fine_label_names.txt").write_text("apple\nbear\n")
    result = records(6, head=2)
    (tmp_path / "train.bin").write_bytes(result.tobytes())
    assert cifar.read(str(tmp_path), ANY).targets.value.tolist() == result[:, 1].tolist()


def test_damaged_cifar_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "batches.meta.txt").write_text("cat\ndog\n")
    path = tmp_path / "train.bin"
    path.write_bytes(records(2).tobytes()[:-1])
    with pytest.raises(DataError, match="no whole number of records"):
        cifar.read(str(tmp_path), ANY)
    wrong = records(3)
    wrong[1, 0] = 7
    path.write_bytes(wrong.tobytes())
    with pytest.raises(DataError, match="record 1 has class id 7"):
        cifar.read(str(tmp_path), ANY)
    path.unlink()
    (tmp_path / "train.bin.xz").write_bytes(lzma.compress(records(2).tobytes())[:-20])
    with pytest.raises(DataError, match="cut off"):
        cifar.read(str(tmp_path), ANY)
    (tmp_path / "train.bin.xz").unlink()
    (tmp_path / "train.bin.gz").write_bytes(b"not gzip")
    with pytest.raises(DataError, match="cannot be read"):
        cifar.read(str(tmp_path), ANY)


def test_the_real_cifar10_has_the_published_mean(data_folder: Any) -> None:
    data = cifar.read(str(data_folder("cifar10")), ANY)
    train = data.pixels.array[data.indices_of("train")]  # type: ignore[attr-defined]
    assert data.targets.value[:10].tolist() == [6, 9, 9, 4, 1, 1, 2, 7, 8, 3]
    np.testing.assert_allclose(train.mean((0, 1, 2)) / 255, [0.4914, 0.4822, 0.4465], atol=0.005)
