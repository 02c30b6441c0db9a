"""Frames of a film as image files: which is which by their numbers, and what to do where they are missing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from sightline.data.io.file_types import ALL_EXTENSIONS
from sightline.data.io.video_probe import EXTENSIONS as FILMS
from sightline.data.io.walk import files_in
from sightline.data.parsing.splits import name_of
from sightline.errors import DataError

_FOLDERS = ("images", "frames", "img1", "img")


def frames_by_number(folder: Path, wanted: Sequence[int]) -> dict[int, Path]:
    """Image of each frame, by the last number in the names of images in a folder, or in its `images`,
    `frames` or `img1`; a path that does not exist for a frame without one.

    Raises:
        DataError: If no frame has an image, or one has two.
    """
    places = [folder, *(folder / name for name in _FOLDERS)]
    images = [path for place in places for path in files_in(place, *ALL_EXTENSIONS)]
    by_number: dict[int, Path] = {}
    for path in images:
        if not (digits := re.findall(r"\d+", path.stem)):
            continue
        number = int(digits[-1])
        first = by_number.setdefault(number, path)
        if first != path and number in wanted:
            raise DataError(
                f"{folder}: two images have the number of frame {number}: {name_of(first, folder)} and "
                f"{name_of(path, folder)}. Keep the one that was annotated."
            )
    if not any(n in by_number for n in wanted):
        raise DataError(
            f"{folder}: there are no images of the frames {min(wanted)} to {max(wanted)}. Put them there, "
            f"with the number of the frame as name.{film_way(folder)}"
        )
    return {n: by_number.get(n, folder / f"frame {n}") for n in wanted}


def film_way(folder: Path) -> str:
    """How a film that lies in a folder is made to images, as a sentence; "" where there is none."""
    films = files_in(folder, *FILMS)
    name = films[0].name if films else ""
    return f" The film {name} is there: ffmpeg -i {name} -start_number 0 %06d.png writes its frames." * bool(
        name
    )
