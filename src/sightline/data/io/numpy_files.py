"""Arrays in files of NumPy: .npy, and .npz with one array. Nothing in them is run (no pickle). No torch."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from ...errors import UnreadableImage
from .file_types import Source, name_of, open_file

NPY, NPZ = b"\x93NUMPY", b"PK\x03\x04"
MAX_CHANNELS = 32
"""Channels that an item may have at most."""
TYPES = ("uint8", "uint16", "int16", "float16", "float32", "float64")
"""Types of numbers that are read."""


@dataclass(frozen=True)
class ArrayFacts:
    """What the header of a file says: shape, type of its numbers, and the file's size in bytes."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    file_size: int


def is_array_file(head: bytes) -> bool:
    """Whether these first bytes are those of a file of NumPy (or a ZIP archive, which .npz is)."""
    return head.startswith((NPY, NPZ))


def array_facts(source: Source) -> ArrayFacts:
    """What the header says; no numbers are read.

    Raises:
        UnreadableImage: If it is no such file, holds several arrays, or numbers of another type.
    """
    with open_file(source) as (file, size), _Member(source, file) as member:
        shape, dtype = _header(source, member)
        return ArrayFacts(shape, dtype, size)


def read_array(source: Source, limit: int) -> np.ndarray:
    """The array of a file.

    Args:
        source: The file, or its bytes.
        limit: Numbers that it may hold at most.

    Raises:
        UnreadableImage: As `array_facts`; and where it is cut off, larger, or holds NaN or infinities.
    """
    facts = array_facts(source)
    if (count := int(np.prod(facts.shape))) > limit:
        text = f"holds {count:,} numbers, more than the limit of {limit:,}. Set SIGHTLINE_MAX_PIXELS"
        raise UnreadableImage(name_of(source), "bomb", f"{text} if it is meant")
    with open_file(source) as (file, _), _Member(source, file) as member:
        try:
            array: np.ndarray = np.lib.format.read_array(member, allow_pickle=False)
        except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise UnreadableImage(name_of(source), "truncated", f"is cut off or damaged ({error})") from error
    if array.dtype.kind == "f" and (bad := int(np.count_nonzero(~np.isfinite(array)))):
        text = f"holds {bad:,} values of {array.size:,} that are NaN or infinite"
        raise UnreadableImage(name_of(source), "not-finite", text)
    return array.astype(np.float32) if array.dtype.kind in "fi" else array


def read_array_stack(source: Source, limit: int) -> np.ndarray:
    """(F, H, W, C) of a file that holds an array (F, H, W) or (F, H, W, C).

    Raises:
        UnreadableImage: As `read_array`; and where the array has other axes.
    """
    array = read_array(source, limit)
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim != 4 or array.shape[3] > MAX_CHANNELS:
        text = f"holds an array of shape {array.shape}. Expected (frames or slices, height, width), or four "
        text += f"axes with up to {MAX_CHANNELS} channels last"
        raise UnreadableImage(name_of(source), "unsupported", text)
    return array


class _Member:
    """The one array of a file, as a file of .npy."""

    def __init__(self, source: Source, file: BinaryIO) -> None:
        self._source, self._file = source, file
        self._archive: zipfile.ZipFile | None = None

    def __enter__(self) -> Any:
        head = self._file.read(6)
        self._file.seek(0)
        if head == NPY:
            return self._file
        try:
            self._archive = zipfile.ZipFile(self._file)
            names = [name for name in self._archive.namelist() if name.endswith(".npy")]
        except zipfile.BadZipFile as error:
            raise UnreadableImage(name_of(self._source), "not-an-image", "is no file of NumPy") from error
        if len(names) != 1:
            text = f"holds {len(names)} arrays ({', '.join(names[:3])}). Write one array a file"
            raise UnreadableImage(name_of(self._source), "unsupported", text)
        return self._archive.open(names[0])

    def __exit__(self, *error: object) -> None:
        if self._archive is not None:
            self._archive.close()


def _header(source: Source, member: Any) -> tuple[tuple[int, ...], np.dtype[Any]]:
    try:
        version = np.lib.format.read_magic(member)
        reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else _header_2
        shape, _, dtype = reader(member)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise UnreadableImage(name_of(source), "truncated", f"is cut off or damaged ({error})") from error
    if dtype.newbyteorder("=").name not in TYPES:
        text = f"holds numbers of type {dtype}. Write one of {', '.join(TYPES)}"
        raise UnreadableImage(name_of(source), "unsupported", text)
    if 0 in shape or not shape:
        raise UnreadableImage(name_of(source), "zero-size", f"holds an array of shape {shape}")
    return shape, dtype


def _header_2(member: Any) -> Any:
    return np.lib.format.read_array_header_2_0(member)
