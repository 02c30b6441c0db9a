"""Cache of decoded images for the next epoch and the next run: in memory, or in a bounded file.

The file may be deleted at any time. Its content is always verified: each image has a record of its source
file (path, size, modification time) and a checksum, written after its pixels. If the process was killed
while writing an image, or if the source file has changed since, the record does not match, and the image is
decoded again.
"""

from __future__ import annotations

import errno
import hashlib
import os
import sys
import uuid
import zlib
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from typing import BinaryIO
from weakref import WeakSet

import numpy as np

from sightline._version import __version__
from sightline.console import say

Shape = tuple[int, ...]

_RECORD = np.dtype([("stamp", "<u8"), ("sum", "<u4"), ("pad", "<u4")])
_SUFFIX = ".images"
_PIXELS = "2"  # another one whenever the same file gives other pixels
_open: WeakSet[DiskCache] = WeakSet()
_seeking = Lock()


class MemoryCache:
    """Cache of images in memory, up to a limit.

    Args:
        items: Images in the data set.
        shape: (H, W, C) of each; of clips and volumes there are more axes.
        room: Bytes it may take; images beyond are not kept.
        dtype: Of their numbers.
    """

    def __init__(self, items: int, shape: Shape, room: int, dtype: str = "uint8") -> None:
        capacity = min(items, room // (int(np.prod(shape)) * np.dtype(dtype).itemsize))
        self._pixels = np.zeros((capacity, *shape), dtype=dtype)
        self._there = np.zeros(items, dtype=bool)

    def has(self, where: np.ndarray) -> np.ndarray:
        """(B,) bool: which of some items are cached."""
        return np.asarray(self._there[where])

    def get(self, where: np.ndarray) -> np.ndarray:
        """Items that are kept, (B, H, W, C)."""
        return np.asarray(self._pixels[where])

    def put(self, i: int, image: np.ndarray) -> None:
        """Store an image if there is room."""
        if i < len(self._pixels):
            self._pixels[i] = image
            self._there[i] = True


class DiskCache:
    """Cache of images in a memory-mapped file, shared by runs and processes with the same images.

    Args:
        paths: File of each item.
        shape: (H, W, C) of each image; of clips and volumes there are more axes.
        decoding: How images are made from files (size, fit): equal text, equal pixels.
        room: Bytes that all such files in `folder` may take; the longest unused ones are removed.
        folder: Where they lie.
        dtype: Of their numbers.

    Raises:
        OSError: If the file cannot be made there.
    """

    def __init__(
        self,
        paths: Sequence[str],
        shape: Shape,
        decoding: str,
        room: int,
        folder: Path,
        dtype: str = "uint8",
    ) -> None:
        names = [os.path.abspath(p) for p in paths]  # noqa: PTH100 - no Path for each of a million files
        # Slots go by name, so that the order of the items does not matter.
        self._slots = np.empty(len(names), dtype=np.int64)
        self._slots[sorted(range(len(names)), key=names.__getitem__)] = np.arange(len(names))
        self._stamps = np.array([_stamp(name) for name in names], dtype=np.uint64)
        self._checked = np.zeros(len(names), dtype=bool)
        text = "\0".join(
            [
                _PIXELS,
                decoding,
                str(shape) if dtype == "uint8" else f"{shape} {dtype}",
                __version__,
                version("pillow"),
                version("simplejpeg"),
                *sorted(names),
            ]
        )
        self.path = folder / (hashlib.blake2b(text.encode(), digest_size=12).hexdigest() + _SUFFIX)
        each = int(np.prod(shape)) * np.dtype(dtype).itemsize + _RECORD.itemsize
        folder.mkdir(parents=True, exist_ok=True)
        self._kept = min(len(names), (room - _open_bytes(folder, self.path)) // each)
        if self._kept <= 0:
            raise OSError(f"no room is left of {room:,} bytes")
        _make_room(folder, room - self._kept * each, self.path)
        if not self.path.is_file() or self.path.stat().st_size != self._kept * each:
            _make(self.path, self._kept * each)
        os.utime(self.path)
        # Read through the map, write through the file: a full disk is then an error, not the end of the
        # process, and it takes half the time.
        self._file: BinaryIO | None = self.path.open("r+b", buffering=0)
        self._lock = Lock()
        self._records = np.memmap(self._file, _RECORD, "r", 0, (self._kept,))
        self._pixels = np.memmap(self._file, dtype, "r", self._records.nbytes, (self._kept, *shape))
        _open.add(self)

    def has(self, where: np.ndarray) -> np.ndarray:
        """(B,) bool: which of some items are cached, complete and up to date."""
        for i in where[~self._checked[where]]:
            slot = self._slots[i]
            if slot < self._kept and self._records["stamp"][slot] == self._stamps[i]:
                self._checked[i] = self._records["sum"][slot] == zlib.crc32(self._pixels[slot].data)
        return np.asarray(self._checked[where])

    def get(self, where: np.ndarray) -> np.ndarray:
        """Items that are kept, (B, H, W, C)."""
        return np.asarray(self._pixels[self._slots[where]])

    def put(self, i: int, image: np.ndarray) -> None:
        """Store an image if there is room. The record is written last."""
        slot = int(self._slots[i])
        if slot >= self._kept:
            return
        pixels = np.ascontiguousarray(image)
        record = np.array((self._stamps[i], zlib.crc32(pixels.data), 0), dtype=_RECORD)
        file = self._file
        if file is None:
            return
        try:
            _write(file, self._records.nbytes + slot * pixels.nbytes, pixels)
            _write(file, slot * record.nbytes, record)
            self._checked[i] = True
        except OSError as error:
            with self._lock:  # it is said once
                if self._file is not None:
                    say(f"No more decoded images are kept in {self.path.parent}: {error.strerror or error}.")
                self._file = None


def cache_folder() -> Path:
    """Default folder of the cache. It may be deleted at any time."""
    if os.environ.get("XDG_CACHE_HOME"):
        return Path(os.environ["XDG_CACHE_HOME"]) / "sightline" / "images"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", str(Path.home()))) / "sightline" / "images"
    above = "Library/Caches" if sys.platform == "darwin" else ".cache"
    return Path.home() / above / "sightline" / "images"


def on_disk(
    paths: Sequence[str], shape: Shape, decoding: str, room: int, folder: Path, dtype: str = "uint8"
) -> DiskCache | None:
    """A cache on disk, or none where the disk refuses or the room is used up, which is said."""
    try:
        return DiskCache(paths, shape, decoding, room, folder, dtype)
    except OSError as error:
        say(
            f"{len(paths)} decoded images cannot be kept in {folder} ({error.strerror or error}) and are "
            "decoded in each epoch. XDG_CACHE_HOME names another place, --cache another room."
        )
        return None


def _stamp(path: str) -> int:
    """64 bits that change when the file does; never 0. A file that is gone has one too."""
    try:
        facts = os.stat(path)  # noqa: PTH116
        text = f"{path}\0{facts.st_size}\0{facts.st_mtime_ns}"
    except OSError:
        text = path
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") | 1


def _open_bytes(folder: Path, but: Path) -> int:
    """Bytes of the files in `folder` that this process has open."""
    paths = {c.path for c in _open if c.path.parent == folder and c.path != but}
    return sum(p.stat().st_size for p in paths if p.exists())


def _make_room(folder: Path, limit: int, but: Path) -> None:
    """Remove least recently used files, except those in use here, until the rest take `limit` bytes."""
    facts = [(p.stat().st_mtime_ns, p.stat().st_size, p) for p in folder.glob(f"*{_SUFFIX}") if p != but]
    total, held = sum(size for _, size, _ in facts), {c.path for c in _open}
    for _, size, path in sorted(facts):
        if total > limit and path not in held:
            path.unlink(missing_ok=True)
            total -= size


def _write(file: BinaryIO, offset: int, data: np.ndarray) -> None:
    """Write all of an array at a place in a file; several threads may do so at once."""
    if hasattr(os, "pwrite"):
        written = os.pwrite(file.fileno(), data.data, offset)
    else:
        with _seeking:
            file.seek(offset)
            written = file.write(data.data)
    if written < data.nbytes:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _make(path: Path, size: int) -> None:
    """Create an empty file of a given size, atomically."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("wb") as file:
            file.truncate(size)
            if hasattr(os, "posix_fallocate"):  # one run of blocks: writing here and there is twice as fast
                os.posix_fallocate(file.fileno(), 0, size)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
