"""Images in memory by their type; all other types are refused by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from sightline.data.io.images import PillowImage, decode, of_pillow
from sightline.data.io.levels import Span, on_white, scaled
from sightline.errors import UsageError

TAKEN = (
    "a path, folder, glob or number of a webcam; an array (H, W), (H, W, 1), (H, W, 3) in RGB or (H, W, 4) "
    "in RGBA, or several as (N, H, W, C), of uint8 or uint16; a torch tensor (C, H, W) or (N, C, H, W) of "
    "uint8; an image of Pillow; the bytes of an image file; or a list of these"
)


@dataclass(frozen=True, eq=False)
class Held:
    """An image in memory that is not decoded yet.

    Attributes:
        pixels: Gives (H, W, C) uint8, C being 3 (RGB) or 1, of the values of a span, where there is one and
            there are more than 8 bits; raises UnreadableImage if it is damaged.
        name: As results call it; "" for its number.
    """

    pixels: Callable[[Span | None], np.ndarray]
    name: str = ""


def images_of(value: Any) -> list[Held]:
    """The images in a value: one, or several of a batch.

    Files of the same content give the same pixels: numbers of 16 bits are scaled, transparency is laid on
    white, EXIF orientation is applied to what Pillow or bytes bring with them.

    Raises:
        UsageError: If it is of a type or shape that is none of `TAKEN`.
    """
    if isinstance(value, bytes | bytearray | memoryview):
        content = bytes(value)
        return [Held(lambda span: decode(content, span=span))]
    if isinstance(value, PillowImage):
        return [Held(lambda span: of_pillow(value, span))]
    if isinstance(value, torch.Tensor):
        return [_array(tensor) for tensor in _of_tensor(value)]
    if isinstance(value, np.ndarray):
        _check(value)
        return [_array(tensor) for tensor in (value if value.ndim == 4 else value[None])]
    raise UsageError(f"An image cannot be of type {_type(value)}. Give {TAKEN}.")


def _of_tensor(value: torch.Tensor) -> np.ndarray:
    """(N, H, W, C) or (1, H, W) of a tensor with channels first."""
    received = f"a tensor {tuple(value.shape)} of {str(value.dtype).removeprefix('torch.')}"
    if value.dtype != torch.uint8:
        raise UsageError(
            f"A tensor of an image is uint8 with values 0 to 255. Received {received}. Give {TAKEN}."
        )
    if (
        value.ndim not in (2, 3, 4)
        or (value.ndim > 2 and value.shape[-3] not in (1, 3, 4))
        or not value.numel()
    ):
        raise UsageError(f"A tensor of an image is (C, H, W) with 1, 3 or 4 channels. Received {received}.")
    array = value.detach().cpu().numpy()
    if array.ndim == 2:
        return array[None]
    array = array if array.ndim == 4 else array[None]
    return array.transpose(0, 2, 3, 1)


def _check(value: np.ndarray) -> None:
    """Pass if an array is an image, or several."""
    received = f"an array {value.shape} of {value.dtype}"
    if value.dtype not in (np.uint8, np.uint16):
        ways = {
            "f": " Where 0 is black and 1 is white: (255 * x).round().astype('uint8').",
            "b": " Where True is white: 255 * x.astype('uint8').",
        }
        raise UsageError(
            f"An array of an image is uint8 or uint16. Received {received}.{ways.get(value.dtype.kind, '')} "
            f"Give {TAKEN}."
        )
    whole = value.ndim == 2 or (value.ndim in (3, 4) and value.shape[-1] in (1, 3, 4))
    if not whole or not value.size:
        first = value.ndim in (3, 4) and value.shape[-3] in (1, 3, 4) and value.size
        axes = {3: "1, 2, 0", 4: "0, 2, 3, 1"}.get(value.ndim, "")
        way = f" If its channels come first: x.transpose({axes})." if first else ""
        raise UsageError(
            f"An array of an image is (H, W), or (H, W, C) with 1, 3 or 4 channels. Received {received}.{way}"
        )


def _array(value: np.ndarray) -> Held:
    def pixels(span: Span | None) -> np.ndarray:
        array = value if value.ndim == 3 else value[..., None]
        if array.dtype != np.uint8:  # as decoders do it: grey is scaled, of colours the upper byte is taken
            gray = array.shape[2] == 1
            array = scaled(array[..., 0], 65535, span)[..., None] if gray else (array >> 8).astype(np.uint8)
        return on_white(array) if array.shape[2] == 4 else np.ascontiguousarray(array)

    return Held(pixels)


def _type(value: Any) -> str:
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
