"""Inputs of prediction: images, folders, globs, arrays, videos, webcams, streams."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from io import IOBase
from pathlib import Path
from typing import Any

from sightline.console import say
from sightline.core.inputs import InputSpec
from sightline.data.inputs import in_memory, input_kind, item_source
from sightline.data.io import video
from sightline.data.io.clip_frames import natural
from sightline.data.io.file_types import ALL_EXTENSIONS, EXTENSIONS
from sightline.data.io.levels import Cuts, Span, Watched
from sightline.data.io.pages import full_pages
from sightline.data.io.pixels import Arrays, Files, Pages
from sightline.data.io.video import Video
from sightline.data.io.walk import describe_skipped, files_below, globbed, home
from sightline.errors import DataError, MissingExtra, UnreadableImage, UsageError
from sightline.inference.arrays import Held, images_of
from sightline.inference.input_item import Answer, Input
from sightline.inference.windows import WindowOptions

__all__ = ["Answer", "Input", "Sources"]
QUEUE_BYTES = 2**27
"""Bytes of frames that one batch may hold."""


@dataclass(frozen=True)
class _Film:
    """A source of frames: a file, the number of a webcam, or an address as text."""

    source: Path | str


class Sources:
    """Inputs of a prediction: discovered at once, opened one after the other.

    Args:
        source: A file, folder, glob, number of a webcam or address; an image in memory (see `_in_memory`);
            or several.
        stream: Whether an http address is a video stream.
        span: Values of grey images of more than 8 bits that become 0 and 255.
        spec: What the model takes, where that is not images of 8 bits.
        windows: How films are cut into clips; None: each is one.

    Attributes:
        left_out: Files in folders that are left out for their ending, counted by it.
        hidden: Files and folders that are left out as hidden or foreign; see `data._walk.foreign`.
        root: The folder that all files lie in, or None.
        windows: How films are cut into clips, or None.
        cuts: Images that were read so far and hold values beyond the span.

    Raises:
        UsageError: If nothing is found, or the source is an address of something that is not fetched.
        MissingExtra: If a video is named and PyAV is not installed.
    """

    def __init__(
        self,
        source: Any,
        stream: bool = False,
        span: Span | None = None,
        spec: InputSpec | None = None,
        windows: WindowOptions | None = None,
    ) -> None:
        self._stream, self._span, self.cuts, self._spec = stream, span, Cuts(), spec
        self.windows = windows
        self.left_out: Counter[str] = Counter()
        self.hidden: list[Path] = []
        self.root: Path | None = None
        self._folders: set[Path] = set()
        self._items: list[Held | Path | _Film] = []
        many = isinstance(source, list | tuple | Iterator) and not isinstance(source, IOBase)
        several = list(source) if many else [source]
        for item in several:
            named = isinstance(item, str | os.PathLike | int) and not isinstance(item, bool)
            self._items.extend(self._named_items(str(item)) if named else self._held(item))
        if self._folders:
            self.root = Path(os.path.commonpath(self._folders))
        if not self._items:
            raise UsageError(f"There is nothing to predict in {', '.join(map(str, several)) or 'nothing'}.")
        self._say_left_out()

    @classmethod
    def for_model(
        cls,
        source: Any,
        settings: Mapping[str, Any],
        stream: bool = False,
        windows: WindowOptions | None = None,
    ) -> Sources:
        """What a model of these settings is to predict, read as its kind of input; one that says no size (a
        promptable one) takes images.

        Raises:
            UsageError: See the class; also if windows are asked for, and the model takes no clips.
        """
        spec = InputSpec.of(settings) if "size" in settings else None
        if windows is not None and (spec is None or spec.frames is None):
            what = (
                "images, and each frame of a film is one" if spec is None else f"items of kind '{spec.kind}'"
            )
            raise UsageError(f"--window cuts films into clips; this model takes {what}. Leave it out.")
        return cls(source, stream, settings.get("pixel_range"), spec, windows)

    @classmethod
    def of(cls, files: Iterable[Path], spec: InputSpec | None = None) -> Sources:
        """These files, found before; one that is not there any more is an input without an image."""
        sources = cls.__new__(cls)
        sources._stream, sources._span, sources.cuts, sources._spec = False, None, Cuts(), spec
        sources.windows = None
        sources.left_out, sources.hidden = Counter(), []
        sources.root, sources._folders = None, set()
        sources._items = [_Film(file) if video.is_film(file) else file for file in files]
        return sources

    @property
    def live(self) -> bool:
        """Whether a webcam or stream, which has no end, is among them."""
        return any(isinstance(item, _Film) and isinstance(item.source, str) for item in self._items)

    @property
    def item(self) -> str:
        """What one input is called: "image", also of a frame, or "clip" ..."""
        return "image" if self._spec is None else input_kind(self._spec.kind).item

    @property
    def films(self) -> bool:
        """Whether any source has frames that are predicted one by one."""
        return not self._of_kind and any(isinstance(item, _Film) for item in self._items)

    @property
    def files(self) -> list[Path]:
        """The images that are files."""
        return [item for item in self._items if isinstance(item, Path)]

    @property
    def all_files(self) -> list[Path]:
        """The images and videos that are files."""
        items = (item.source if isinstance(item, _Film) else item for item in self._items)
        return [item for item in items if isinstance(item, Path)]

    @property
    def sequences(self) -> int:
        """Videos, TIFFs of several pages and folders of images, which may each be a sequence of frames."""
        if self.windows is not None:
            return len(self._items)
        images = [item for item in self._items if not isinstance(item, _Film)]
        places = {_sequence_of(item) if isinstance(item, Path) else item.name for item in images}
        return len(places) + len(self._items) - len(images)

    def sort_frames(self) -> None:
        """Order the images as frames are numbered: folder by folder, and frame_2 before frame_10. Films
        follow, also those that lie between them.
        """
        others = [item for item in self._items if not isinstance(item, Path)]
        self._items = [*sorted(self.files, key=lambda f: (natural(f.parent), f.parent, natural(f))), *others]

    def name(self, file: Path) -> str:
        """Path of a file below `root`."""
        return _plain(file).relative_to(self.root).as_posix() if self.root else str(file)

    def __iter__(self) -> Iterator[Input]:
        for number, item in enumerate(self._items):
            if self._of_kind:
                yield from self._clips(self._item(number, item))
            elif isinstance(item, _Film):
                yield from self.frames(item.source)
            elif isinstance(item, Path):
                yield from self._pages(item)
            else:
                yield _in_memory(str(number), item, self._watched())

    @property
    def _of_kind(self) -> bool:
        """Whether items are read by their kind of input, each file whole, and not as images of 8 bits."""
        return self._spec is not None and not self._spec.is_plain

    def _clips(self, whole: Input) -> Iterator[Input]:
        """An item, or its windows."""
        if self.windows is None or self._spec is None:
            return iter([whole])
        return self.windows.cut(whole, self._spec.frames or 1)

    def _item(self, number: int, item: Held | Path | _Film) -> Input:
        """One file, or one array, of the model's kind of input."""
        assert self._spec is not None
        file = item.source if isinstance(item, _Film) else item
        if isinstance(file, str):
            raise UsageError(
                f"{file} has no end: the model takes a {self._spec.kind} for each item. Give files."
            )
        if isinstance(file, Held):
            array = file.pixels(self._span)
            name = file.name or str(number)
            return Input(name, name, Arrays(array[None], self._spec.kind))
        pixels = item_source(Files([file]), self._spec, self._span)
        return Input(str(file), self.name(file), pixels)

    def _named_items(self, name: str) -> Iterable[Held | Path | _Film]:
        """What a name stands for: files, or what the model's kind of input makes of it."""
        if self._spec is None or not self._of_kind:
            return self._found(name)
        kind, spec = input_kind(self._spec.kind), self._spec
        items = kind.named(name)
        if items is not None:
            return [Held(partial(in_memory, item, spec), title) for title, item in items]
        files, folder = self._found(name), Path(home(name))
        if folder.is_dir():
            clips = kind.items([Path(f.source) if isinstance(f, _Film) else f for f in files])
            if folder in clips:
                self._folders.add(_plain(folder).parent)
            return clips
        return [f for f in files if not isinstance(f, Path) or f == Path(name) or kind.is_item(f)]

    def _held(self, value: Any) -> list[Held]:
        """What is in memory, by the model's kind of input."""
        if self._spec is None or not self._of_kind:
            return images_of(value)
        spec = self._spec
        arrays = input_kind(spec.kind).of_array(value)
        return [Held(partial(in_memory, array, spec)) for array in arrays]

    def _watched(self) -> Watched | None:
        """The span, for one image."""
        return None if self._span is None else Watched(self._span, self.cuts)

    def say_cut(self) -> None:
        """Print how many images have clipped values, if any."""
        if self.cuts.images and self._span is not None:
            say(
                f"{self.cuts.images:,} images hold values from {self.cuts.least:g} to {self.cuts.most:g}, "
                f"which were cut to the range of the training, {self._span[0]:g} to {self._span[1]:g} "
                "(--pixel-range). Do not trust the model where these matter."
            )

    def batches(self, most: int) -> Iterator[list[Input]]:
        """Batches of up to `most`; fewer for large frames, and one for a live source, which must not wait."""
        batch: list[Input] = []
        held = 0
        for item in self:
            batch.append(item)
            held += item.held
            if len(batch) >= most or held >= QUEUE_BYTES or (item.film is not None and item.film.live):
                yield batch
                batch, held = [], 0
        if batch:
            yield batch

    def _pages(self, file: Path) -> Iterator[Input]:
        """An image, or each page of a TIFF that has several."""
        name = self.name(file)
        pages = _full_pages(file)
        if pages == [0]:
            yield Input(str(file), name, Files([file], self._watched()))
            return
        if len(pages) > 1:
            say(f"{file}: {len(pages)} pages, each of which is an image (training takes the first).")
        for page in pages:
            mark = f"#{page:06d}" if len(pages) > 1 else ""
            yield Input(f"{file}{mark}", f"{name}{mark}", Pages([(file, page)], self._watched()))

    def frames(self, source: Path | str) -> Iterator[Input]:
        """The frames of a video, and at last an input without an image if it is damaged."""
        name = self.name(source) if isinstance(source, Path) else ""
        number, film = 0, None
        try:
            with Video(source) as film:
                name = name or film.name
                for frame in film:
                    number, mark = frame.number + 1, f"#{frame.number:06d}"
                    pixels = Arrays(frame.pixels[None])
                    yield Input(f"{film.name}{mark}", f"{name}{mark}", pixels, film, frame.seconds)
                if film.live:
                    say(f"{film.name} ended after {film.decoded} frames.")
        except DataError as error:
            mark = f"#{number:06d}" if number else ""
            where = film.name if film is not None else str(source)
            message = str(error).removeprefix(f"{where} ")
            yield Input(f"{where}{mark}", f"{name}{mark}", Files([]), film, None, message)
        finally:
            if film is not None and film.dropped:
                say(f"{film.name}: {film.dropped} of {film.decoded} frames came too fast and were dropped.")

    def _found(self, source: str) -> Iterable[Path | _Film]:
        """Resolve one source, sorted; a named file is used whatever its name."""
        if "://" in source:
            return [_address(source, self._stream)]
        path = Path(home(source))
        if path.is_dir():
            return self._in_folder(path)
        if path.exists():
            return self._named([path])
        if source.isdigit():
            video.library()
            return [_Film(source)]
        skipped: list[Path] = []
        matches = globbed(str(path), skipped)
        self.hidden += skipped
        if not matches:
            others = f" {describe_skipped(skipped)}" if skipped else ""
            raise UsageError(
                f"{source}: there is no such file or folder, and as a glob it matches no file.{others}"
            )
        return self._named(matches)

    def _named(self, files: list[Path]) -> list[Path | _Film]:
        self._folders.update(_plain(file).parent for file in files)
        paths: list[Path | _Film] = [_Film(file) if video.is_film(file) else file for file in files]
        if any(isinstance(path, _Film) for path in paths):
            video.library()
        return paths

    def _in_folder(self, folder: Path) -> list[Path | _Film]:
        """Images and videos of a folder by their extension; the others are counted."""
        films = video.EXTENSIONS if _has_video() else frozenset[str]()
        paths: list[Path | _Film] = []
        skipped: list[Path] = []
        for path in files_below(folder, skipped):
            ending = path.suffix.lower()
            if ending in ALL_EXTENSIONS or ending in films:
                paths.append(_Film(path) if ending in films else path)
            else:
                self.left_out[ending or "no ending"] += 1
        self.hidden += skipped
        if not paths:
            others = f", only {self._listed()}" if self.left_out else ""
            raise UsageError(
                f"The folder {folder} has no images in it{others}. {describe_skipped(skipped)}".strip()
            )
        self._folders.add(_plain(folder))
        return paths

    def _listed(self) -> str:
        return ", ".join(f"{n} {ending}" for ending, n in self.left_out.most_common(5))

    def _say_left_out(self) -> None:
        if self.hidden:
            say(describe_skipped(self.hidden))
        if not self.left_out:
            return
        n = self.left_out.total()
        words = "1 file that is no image was" if n == 1 else f"{n} files that are no images were"
        say(f"{words} left out ({self._listed()}).")
        if any(e in video.EXTENSIONS for e in self.left_out):
            say("Videos among them can be read with the extra 'video': pip install 'sightline[video]'")


