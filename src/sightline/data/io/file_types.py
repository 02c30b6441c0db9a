"""File type detection by the first bytes, and opening of regular files only. No Pillow."""

from __future__ import annotations

import io
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ...errors import UnreadableImage

Source = Path | bytes

EXTENSIONS: dict[str, tuple[str, ...]] = {
    "jpeg": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "png": (".png", ".apng"),
    "webp": (".webp",),
    "bmp": (".bmp", ".dib"),
    "tiff": (".tif", ".tiff"),
    "gif": (".gif",),
    "ppm": (".ppm", ".pgm", ".pbm", ".pnm"),
    "avif": (".avif",),
    "jp2": (".jp2", ".j2k", ".j2c", ".jpc", ".jpx", ".jpf"),
}
ARRAY_EXTENSIONS = (".npy", ".npz")
"""Arrays of NumPy, whose first axes are height and width."""
ALL_EXTENSIONS = frozenset(e for group in EXTENSIONS.values() for e in group) | {*ARRAY_EXTENSIONS}

_STARTS: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"BM", "bmp"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"\0\0\0\x0cjP  ", "jp2"),
    (b"\xff\x4f\xff\x51", "jp2"),
)
_OTHERS: tuple[tuple[bytes, str], ...] = (
    (b"%PDF", "a PDF document"),
    (b"%!PS", "an image in PostScript"),
    (b"8BPS", "an image of Photoshop"),
    (b"\xff\x0a", "an image in JPEG XL"),
    (b"\0\0\0\x0cJXL ", "an image in JPEG XL"),
    (b"\0\0\x01\0", "an image that is an icon (ICO)"),
    (b"SIMPLE  =", "an image in FITS"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "gzip data"),
    (b"\xfd7zXZ", "xz data"),
    (b"\x80\x02", "a pickle"),
    (b"version https://git-lfs", "a Git LFS pointer (the file itself was not fetched: git lfs pull)"),
)


def what_is(head: bytes) -> tuple[str | None, str]:
    """Image format of a file's first bytes, or None; and a description of the content in words.

    Args:
        head: The first bytes of the file; 512 are plenty.
    """
    if not head:
        return None, "is an empty file"
    for start, kind in _STARTS:
        if head.startswith(start):
            return kind, kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp", "webp"
    if len(head) > 2 and head[:1] == b"P" and head[1:2] in b"123456" and head[2:3] in b" \t\r\n":
        return "ppm", "ppm"
    for start, words in _OTHERS:
        if head.startswith(start):
            return None, words
    if head[4:8] == b"ftyp":
        return _boxed(head)
    return None, _text(head)


def _boxed(head: bytes) -> tuple[str | None, str]:
    """Type of an ISO base media file, by its brands."""
    end = min(int.from_bytes(head[:4], "big"), len(head))
    brands = {head[8:12], *(head[i : i + 4] for i in range(16, end - 3, 4))}
    if brands & {b"avif", b"avis"}:
        return "avif", "avif"
    if brands & {b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1"}:
        return None, "an image in HEIC, whose decoders may not be shipped with this licence"
    return None, f"an image or video in {head[8:12].decode('ascii', 'replace').upper()} (MP4, MOV)"


def _text(head: bytes) -> str:
    """Type of a text file, if it is text."""
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "an HTML page"
    if b"<svg" in start:
        return "an image in SVG"
    if start.startswith(b"<?xml"):
        return "XML"
    if start.startswith((b"{", b"[")):
        return "JSON or other text"
    if all(byte >= 32 or byte in (9, 10, 12, 13) for byte in head):
        return "plain text"
    return "unknown bytes"


@contextmanager
def open_file(source: Source) -> Iterator[tuple[BinaryIO, int]]:
    """A seekable file of the source, and its size. Opens nothing but regular files."""
    if isinstance(source, bytes):
        yield io.BytesIO(source), len(source)
        return
    try:
        facts = source.stat()
        if not stat.S_ISREG(facts.st_mode):
            raise UnreadableImage(source, "not-an-image", "is no regular file (a folder, pipe or device)")
        file = source.open("rb")
    except OSError as error:
        raise UnreadableImage(
            source, "unreadable", f"cannot be opened ({error.strerror or error})"
        ) from error
    with file:
        yield file, facts.st_size


def has_end(source: Source, kind: str, size: int) -> bool:
    """Whether the end marker of the format is present, for formats that have one."""
    marker = {"jpeg": b"\xff\xd9", "jp2": b"\xff\xd9", "png": b"IEND"}.get(kind)
    with open_file(source) as (file, _):
        if kind == "webp":
            return int.from_bytes(file.read(8)[4:], "little") + 8 <= size
        if kind == "tiff":  # its table of contents may lie at the end
            head = file.read(8)
            return int.from_bytes(head[4:], "little" if head[:1] == b"I" else "big") + 2 <= size
        if kind == "avif":
            return _boxes_end(file, size)
        file.seek(max(0, size - 4096))
        tail = file.read()
        return tail.endswith(b";") if kind == "gif" else marker is None or marker in tail


def _boxes_end(file: BinaryIO, size: int) -> bool:
    """Whether the boxes of an ISO file are complete."""
    at = 0
    while at + 8 <= size:
        file.seek(at)
        length = int.from_bytes(file.read(4), "big")
        if length < 8:  # to the end of the file, or written in 64 bits: that says nothing here
            return True
        at += length
    return at <= size


def name_of(source: Source) -> object:
    """Name of a source in messages."""
    return "the given bytes" if isinstance(source, bytes) else source
