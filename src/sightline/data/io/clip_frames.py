"""Frames of a clip by number, and when they are shown: films, animations, arrays, TIFF of several pages,
folders of frames, or the bytes of one file. No torch.

Only the frames that are asked for are decoded, so that an hour of film costs no more memory than a second.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from ...errors import UnreadableImage
from .animations import animation_seconds, each_animation_frame
from .file_types import ALL_EXTENSIONS, ARRAY_EXTENSIONS, EXTENSIONS, Source, name_of, what_is
from .films import each_film_frame, film_index
from .images import decode, max_pixels
from .numpy_files import array_facts, is_array_file, read_array_stack
from .pages import frame_pages
from .video_probe import EXTENSIONS as FILM_EXTENSIONS
from .walk import files_in

STILLS = frozenset(ALL_EXTENSIONS) - {".gif", *ARRAY_EXTENSIONS}
"""Endings of the frames of a folder."""
ANIMATED = frozenset({".gif", ".webp", ".png", ".apng", ".tif", ".tiff"})
"""Endings of images that may hold several frames."""
FRAME_RATE = 25.0
"""Frames a second where a folder of frames or an array does not say."""
MAX_LOST = 0.2
"""Share of frames that cannot be decoded, above which a clip is refused."""


def shown_at(seconds: np.ndarray, times: np.ndarray) -> np.ndarray:
    """(W,) index of the frame that is shown at each time, or half a usual frame later: at a constant rate the
    nearest one."""
    usual = float(np.median(np.diff(seconds))) if len(seconds) > 1 else 0.0
    return (np.searchsorted(seconds, times + usual / 2 + 1e-9, side="right") - 1).clip(0, len(seconds) - 1)


def nearest(values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """(W,) index of the nearest of some rising values for each wanted one; the earlier of two alike."""
    right = np.searchsorted(values, wanted).clip(1, max(len(values) - 1, 1))
    left = right - 1
    right = np.minimum(right, len(values) - 1)
    return np.where(wanted - values[left] <= values[right] - wanted, left, right)


def sampled_at(seconds: np.ndarray, count: int) -> np.ndarray:
    """(count,) indices of frames that are evenly spread in time; a short clip repeats some."""
    return shown_at(seconds, np.linspace(seconds[0], seconds[-1], count))


def clip_view(item: np.ndarray, count: int, sized: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """(count, ...) frames, evenly spread over an item (T, H, W, C), each as `sized` makes it."""
    where = _spread(len(item), count)
    frames = {i: sized(item[i]) for i in set(where.tolist())}
    return np.stack([frames[i] for i in where.tolist()])


def clip_strip(item: np.ndarray, most: int) -> np.ndarray:
    """(H, n W, C) up to `most` frames, evenly spread over an item (T, H, W, C), side by side."""
    return np.concatenate(list(item[_spread(len(item), min(most, len(item)))]), axis=1)


def _spread(length: int, count: int) -> np.ndarray:
    """(count,) indices that are evenly spread over a length."""
    return np.linspace(0, length - 1, count).round().astype(int)


def clip_seconds(source: Source) -> np.ndarray:
    """(T,) when each frame of a clip is shown, in seconds from the first.

    Raises:
        UnreadableImage: If it cannot be read, or has no frame.
    """
    if isinstance(source, bytes):
        return _read_seconds(source)
    try:
        changed = source.stat().st_mtime_ns
    except OSError as error:
        text = f"cannot be opened ({error.strerror or error})"
        raise UnreadableImage(source, "unreadable", text) from error
    return _seconds(str(source), changed)


def decoded_frames(source: Source, wanted: np.ndarray, strict: bool) -> tuple[np.ndarray, float]:
    """Frames of a clip by number, the nearest good one for each that cannot be decoded.

    Args:
        source: A film, animation, array, TIFF or folder of frames; or the bytes of one that is a file.
        wanted: (W,) numbers of frames, from 0.
        strict: Whether a clip of which more than `MAX_LOST` cannot be decoded is refused.

    Returns:
        (W, H, W, C) as stored, and the share of the wanted frames that cannot be decoded.

    Raises:
        UnreadableImage: If none can be decoded, or too few and `strict`, or they differ in size.
    """
    return nearest_good(source, clip_frames(source, sorted({int(n) for n in wanted})), wanted, strict)


def nearest_good(
    source: Source, frames: Mapping[int, np.ndarray], wanted: np.ndarray, strict: bool
) -> tuple[np.ndarray, float]:
    """`decoded_frames` of frames that have been decoded, by number; there may be others among them."""
    numbers = {int(n) for n in wanted}
    good = np.array(sorted(numbers & frames.keys()), dtype=np.int64)
    lost = 1 - len(good) / len(numbers)
    if not len(good) or (strict and lost > MAX_LOST):
        what = f"is damaged: {lost:.0%} of its frames cannot be decoded"
        raise UnreadableImage(name_of(source), "unreadable", what)
    chosen = good[nearest(good, wanted)]
    return np.stack(_alike(source, [frames[int(n)] for n in chosen])), lost


def cut_off(source: Source, strict: bool = False) -> str:
    """What is wrong with a film that ends before its header says, or "".

    Raises:
        UnreadableImage: If more than `MAX_LOST` of it is not there and `strict`.
    """
    if isinstance(source, Path) and source.is_dir():
        return ""
    if _ending(source) in ALL_EXTENSIONS or _ending(source) in ARRAY_EXTENSIONS:
        return ""
    index = film_index(source)
    if not index.missing:
        return ""
    total, end = len(index.pts) + index.missing, index.seconds[-1]
    what = f"is cut off: it ends after {len(index.pts)} of {total} frames, at {end:.2f} s"
    if strict and index.missing > MAX_LOST * total:
        raise UnreadableImage(name_of(source), "truncated", what)
    return what


def lost_in_words(lost: float) -> str:
    """Sentence on the share of frames for which others stand."""
    return f"{lost:.0%} of the frames cannot be decoded; the nearest good ones stand for them."


def clip_frames(source: Source, numbers: Sequence[int]) -> dict[int, np.ndarray]:
    """Some frames of a clip by number, (H, W, C) each; films lack those that cannot be decoded.

    Raises:
        UnreadableImage: If it cannot be read.
    """
    return dict(each_clip_frame(source, numbers))


def each_clip_frame(source: Source, numbers: Iterable[int]) -> Iterator[tuple[int, np.ndarray]]:
    """The same frames one after the other, each with its number, in rising order: each is decoded when it is
    asked for (an array is in memory as a whole)."""
    numbers = sorted(set(numbers))
    if isinstance(source, Path) and source.is_dir():
        yield from _good(frame_files(source), numbers)
        return
    ending = _ending(source)
    if ending in ARRAY_EXTENSIONS:
        stack = read_array_stack(source, max_pixels())
        yield from ((n, stack[n]) for n in numbers)
    elif ending in EXTENSIONS["tiff"]:
        pages = frame_pages(source)
        yield from ((n, decode(source, page=pages[n])) for n in numbers)
    else:
        each = each_animation_frame if ending in ALL_EXTENSIONS else each_film_frame
        yield from each(source, numbers)


def frame_files(folder: Path) -> list[Path]:
    """The still images that lie in a folder, in natural order: frame_2 before frame_10."""
    return sorted(files_in(folder, *STILLS), key=natural)


def natural(path: Path) -> list[list[tuple[int, int | str]]]:
    """Sorting key by which numbers within names, also those of folders, count as numbers."""
    split = ([part for part in re.split(r"(\d+)", name.lower()) if part] for name in path.parts)
    return [[(0, int(part)) if part.isdecimal() else (1, part) for part in parts] for parts in split]


def is_clip(path: Path) -> bool:
    """Whether a file is a clip by its ending: a film, an array, or an image that holds several frames."""
    ending = path.suffix.lower()
    if ending in ANIMATED - {".gif"}:
        try:
            return len(frame_pages(path)) > 1
        except UnreadableImage:
            return False
    return ending in FILM_EXTENSIONS or ending in ARRAY_EXTENSIONS or ending == ".gif"


def clips_of(files: Iterable[Path]) -> list[Path]:
    """Clips that the files of a folder are, in their order: films and animations by themselves, and the
    folders that still images lie in."""
    return list(dict.fromkeys(file if is_clip(file) else file.parent for file in files))


@lru_cache(maxsize=8192)
def _seconds(name: str, changed: int) -> np.ndarray:
    del changed
    return _read_seconds(Path(name))


def _read_seconds(source: Source) -> np.ndarray:
    ending = _ending(source)
    if isinstance(source, Path) and source.is_dir():
        count = len(frame_files(source))
    elif ending in ARRAY_EXTENSIONS:
        count = array_facts(source).shape[0]
    elif ending in EXTENSIONS["tiff"]:
        count = len(frame_pages(source))
    elif ending in ALL_EXTENSIONS:
        return animation_seconds(source)
    else:
        return film_index(source).seconds
    if not count:
        raise UnreadableImage(name_of(source), "empty", "has no frame")
    return np.arange(count) / FRAME_RATE


def _ending(source: Source) -> str:
    """Ending of a file; of bytes the one for their content, "" where that is neither image nor array."""
    if isinstance(source, Path):
        return source.suffix.lower()
    if is_array_file(source[:8]):
        return ARRAY_EXTENSIONS[0]
    kind, _ = what_is(source[:512])
    return EXTENSIONS[kind][0] if kind else ""


def _good(files: Sequence[Path], numbers: Iterable[int]) -> Iterator[tuple[int, np.ndarray]]:
    """The frames of a folder that can be decoded."""
    for n in numbers:
        try:
            yield n, decode(files[n])
        except UnreadableImage:
            continue


def _alike(source: Source, frames: list[np.ndarray]) -> list[np.ndarray]:
    """Frames of one shape: gray ones among those in color become color.

    Raises:
        UnreadableImage: If they differ in size.
    """
    channels = max(frame.shape[-1] for frame in frames)
    if channels == 3:
        frames = [np.repeat(f, 3, -1) if f.shape[-1] == 1 else f for f in frames]
    if len({frame.shape for frame in frames}) > 1:
        sizes = ", ".join(sorted({f"{f.shape[1]} x {f.shape[0]}" for f in frames}))
        raise UnreadableImage(name_of(source), "unsupported", f"holds frames of different sizes ({sizes})")
    return frames
