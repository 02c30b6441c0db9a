"""Pages and frames of a file of several images, and the blocks of a large one."""

from __future__ import annotations

from ...errors import UnreadableImage
from .bands import band_facts
from .file_types import Source
from .headers import ceiling, orientation_of
from .images import opened
from .tiff import Blocks, blocks

_SUBFILE, _REDUCED, _MASK = 254, 1, 4  # TIFF 6.0, section 8: NewSubfileType


def full_pages(source: Source) -> list[int]:
    """Indices, from 0, of the images in a TIFF that are not smaller copies or masks of others.

    [0] for files of other formats, of which the first image is taken.

    Raises:
        UnreadableImage: If the header cannot be read.
    """
    return _pages(source, animated=False)


def frame_pages(source: Source) -> list[int]:
    """As `full_pages`, and all frames of an animation. A second image in a JPEG is a preview, no frame.

    Raises:
        UnreadableImage: If the header cannot be read.
    """
    return _pages(source, animated=True)


def _pages(source: Source, animated: bool) -> list[int]:
    try:
        with opened(source, judge=False) as (image, kind, _):
            if kind != "tiff":
                frames = int(getattr(image, "n_frames", 1)) if animated and kind != "jpeg" else 1
                return list(range(frames))
            pages = []
            for page in range(int(image.n_frames)):
                image.seek(page)
                if not image.tag_v2.get(_SUBFILE, 0) & (_REDUCED | _MASK):
                    pages.append(page)
            return pages or [0]
    except UnreadableImage:
        if band_facts(source) is None:
            raise
        return [0]


def tiff_blocks(source: Source, page: int, least: int) -> Blocks | None:
    """Blocks of a page of a TIFF with at least this many pixels, each of which decodes to its part of the
    image. None for other files, and if pixels depend on the whole (rotated, scaled by its own extremes).

    Raises:
        UnreadableImage: As `probe`, but of any size.
    """
    with opened(source, page, judge=False) as (image, kind, _):
        width, height = image.size
        if kind != "tiff" or width * height < least or orientation_of(image, kind) != 1:
            return None
        if (image.mode == "F" or image.mode.startswith("I")) and ceiling(image, kind) is None:
            return None
        return blocks(image)
