"""Noise: numbers that are drawn and not read, (C,); the model is given (B, C), normal with deviation 1."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from sightline.core.dataset import Pixels
from sightline.core.inputs import InputSpec
from sightline.data.inputs._kind import WITHOUT_SIZE, InputKind, StoredShape
from sightline.errors import UsageError
from sightline.ops.resize_shape import ResizeMode

LATENT = 64
"""Numbers of one draw."""


class Draws:
    """Numbers that are drawn for each item: the same for the same item, in every epoch and every run.

    Args:
        numbers: Which items, by the seed of each.
        source: What the data hold besides, one item for each draw: images that a generator should learn to
            draw, from which `Task.recast` makes targets. None where there is nothing.
    """

    input = "noise"
    dtype = "float32"

    def __init__(self, numbers: Sequence[int], source: Pixels | None = None) -> None:
        self.numbers, self.source = [int(n) for n in numbers], source

    def __len__(self) -> int:
        return len(self.numbers)

    def read(self, i: int) -> np.ndarray:
        """(LATENT,) float32."""
        return np.random.default_rng(self.numbers[i]).standard_normal(LATENT, dtype=np.float32)

    def subset(self, indices: np.ndarray) -> Draws:
        """Some of the items."""
        source = None if self.source is None else self.source.subset(indices)
        return Draws([self.numbers[i] for i in indices], source)

    def digest(self, i: int) -> str:
        """Digest of the seed of item i."""
        return hashlib.blake2b(f"noise {self.numbers[i]}".encode(), digest_size=16).hexdigest()


class NoiseInput(InputKind):
    """Noise for each item of the data, whatever else they are."""

    name: ClassVar[str] = "noise"
    item: ClassVar[str] = "draw of noise"
    inputs: ClassVar[tuple[str, ...]] = ("noise",)
    idle: ClassVar[tuple[str, ...]] = WITHOUT_SIZE
    limits_side: ClassVar[bool] = False

    def pixels(self, pixels: Pixels) -> Pixels:
        """One draw for each item, which stays at hand as `Draws.source`."""
        return pixels if isinstance(pixels, Draws) else Draws(range(len(pixels)), pixels)

    def spec(self, stored: StoredShape, size: int | None, frames: int | None, stride: int) -> InputSpec:
        """No size."""
        del stored, size, frames, stride
        return InputSpec((), LATENT, self.name, names=self.inputs, dtype="float32")

    def view_shape(self, spec: InputSpec) -> tuple[int, ...]:
        """(C,)."""
        return (spec.channels,)

    def view(self, item: np.ndarray, spec: InputSpec, resize: ResizeMode) -> np.ndarray:
        """As drawn."""
        del spec, resize
        return item

    def planes(self, item: np.ndarray) -> np.ndarray:
        """The numbers in a square, for statistics: (1, S, S, 1)."""
        side = math.isqrt(len(item))
        return item[: side * side].reshape(1, side, side, 1)

    def stored_size(self, item: np.ndarray) -> tuple[int, ...]:
        """No size."""
        return ()

    def named(self, text: str) -> Sequence[tuple[str, np.ndarray]] | None:
        """As many draws as are asked for by their number ("16")."""
        draws = Draws(range(int(text))) if text.isdecimal() else None
        return None if draws is None else [("", draws.read(i)) for i in range(len(draws))]

    def of_array(self, value: Any) -> Sequence[np.ndarray]:
        """An array (C,), or several (N, C), of float32."""
        array = np.asarray(value)
        if array.dtype != np.float32 or array.ndim not in (1, 2) or array.shape[-1] != LATENT:
            raise UsageError(
                f"Noise is an array of float32, ({LATENT},) or (N, {LATENT}), or the number of draws (16). "
                f"Received {array.shape} of {array.dtype}."
            )
        return list(np.atleast_2d(array))


INPUT = NoiseInput()
