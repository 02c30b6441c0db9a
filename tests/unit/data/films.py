"""Small films, made with PyAV."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

SIDE = 20
HEIGHT, WIDTH = 96, 128


def still(x: int, seed: int = 0) -> np.ndarray:
    """A dark image with an orange square whose left edge is at x, 30 pixels from the top."""
    image = np.random.default_rng(seed).integers(0, 40, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    image[30 : 30 + SIDE, x : x + SIDE] = (250, 90, 10)
    return image


def film(path: Path, frames: int = 60, rotation: int | None = None, **options: str) -> Path:
    """A film of 25 frames a second; the square moves one pixel a frame. Skips where PyAV is missing."""
    av: Any = pytest.importorskip("av", reason="PyAV (extra 'video') is not installed")
    with av.open(str(path), "w", container_options=options) as container:
        codec = "libvpx-vp9" if path.suffix == ".webm" else "mpeg4"
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.bit_rate = 4_000_000
        if rotation is not None:
            stream.set_display_rotation(rotation)
        for i in range(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(still(i, i), format="rgb24")))
        container.mux(stream.encode(None))
    return path


def cut(path: Path, share: float = 0.5) -> Path:
    """The first part of a file, beside it."""
    whole = path.read_bytes()
    part = path.with_stem(f"{path.stem}-cut")
    part.write_bytes(whole[: int(len(whole) * share)])
    return part


def left(pixels: np.ndarray) -> int:
    """Where the square begins."""
    red = pixels[..., 0].astype(int) - pixels[..., 2] > 110
    return int(np.flatnonzero(red.sum(0) > SIDE // 2)[0])
