"""idx files, the format of MNIST and related data sets.

Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits", 1998.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from sightline.core.card import FormatCard
from sightline.core.dataset import SPLITS, Dataset
from sightline.data.io.pixels import Arrays
from sightline.data.parsing.options import ReadOptions
from sightline.data.parsing.packed import folder_at, labels_of, split_of, unpacked
from sightline.errors import DataError

CARD = FormatCard(
    name="idx",
    summary="idx files of images and labels, as MNIST",
    recognized_by="a folder with train-images-idx3-ubyte and train-labels-idx1-ubyte, .gz or not",
    target_types=("label",),
)
_IMAGES = re.compile(r"^(?P<head>.*)images(?P<tail>[-.]idx3-ubyte)(?P<gz>\.gz)?$")


def sniff(source: str, options: ReadOptions) -> float:
    """High if image files in this format exist."""
    del options
    return 0.95 if Path(source).is_dir() and _image_files(Path(source)) else 0.0


def read(source: str, options: ReadOptions) -> Dataset:
    """Images and labels of all splits in the folder.

    Raises:
        DataError: If a file is missing, cut off, or its header does not fit.
    """
    del options
    root = folder_at(source)
    files = _image_files(root)
    if not files:
        raise DataError(f"{root}: no file like train-images-idx3-ubyte or train-images-idx3-ubyte.gz.")
    images, labels, ids, splits = [], [], [], []
    for split, path in files.items():
        pixels = _array(path, 3)
        values = _array(_labels_of(path), 1)
        if len(pixels) != len(values):
            raise DataError(
                f"{path}: {len(pixels):,} images, but {len(values):,} labels in {_labels_of(path).name}."
            )
        images.append(pixels)
        labels.append(values)
        ids += [f"{split or 'all'}/{i:05d}" for i in range(len(pixels))]
        splits += [split] * len(pixels)
    sizes = {a.shape[1:] for a in images}
    if len(sizes) > 1:
        raise DataError(f"{root}: the files hold images of different sizes: {sorted(sizes)}.")
    targets, classes = labels_of(np.concatenate(labels))
    return Dataset(
        name=root.resolve().name,
        format="idx",
        ids=ids,
        pixels=Arrays(np.concatenate(images)[..., None]),
        targets=targets,
        classes=classes,
        splits=np.array(splits, dtype=object),
        root=root,
    )


def _image_files(root: Path) -> dict[str, Path]:
    """Image file of each split, uncompressed ones first."""
    by_split: dict[str, Path] = {}
    for path in sorted(root.iterdir()):
        match = _IMAGES.match(path.name)
        if not match:
            continue
        split = split_of(match["head"])
        other = by_split.get(split)
        if other is not None and other.name != path.name.removesuffix(".gz"):
            raise DataError(
                f"{root}: both {other.name} and {path.name} are images for '{split}'. "
                "Give each data set a folder of its own."
            )
        by_split.setdefault(split, path)
    return {s: by_split[s] for s in (*SPLITS, "") if s in by_split}


def _labels_of(images: Path) -> Path:
    """Label file of an image file."""
    match = _IMAGES.match(images.name)
    assert match is not None
    name = f"{match['head']}labels{match['tail'].replace('3', '1')}"
    for path in (images.with_name(name), images.with_name(name + ".gz")):
        if path.is_file():
            return path
    raise DataError(f"{images}: its labels are missing. Expected {name} or {name}.gz beside it.")


def _array(path: Path, ndim: int) -> np.ndarray:
    """The array in an idx file: (N, H, W) or (N,) uint8."""
    data = unpacked(path)
    head = 4 + 4 * ndim
    expected = bytes([0, 0, 8, ndim])
    if len(data) < head or data[:4] != expected:
        raise DataError(
            f"{path}: not an idx file of {ndim} dimension(s) and bytes: it begins with "
            f"{data[:4].hex() or 'nothing'}, expected {expected.hex()}."
        )
    shape = tuple(int.from_bytes(data[4 + 4 * i : 8 + 4 * i], "big") for i in range(ndim))
    want = int(np.prod(shape, dtype=object))
    if len(data) - head != want:
        raise DataError(
            f"{path}: the header says {' x '.join(map(str, shape))} = {want:,} bytes, "
            f"but {len(data) - head:,} follow. The file is cut off or damaged; fetch it again."
        )
    return np.frombuffer(data, np.uint8, offset=head).reshape(shape)
