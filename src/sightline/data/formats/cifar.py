"""The binary version of CIFAR-10 and CIFAR-100, packed or not. The pickled version is not read.

Source: A. Krizhevsky, "Learning multiple layers of features from tiny images", University of Toronto, 2009.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sightline.core.card import FormatCard
from sightline.core.dataset import Dataset
from sightline.data.io.pixels import Arrays
from sightline.data.parsing.options import ReadOptions
from sightline.data.parsing.packed import folder_at, labels_of, split_of, unpacked
from sightline.errors import DataError

CARD = FormatCard(
    name="cifar",
    summary="binary records of 32 x 32 RGB images, as CIFAR-10 and CIFAR-100",
    recognized_by="a folder with data_batch_1.bin or train.bin, test_batch.bin or test.bin, .gz and .xz too",
    target_types=("label",),
)
_PIXELS = 3 * 32 * 32
_ENDINGS = (".bin", ".bin.gz", ".bin.xz")
_NAMES = {1: "batches.meta.txt", 2: "fine_label_names.txt"}


def sniff(source: str, options: ReadOptions) -> float:
    """High if a file of class names lies beside the records; low without."""
    del options
    root = Path(source)
    if not root.is_dir() or not _record_files(root):
        return 0.0
    return 0.95 if any((root / n).is_file() for n in _NAMES.values()) else 0.4


def read(source: str, options: ReadOptions) -> Dataset:
    """Images and labels of all files in the folder; CIFAR-100 with its 100 fine classes.

    Raises:
        DataError: If there is no such file, or one does not hold whole records.
    """
    del options
    root = folder_at(source)
    files = _record_files(root)
    if not files:
        raise DataError(f"{root}: no file that ends in {', '.join(_ENDINGS)}.")
    head = 2 if (root / _NAMES[2]).is_file() else 1
    names = _class_names(root / _NAMES[head])
    images, labels, ids, splits = [], [], [], []
    counts = {"train": 0, "val": 0, "test": 0}
    for path in files:
        values, pixels = _records(path, head, len(names))
        split = split_of(path.name) or "train"
        images.append(pixels)
        labels.append(values)
        ids += [f"{split}/{counts[split] + i:05d}" for i in range(len(values))]
        splits += [split] * len(values)
        counts[split] += len(values)
    targets, classes = labels_of(np.concatenate(labels), names)
    return Dataset(
        name=root.resolve().name,
        format="cifar",
        ids=ids,
        pixels=Arrays(np.concatenate(images)),
        targets=targets,
        classes=classes,
        splits=np.array(splits, dtype=object),
        root=root,
    )


def _record_files(root: Path) -> list[Path]:
    """Record files, training first; if a file exists compressed and uncompressed, the first one."""
    by_name: dict[str, Path] = {}
    for path in sorted(root.iterdir()):
        if path.name.endswith(_ENDINGS):
            by_name.setdefault(path.name.split(".bin")[0], path)
    order = {"train": 0, "": 0, "val": 1, "test": 2}
    return sorted(by_name.values(), key=lambda p: (order[split_of(p.name)], p.name))


def _class_names(path: Path) -> tuple[str, ...]:
    """One name a line; the line number is the class id."""
    if not path.is_file():
        return ()
    return tuple(line.strip() for line in path.read_text("utf-8").splitlines() if line.strip())


def _records(path: Path, head: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels (N,) and images (N, 32, 32, 3) of a file whose records begin with `head` label bytes."""
    data = np.frombuffer(unpacked(path), np.uint8)
    size = head + _PIXELS
    if len(data) == 0 or len(data) % size:
        raise DataError(
            f"{path}: {len(data):,} bytes are no whole number of records of {size:,} bytes. "
            "The file is cut off, or it is not CIFAR's binary version."
        )
    records = data.reshape(-1, size)
    labels = records[:, head - 1]
    if classes and labels.max() >= classes:
        i = int(labels.argmax())
        raise DataError(f"{path}: record {i} has class id {labels[i]}, but {classes} classes are named.")
    images = records[:, head:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return labels, np.ascontiguousarray(images)
