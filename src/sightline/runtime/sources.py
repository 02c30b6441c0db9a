"""Inputs from the command line: images, folders, globs, videos, cameras."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..data.io.clip_frames import natural
from ..data.io.file_types import ALL_EXTENSIONS
from ..data.io.pages import full_pages
from ..data.io.video_probe import EXTENSIONS, is_film
from ..data.io.walk import describe_skipped, files_below, globbed, home
from ..errors import UnreadableImage, UsageError
from .frames import MissingOpenCV, NoFrames, frames, library
from .inputs.base import InputReader
from .session import Item

_CAMERA = re.compile(r"(?:camera)?(\d+)")


class Sources:
    """Inputs of a prediction: discovered at once, opened one after the other.

    Args:
        named: Files, folders, globs, and cameras by number ("camera0" or "0").
        reader: Of the kind of input that the model takes; of clips every film is one item.

    Attributes:
        left_out: Files in folders that are left out for their ending, counted by it.
        hidden: Files and folders that are left out as hidden or foreign; see `data._walk.foreign`.
        live: Whether a camera is among them, which has no end.
        films: Whether anything is among them that has frames.

    Raises:
        UsageError: If nothing is found, or an address is named.
        MissingOpenCV: If a video or camera is named and OpenCV is not installed.
    """

    def __init__(self, named: Sequence[str], reader: InputReader) -> None:
        self._reader = reader
        self.left_out: Counter[str] = Counter()
        self.hidden: list[Path] = []
        self._items: list[Path | int] = [item for source in named for item in self._found(source)]
        self._films = {
            item for item in self._items if isinstance(item, int) or (not reader.whole and is_film(item))
        }
        self.live = any(isinstance(item, int) for item in self._items)
        self.films = bool(self._films)
        for item in self._films:
            library(str(item) if isinstance(item, Path) else f"camera{item}")

    @property
    def sequences(self) -> int:
        """Films, cameras, TIFFs of several pages and folders of images, each a sequence of frames."""
        images = [item for item in self._items if isinstance(item, Path) and item not in self._films]
        return len({path if len(_numbers(path)) > 1 else path.parent for path in images}) + len(self._films)

    def sort_frames(self) -> None:
        """Order images as frames are numbered, folder by folder, frame_2 before frame_10; films follow."""
        images = [item for item in self._items if isinstance(item, Path) and item not in self._films]
        others = [item for item in self._items if item in self._films]
        self._items = [*sorted(images, key=lambda f: (natural(f.parent), f.parent, natural(f))), *others]

    def __iter__(self) -> Iterator[Item]:
        for item in self._items:
            if item in self._films:
                yield from _frames(item)
            elif isinstance(item, Path):
                yield from [Item(str(item), item)] if self._reader.whole else _pages(item)

    def _found(self, source: str) -> list[Path | int]:
        """Resolve one source, sorted; a named file is used whatever its name."""
        if "://" in source:
            raise UsageError(f"{source} is an address. Nothing is fetched from the network: give a file.")
        path = Path(home(source))
        if path.is_dir():
            return self._in_folder(path)
        if path.exists():
            return [path]
        if camera := _CAMERA.fullmatch(source):
            if self._reader.whole:
                name = self._reader.name
                raise UsageError(f"{source} has no end: the model takes a {name} for each item. Give files.")
            return [int(camera[1])]
        skipped: list[Path] = []
        paths: list[Path | int] = [*globbed(str(path), skipped)]
        self.hidden += skipped
        if not paths:
            others = f" {describe_skipped(skipped)}" if skipped else ""
            raise UsageError(
                f"{source}: there is no such file or folder, and as a glob it matches no file.{others}"
            )
        return paths

    def _in_folder(self, folder: Path) -> list[Path | int]:
        """Images and videos of a folder by their ending; the others are counted."""
        films = self._reader.whole or _has_opencv()
        endings = ALL_EXTENSIONS | (EXTENSIONS if films else frozenset[str]())
        paths: list[Path] = []
        skipped: list[Path] = []
        for path in files_below(folder, skipped):
            if path.suffix.lower() in endings:
                paths.append(path)
            else:
                self.left_out[path.suffix.lower() or "no ending"] += 1
        self.hidden += skipped
        if not paths:
            others = f"{self._others()}. {describe_skipped(skipped)}".strip()
            raise UsageError(f"The folder {folder} has no {self._reader.name}s in it{others}")
        return [*self._reader.items(paths)]

    def _others(self) -> str:
        listed = ", ".join(f"{n} {ending}" for ending, n in self.left_out.most_common(5))
        return f", only {listed}" if listed else ""


def _pages(file: Path) -> Iterator[Item]:
    """An image, or each page of a TIFF that has several."""
    pages = _numbers(file)
    for page in pages:
        yield Item(str(file) if len(pages) == 1 else f"{file}#{page:06d}", file, page)


def _numbers(file: Path) -> list[int]:
    """Numbers of the pages of a TIFF; [0] of another image."""
    try:
        return full_pages(file)
    except UnreadableImage:  # which is said when it is read
        return [0]


def _frames(source: Path | int) -> Iterator[Item]:
    """The frames of a film, and at last one without an image where it breaks off."""
    name = str(source) if isinstance(source, Path) else f"camera{source}"
    number = 0
    try:
        for frame in frames(source):
            number = frame.number + 1
            mark = f"#{number - 1:06d}"
            yield Item(f"{name}{mark}", frame.pixels, seconds=frame.seconds, rate=frame.rate)
    except NoFrames as error:
        mark = f"#{number:06d}" if number else ""
        yield Item(f"{name}{mark}", None, error=str(error).removeprefix(f"{name} "))


def _has_opencv() -> bool:
    try:
        library("")
    except MissingOpenCV:
        return False
    return True