def _full_pages(file: Path) -> list[int]:
    try:
        return full_pages(file)
    except UnreadableImage:  # which is said when it is read
        return [0]


def _sequence_of(file: Path) -> Path:
    """What a file is frames of, as `Input.sequence`."""
    is_stack = file.suffix.lower() in EXTENSIONS["tiff"] and len(_full_pages(file)) > 1
    return file if is_stack else file.parent


def _plain(path: Path) -> Path:
    """The whole path without "..", so that names below a folder stay below it."""
    return Path(os.path.normpath(path.absolute()))


def _in_memory(name: str, item: Held, span: Span | None) -> Input:
    try:
        return Input(name, name, Arrays(item.pixels(span)[None]))
    except UnreadableImage as error:
        return Input(name, name, Files([]), error=error.detail)


def _address(source: str, stream: bool) -> _Film:
    """An address that a user has named as a video."""
    scheme = source.split("://")[0].lower()
    if scheme not in video.addresses():
        raise UsageError(f"{source} is an address. Nothing is fetched from the network: give a file.")
    if scheme.startswith("http") and not stream:
        raise UsageError(
            f"{source} is an address. No image is fetched from the network: give a file. "
            "If it is a video stream, say so with --allow-http."
        )
    video.library()
    return _Film(source)


def _has_video() -> bool:
    try:
        video.library()
    except MissingExtra:
        return False
    return True
