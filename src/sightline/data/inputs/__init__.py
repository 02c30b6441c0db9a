"""Kinds of input: one file each, with INPUT, an instance of `_kind.InputKind`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sightline.core.folder import Folder
from sightline.core.sample import IMAGE
from sightline.data.inputs._kind import cover, displayed
from sightline.data.io.items import ItemFiles, scaled_item
from sightline.data.io.levels import Span
from sightline.data.io.pixels import picture
from sightline.errors import UsageError

if TYPE_CHECKING:
    from sightline.core.dataset import Pixels
    from sightline.core.inputs import InputSpec
    from sightline.data.inputs._kind import InputKind
    from sightline.ops.fitting import Fit

INPUTS = Folder(__name__, "kind of input")


def input_kind(name: str) -> InputKind:
    """The kind of a name.

    Raises:
        UnknownName: If there is none; suggests the nearest.
    """
    kind: InputKind = INPUTS.load(name).INPUT
    return kind


def view_item(pixels: Pixels, i: int, spec: InputSpec, fit: Fit) -> np.ndarray:
    """What a model sees of item i: the one way from a data set to a network's input.

    Raises:
        UnreadableImage: If it cannot be decoded.
    """
    if spec.kind == IMAGE and spec.dtype == "uint8" and spec.channels in (1, 3):
        height, width = spec.spatial_shape
        return picture(pixels, i, (height, width), fit, spec.channels)
    return input_kind(spec.kind).view(pixels.read(i), spec, fit)


def shown(pixels: Pixels, i: int) -> np.ndarray:
    """Item i for people, (H, W, 3 or 1) uint8: an image as it is, of a clip or volume four planes. Of values
    of more than 8 bits percentiles 2 to 98 of the first three bands are shown, or of the first."""
    item, kind = pixels.read(i), getattr(pixels, "input", IMAGE)
    if kind == IMAGE and item.dtype == np.uint8 and item.shape[2] in (1, 3):
        return item
    return displayed(cover(input_kind(kind).planes(item)))


def item_source(files: Pixels, spec: InputSpec, span: Span | None) -> Pixels:
    """Files as a model of this input takes them, whatever the type of their numbers."""
    pixels = input_kind(spec.kind).pixels(files)
    return pixels.spanned(span) if span is not None and isinstance(pixels, ItemFiles) else pixels


def in_memory(item: np.ndarray, spec: InputSpec, span: Span | None) -> np.ndarray:
    """An item in memory, of the type that the model takes.

    Raises:
        UsageError: If its values are of more than 8 bits, and the model's are not.
    """
    if spec.dtype == "uint8" and item.dtype != np.uint8:
        raise UsageError(f"The model takes values of 8 bits. Received an array of {item.dtype}.")
    return item if spec.dtype == "uint8" else scaled_item(item, span)
