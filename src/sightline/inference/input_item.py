"""One input on its way to the model, and what came of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import torch

from sightline.core.dataset import Pixels
from sightline.core.inputs import InputSpec
from sightline.core.predictor import Outcome
from sightline.data.inputs import input_kind, read_for, shown
from sightline.data.io.images import probe
from sightline.data.io.pixels import Arrays, Files, Pages, read_image, windows
from sightline.data.io.video import Video
from sightline.data.loading.preprocess import resize_to_input
from sightline.data.loading.tiles import tile_windows
from sightline.errors import UnreadableImage

MARK = re.compile(r"#\d{6,}$")
"""Number of a frame or page, at the end of a name."""


@dataclass(frozen=True)
class Input:
    """One image on its way to the model, not yet decoded if it is a file.

    Attributes:
        id: Path; number of an array; "film.mp4#000123" for a frame, "stack.tif#000012" for a page.
        name: The same below the folder that all files lie in.
        pixels: Where it comes from: one image.
        film: The video that it is a frame of, or None.
        seconds: When the frame is shown, or None.
        error: Why there is no image, or "".
        part: First and last second of the window of a film that it is, or None.
    """

    id: str
    name: str
    pixels: Pixels
    film: Video | None = None
    seconds: float | None = None
    error: str = ""
    part: tuple[float, float] | None = None

    def seen(self, settings: dict[str, Any]) -> tuple[Iterator[np.ndarray], tuple[int, ...]]:
        """What a model sees of it, whole or tile by tile, and height and width of the stored image; of
        a volume depth, height and width.

        The image is opened at once, its tiles are read when they are asked for.

        Raises:
            UnreadableImage: If there is no image.
        """
        if self.error:
            raise UnreadableImage(self.id, "unreadable", self.error)
        spec = InputSpec.of(settings)
        if not spec.is_plain:
            kind, item = input_kind(spec.kind), read_for(self.pixels, spec)
            return iter([kind.view(item, spec, settings["resize"])]), kind.stored_size(item)
        assert isinstance(self.pixels, Files | Pages | Arrays)
        size, resize, channels = tuple(settings["size"]), settings["resize"], settings["channels"]
        span, pixels = settings.get("pixel_range"), self.pixels
        if span and not isinstance(pixels, Arrays) and pixels.span is None:
            pixels = pixels.spanned((span[0], span[1]))
        if settings.get("tile_size"):
            image = windows(pixels, 0)
            tiles = tile_windows(torch.tensor([image.size]), settings["tile_size"])
            parts = zip(tiles.corner.tolist(), tiles.sizes.tolist(), strict=True)
            return (
                resize_to_input(image.read(x, y, w, h), size, resize, channels) for (x, y), (h, w) in parts
            ), image.size
        if isinstance(pixels, Pages):
            page = pixels.read(0)
            return iter([resize_to_input(page, size, resize, channels)]), page.shape[:2]
        views = iter([read_image(pixels, 0, size, resize, channels)])
        if isinstance(pixels, Arrays):
            return views, pixels.array.shape[1:3]
        facts = probe(pixels.path(0))  # a JPEG may have been decoded at a fraction of its size
        return views, (facts.height, facts.width)

    def full(self) -> np.ndarray:
        """(H, W, C) uint8, as stored; scaled by the span that the model sees it by. Of a clip or volume, and
        of other bands, what stands for it; see `data.inputs.shown`."""
        return self.pixels.read(0) if isinstance(self.pixels, Files | Pages) else shown(self.pixels, 0)

    def file(self, ending: str) -> str:
        """Name of a file about it: that of the image with this ending instead; after it for a part."""
        part = MARK.search(self.name)
        return f"{self.name}{ending}" if part else str(PurePosixPath(self.name).with_suffix(ending))

    @property
    def sequence(self) -> Video | str:
        """What it is a frame of: a film, a file of several pages, or the folder of its file."""
        if self.film is not None:
            return self.film
        return MARK.sub("", self.id) if self._is_of_file else self.folder

    @property
    def sequence_name(self) -> str:
        """Name of the sequence below the folder that all files lie in; that of an address has no slashes."""
        if self.film is not None or self._is_of_file:
            name = MARK.sub("", self.name)
            return re.sub(r"[^\w.-]+", "-", name) if "://" in name else name
        folder = PurePosixPath(self.name).parent
        return str(folder) if folder.name else PurePosixPath(self.folder).name or "frames"

    @property
    def _is_of_file(self) -> bool:
        """Whether it is one of several pages, or of a film that cannot be opened."""
        is_page = isinstance(self.pixels, Pages) and MARK.search(self.id) is not None
        return is_page or bool(self.error and self.folder)

    @property
    def folder(self) -> str:
        """The folder of its file; "" in memory."""
        return str(PurePosixPath(self.id).parent) if "/" in self.id or self.id != self.name else ""

    @property
    def held(self) -> int:
        """Bytes that wait with it."""
        return self.pixels.array.nbytes if isinstance(self.pixels, Arrays) else 0


@dataclass(frozen=True)
class Answer:
    """What came of one image, and the image.

    Attributes:
        input: The image.
        outcome: Its prediction, or why there is none.
    """

    input: Input
    outcome: Outcome
