"""Data sets by name, from local copies or downloaded by torchvision.

MNIST's relatives and CIFAR lie on disk as idx files and as CIFAR's binary records, and are read by those
formats; CIFAR's pickled version is never read.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sightline.console import say
from sightline.core.card import FormatCard
from sightline.core.dataset import Classes, Dataset, Pixels
from sightline.core.targets.label import ClassLabels
from sightline.data.io.pixels import Arrays, Files
from sightline.data.parsing.location import SourceLocation
from sightline.data.parsing.options import ReadOptions
from sightline.errors import DataError

CARD = FormatCard(
    name="torchvision",
    summary="data sets of torchvision by name, from local copies or downloaded",
    recognized_by="a name such as mnist, cifar10 or flowers102",
    target_types=("label",),
)
_DIGITS = tuple(str(i) for i in range(10))
_CIFAR = "https://www.cs.toronto.edu/~kriz/"


@dataclass(frozen=True)
class _Named:
    """One named data set.

    Attributes:
        summary: One line for lists.
        maker: Class in torchvision.datasets; "" for CIFAR, whose binary version is fetched.
        format: Format that reads the files, or "" where torchvision does.
        places: Folders below the data folder where they may lie, besides its own name.
        classes: Class names by id where the files have none.
        archive: File and MD5 of CIFAR's binary version.
        splits: Our split to torchvision's arguments, where torchvision reads.
    """

    summary: str
    maker: str = ""
    format: str = ""
    places: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    archive: tuple[str, str] = ("", "")
    splits: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def _by_split(**names: str) -> dict[str, dict[str, str]]:
    return {ours: {"split": theirs} for ours, theirs in names.items()}


_FASHION = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Boot",
)
_THREE = _by_split(train="train", val="val", test="test")
_TWO = _by_split(train="train", test="test")
_ALL = {
    "mnist": _Named("70,000 handwritten digits, 28 x 28, grey", "MNIST", "idx", ("MNIST/raw",), _DIGITS),
    "fashionmnist": _Named(
        "70,000 articles of clothing, 28 x 28, grey", "FashionMNIST", "idx", ("FashionMNIST/raw",), _FASHION
    ),
    "kmnist": _Named("70,000 cursive Japanese characters, 28 x 28, grey", "KMNIST", "idx", ("KMNIST/raw",)),
    "cifar10": _Named(
        "60,000 small photographs in 10 classes, 32 x 32",
        format="cifar",
        places=("cifar-10-batches-bin",),
        archive=("cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530"),
    ),
    "cifar100": _Named(
        "60,000 small photographs in 100 classes, 32 x 32",
        format="cifar",
        places=("cifar-100-binary",),
        archive=("cifar-100-binary.tar.gz", "03b5dce01913d631647c71ecec9e9cb8"),
    ),
    "svhn": _Named("99,289 house numbers, 32 x 32", "SVHN", splits=_TWO, classes=_DIGITS),
    "stl10": _Named("13,000 photographs in 10 classes, 96 x 96", "STL10", splits=_TWO),
    "flowers102": _Named("8,189 photographs of 102 flowers", "Flowers102", splits=_THREE),
    "food101": _Named("101,000 photographs of 101 dishes", "Food101", splits=_TWO),
    "pets": _Named(
        "7,349 cats and dogs of 37 breeds",
        "OxfordIIITPet",
        splits=_by_split(train="trainval", test="test"),
    ),
    "dtd": _Named("5,640 textures in 47 classes", "DTD", splits=_THREE),
    "eurosat": _Named("27,000 satellite images in 10 classes, 64 x 64", "EuroSAT", splits={"": {}}),
    "gtsrb": _Named("51,839 German traffic signs in 43 classes", "GTSRB", splits=_TWO),
    "aircraft": _Named("10,000 aircraft of 100 variants", "FGVCAircraft", splits=_THREE),
}
NAMES = {name: entry.summary for name, entry in _ALL.items()}


def _entry(source: str) -> str:
    """The listed name, in whatever form it is written: Fashion-MNIST, fashion_mnist."""
    return source.lower().replace("-", "").replace("_", "")


def sniff(source: str, options: ReadOptions) -> float:
    """High for a name, unless a file or folder with that name exists."""
    del options
    return float(_entry(source) in _ALL and not Path(source).exists())


def locate(source: str, options: ReadOptions) -> SourceLocation | None:
    """Location of a data set that another format reads; downloaded first if allowed. None for the others.

    Raises:
        DataError: If it is not there and cannot be fetched.
    """
    name = _entry(source)
    entry = _ALL.get(name)
    if entry is None or not entry.format:
        return None
    root = _root(options)
    place = _find(name, entry, root)
    if place is None:
        _fetch(name, entry, root)
        place = _find(name, entry, root)
    if place is None:
        raise DataError(_missing(name, root, "it was fetched, but not found"))
    return place


def read(source: str, options: ReadOptions) -> Dataset:
    """A data set that torchvision reads itself.

    Raises:
        DataError: If it is not there and cannot be fetched.
    """
    name = _entry(source)
    if name not in _ALL:
        raise DataError(f"'{source}' is no data set that is known by name. Known: {', '.join(sorted(_ALL))}.")
    entry, root = _ALL[name], _root(options)
    parts = {split: _open_split(name, entry, root, given) for split, given in entry.splits.items()}
    labels = np.concatenate([_labels(part) for part in parts.values()])
    first_part = next(iter(parts.values()))
    names = tuple(getattr(first_part, "classes", ())) or entry.classes
    return Dataset(
        name=name,
        format=CARD.name,
        ids=[f"{split or 'all'}/{i:06d}" for split, part in parts.items() for i in range(len(part))],
        pixels=_pixels(list(parts.values())),
        targets=ClassLabels(torch.from_numpy(labels)),
        classes=Classes(names or tuple(str(i) for i in range(int(labels.max()) + 1))),
        splits=np.concatenate([np.full(len(part), split, dtype=object) for split, part in parts.items()]),
        root=root,
    )


def _root(options: ReadOptions) -> Path:
    """The folder of named data sets."""
    if options.data_dir is not None:
        return options.data_dir
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "sightline" / "data"


def _find(name: str, entry: _Named, root: Path) -> SourceLocation | None:
    """A folder with files of the right kind; the data folder itself too, unless named after another set."""
    own_root = [] if _entry(root.resolve().name) in set(_ALL) - {name} else [root]
    for folder in [root / name, *(root / p for p in entry.places), *own_root]:
        pattern = "*images*ubyte*" if entry.format == "idx" else "*.bin*"
        if not folder.is_dir() or not any(folder.glob(pattern)):
            continue
        if entry.format == "cifar" and (folder / "fine_label_names.txt").is_file() != (name == "cifar100"):
            continue
        return SourceLocation(name, folder, entry.format, entry.classes)
    return None


def _offline() -> bool:
    return os.environ.get("SIGHTLINE_OFFLINE", "0") not in ("", "0")


def _missing(name: str, root: Path, why: str) -> str:
    entry = _ALL[name]
    kinds = {"idx": "its idx files (*-ubyte or *-ubyte.gz)", "cifar": "its binary files (*.bin)"}
    what = kinds.get(entry.format, "it as torchvision stores it")
    below = "" if entry.format == "" else f"/{name}"
    return (
        f"The data set '{name}' is not in {root} ({why}). Put {what} into {root}{below}, or name --data-dir."
    )


def _fetch(name: str, entry: _Named, root: Path) -> None:
    """Let torchvision download the files.

    Raises:
        DataError: If the network is forbidden or fails.
    """
    if _offline():
        raise DataError(_missing(name, root, "SIGHTLINE_OFFLINE forbids the network"))
    import torchvision.datasets as sets
    from torchvision.datasets.utils import download_and_extract_archive

    say(f"Fetching '{name}' into {root} ...")
    try:
        if entry.maker:
            getattr(sets, entry.maker)(str(root), download=True)
        else:
            file, md5 = entry.archive
            download_and_extract_archive(_CIFAR + file, str(root), filename=file, md5=md5)
    except (OSError, RuntimeError) as error:
        raise DataError(_missing(name, root, f"fetching failed: {error}")) from error


def _open_split(name: str, entry: _Named, root: Path, given: Mapping[str, Any]) -> Any:
    """One split, as torchvision opens it."""
    import torchvision.datasets as sets

    maker = getattr(sets, entry.maker)
    try:
        return maker(str(root), **given)
    except (OSError, RuntimeError) as error:
        if _offline():
            raise DataError(_missing(name, root, "SIGHTLINE_OFFLINE forbids the network")) from error
    say(f"Fetching '{name}' into {root} ...")
    try:
        return maker(str(root), **given, download=True)
    except (OSError, RuntimeError) as error:
        raise DataError(_missing(name, root, f"fetching failed: {error}")) from error


def _pairs(dataset: Any) -> list[tuple[Any, int]]:
    """Files and labels, under whichever name torchvision keeps them."""
    for name in ("samples", "_samples"):
        if hasattr(dataset, name):
            return list(getattr(dataset, name))
    files = dataset._image_files if hasattr(dataset, "_image_files") else dataset._images
    return list(zip(files, dataset._labels, strict=True))


def _labels(dataset: Any) -> np.ndarray:
    values = dataset.labels if hasattr(dataset, "data") else [label for _, label in _pairs(dataset)]
    return np.asarray(values, dtype=np.int64)


def _pixels(parts: list[Any]) -> Pixels:
    """Images of all splits: an array (N, 3, H, W), or files."""
    if hasattr(parts[0], "data"):
        array = np.concatenate([part.data for part in parts]).transpose(0, 2, 3, 1)
        return Arrays(np.ascontiguousarray(array))
    return Files([str(path) for part in parts for path, _ in _pairs(part)])
