"""InputSpec: what one input of a model is like, whatever its kind."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from sightline.core.sample import IMAGE

Dtype = Literal["uint8", "float32"]


@dataclass(frozen=True)
class InputSpec:
    """What a model takes, of one item. JSON-able.

    Attributes:
        spatial_shape: (height, width), or (depth, height, width); () where nothing is looked at (noise).
        channels: Colors or bands; of noise the numbers of one draw.
        kind: A file of `data/inputs/`: "image", "clip", "volume", "pair", "noise".
        frames: Of a clip, else None.
        spacing: Millimeters between voxels along each axis of `spatial_shape`, where it is known.
        names: Of the inputs, in the order in which `Model.forward` takes them.
        dtype: uint8 in [0, 255], or float32: values of more than 8 bits, scaled so that the range of the
            training data (or --pixel-range) is [0, 1].
    """

    spatial_shape: tuple[int, ...]
    channels: int
    kind: str = IMAGE
    frames: int | None = None
    spacing: tuple[float, ...] | None = None
    names: tuple[str, ...] = (IMAGE,)
    dtype: Dtype = "uint8"

    @property
    def shape(self) -> tuple[int, ...]:
        """(channels, [frames,] *spatial_shape): what follows the batch in each input's tensor."""
        frames = () if self.frames is None else (self.frames,)
        return (self.channels, *frames, *self.spatial_shape)

    @property
    def cells(self) -> int:
        """Pixels or voxels of all inputs of one item, at least 1."""
        return math.prod(self.shape[1:]) * len(self.names)

    @property
    def is_plain(self) -> bool:
        """Whether it is an image of 8 bits, grey or in colors."""
        return self.kind == IMAGE and self.dtype == "uint8" and self.channels in (1, 3)

    def zeros(self, n: int) -> dict[str, Tensor]:
        """n items that hold nothing."""
        return {name: torch.zeros(n, *self.shape, dtype=self._dtype) for name in self.names}

    def noise(self, n: int, seed: int = 0) -> dict[str, Tensor]:
        """n items of noise, the same for the same seed."""
        rng = torch.Generator().manual_seed(seed)
        shape = (n, *self.shape)
        if self.dtype == "uint8":
            draws = [torch.randint(0, 256, shape, dtype=torch.uint8, generator=rng) for _ in self.names]
        else:
            draws = [torch.rand(shape, generator=rng) for _ in self.names]
        return dict(zip(self.names, draws, strict=True))

    def settings(self) -> dict[str, Any]:
        """What a model's settings say beyond `size` and `channels`; nothing for images of 8 bits."""
        usual = InputSpec(self.spatial_shape, self.channels)
        spec: dict[str, Any] = {
            "input": self.kind,
            "frames": self.frames,
            "spacing": self.spacing,
            "dtype": self.dtype,
        }
        if self.names != usual.names:
            spec["inputs"] = list(self.names)
        return {} if self == usual else spec

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> InputSpec:
        """What a model's settings say; those of older runs are of images of 8 bits."""
        spacing = settings.get("spacing")
        return cls(
            tuple(int(side) for side in settings["size"]),
            int(settings["channels"]),
            settings.get("input", IMAGE),
            settings.get("frames"),
            None if spacing is None else tuple(spacing),
            tuple(settings.get("inputs", (IMAGE,))),
            settings.get("dtype", "uint8"),
        )

    @property
    def _dtype(self) -> torch.dtype:
        return torch.uint8 if self.dtype == "uint8" else torch.float32


def batch_settings(settings: dict[str, Any], images: Tensor) -> dict[str, Any]:
    """Settings to read the outputs for a batch with: `size` is that of its images (B, C, H, W), which with
    `--resize rect` is not that of every batch."""
    return {**settings, "size": list(images.shape[2:])} if settings.get("resize") == "rect" else settings
