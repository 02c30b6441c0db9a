"""Kinds of input: one file each, with INPUT, an instance of `_kind.InputKind`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from sightline.core.folder import Folder
from sightline.core.sample import IMAGE
from sightline.data.inputs._kind import displayed
from sightline.data.io.clips import ClipFiles
from sightline.data.io.items import ItemFiles, scaled_item
from sightline.data.io.levels import Span
from sightline.data.io.pixels import read_image
from sightline.errors import UnreadableImage, UsageError

if TYPE_CHECKING:
    from sightline.core.dataset import Dataset, Pixels
    from sightline.core.inputs import InputSpec
    from sightline.data.inputs._kind import InputKind
    from sightline.ops.resize_shape import ResizeMode

_IMAGE = re.compile(r"(?<![\w/.'\"\\-])image(s?)(?![\w/'\"\\-]|\.\w)")
INPUTS = Folder(__name__, "kind of input")


def input_kind(name: str) -> InputKind:
    """The kind of a name.

    Raises:
        UnknownName: If there is none; suggests the nearest.
    """
    kind: InputKind = INPUTS.load(name).INPUT
    return kind


def of_items(text: str, kind: str) -> str:
    """A sentence on images, as one on the items of a kind of input ("clips"). Names in quotes, options and
    paths stay as they are.

    Args:
        text: Says "image" and "images" of items.
        kind: Name of the kind of input.
    """
    item = input_kind(kind).item
    if item == IMAGE:
        return text
    text = re.sub(rf"\b([Aa])n {_IMAGE.pattern}", lambda m: f"{m[1]} {item}{m[2]}", text)
    return _IMAGE.sub(lambda m: f"{item}{m[1]}", text)


def view_item(pixels: Pixels, i: int, spec: InputSpec, resize: ResizeMode) -> np.ndarray:
    """What a model sees of item i: the one way from a data set to a network's input.

    Raises:
        UnreadableImage: If it cannot be decoded.
    """
    if spec.is_plain:
        height, width = spec.spatial_shape
        return read_image(pixels, i, (height, width), resize, spec.channels)
    return input_kind(spec.kind).view(item_frames(pixels, i, spec.frames), spec, resize)


def item_frames(pixels: Pixels, i: int, count: int | None) -> np.ndarray:
    """Item i, the channels last; of a clip on disk `count` frames, evenly spread in time.

    Raises:
        UnreadableImage: If it cannot be decoded.
    """
    return pixels.sample(i, count) if isinstance(pixels, ClipFiles) and count else pixels.read(i)


def shown(pixels: Pixels, i: int) -> np.ndarray:
    """Item i for people, (H, W, 3 or 1) uint8: an image as it is, of a clip or volume four planes. Of values
    of more than 8 bits percentiles 2 to 98 of the first three bands are shown, or of the first."""
    kind = getattr(pixels, "input", IMAGE)
    item = item_frames(pixels, i, input_kind(kind).shown_planes)
    if kind == IMAGE and item.dtype == np.uint8 and item.shape[2] in (1, 3):
        return item
    return displayed(input_kind(kind).as_image(item))


def finder(dataset: Dataset) -> Callable[[str], np.ndarray]:
    """A function from the id of an item to what people are shown of it; see `shown`."""
    where = {item: i for i, item in enumerate(dataset.ids)}
    return lambda item: shown(dataset.pixels, where[item])


def item_source(files: Pixels, spec: InputSpec, span: Span | None) -> Pixels:
    """Files as a model of this input takes them, whatever the type of their numbers."""
    pixels = input_kind(spec.kind).pixels(files)
    deep = spec.dtype != "uint8" and isinstance(pixels, ItemFiles) and pixels.dtype == spec.dtype
    return pixels.spanned(span) if deep and span is not None else pixels  # type: ignore[attr-defined]


def read_for(pixels: Pixels, spec: InputSpec) -> np.ndarray:
    """Item 0 of a source, if a model of this input takes such items.

    Raises:
        UnreadableImage: If it cannot be decoded, or has other bands or values of another type.
    """
    item, name = item_frames(pixels, 0, spec.frames), getattr(pixels, "path", lambda i: "the given array")(0)
    bands, colors = item.shape[-1], (1, 3)
    same = bands == spec.channels or (item.dtype == np.uint8 and bands in colors and spec.channels in colors)
    if not same or item.dtype != spec.dtype:
        text = f"has {bands} bands of {_bits(item.dtype)}; the model takes {spec.channels} bands of "
        raise UnreadableImage(name, "unsupported", text + _bits(np.dtype(spec.dtype)))
    return item


def _bits(dtype: np.dtype[Any]) -> str:
    return "8 bits" if dtype == np.uint8 else "more than 8 bits"


def in_memory(item: np.ndarray, spec: InputSpec, span: Span | None) -> np.ndarray:
    """An item in memory, of the type that the model takes.

    Raises:
        UsageError: If its values are of more than 8 bits, and the model's are not.
    """
    if spec.dtype == "uint8" and item.dtype != np.uint8:
        raise UsageError(f"The model takes values of 8 bits. Received an array of {item.dtype}.")
    return item if spec.dtype == "uint8" else scaled_item(item, span)
