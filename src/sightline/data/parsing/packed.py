"""Files of many records, compressed or not: opened by their extension, read up to a known limit."""

from __future__ import annotations

import gzip
import lzma
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sightline.core.dataset import Classes
from sightline.core.targets.label import ClassLabels
from sightline.errors import DataError

LIMIT = 4 << 30


def folder_at(source: str) -> Path:
    """The folder a user named.

    Raises:
        DataError: If it is none.
    """
    path = Path(source)
    if not path.is_dir():
        raise DataError(f"There is no folder '{path}'.")
    return path


def unpacked(path: Path, limit: int = LIMIT) -> bytes:
    """The bytes of a file, of a .gz or of a .xz file.

    Raises:
        DataError: If it is cut off, damaged, or unpacks to more than `limit` bytes.
    """
    openers: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".xz": lzma.open}
    try:
        with openers.get(path.suffix, open)(path, "rb") as file:
            data: bytes = file.read(limit + 1)
    except EOFError as error:
        raise DataError(f"{path}: the file is cut off. Fetch it again.") from error
    except (OSError, lzma.LZMAError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read ({error}). Fetch it again.") from error
    if len(data) > limit:
        raise DataError(f"{path}: unpacks to more than {limit:,} bytes and is not read.")
    return data


def split_of(name: str) -> str:
    """The split a file or folder name speaks of, or ""."""
    low = name.lower()
    for split, words in {"train": ("train",), "test": ("test", "t10k"), "val": ("val", "dev")}.items():
        if any(word in low for word in words):
            return split
    return ""


def labels_of(values: np.ndarray, names: tuple[str, ...] = ()) -> tuple[ClassLabels, Classes]:
    """Class table and indices of annotated ids (N,), with names where they are known."""
    ids = np.arange(len(names)) if names else np.unique(values)
    table = Classes(names or tuple(str(i) for i in ids.tolist()), tuple(int(i) for i in ids))
    return ClassLabels(torch.from_numpy(np.searchsorted(ids, values).astype(np.int64))), table
