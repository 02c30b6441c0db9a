"""Corruptions of images: 15 kinds at five levels, and changes of geometry.

The kinds and their names are those of Hendrycks & Dietterich, Benchmarking neural network robustness to
common corruptions and perturbations, ICLR 2019. The strengths are scaled with the side of the image, and
frost is drawn, so that figures do not compare with those of ImageNet-C. Each image has random numbers of its
own, by seed and id.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
from scipy import ndimage

from sightline.data.io.encode import encode_jpeg
from sightline.data.io.images import decode

Array = np.ndarray
Corruption = Callable[[Array, int, np.random.Generator], Array]
LEVELS = 5


def corrupt(image: Array, kind: str, level: int, id: str, seed: int) -> Array:
    """An image (H, W, C) uint8 under a corruption.

    Args:
        image: The image; it is not changed.
        kind: Name in `KINDS`.
        level: 1 (hardly visible) to 5.
        id: Of the image; with the seed it decides all draws.
        seed: Of the audit.

    Returns:
        (H, W, C) uint8.
    """
    entropy = hashlib.blake2b(f"{kind}\0{level}\0{id}".encode(), digest_size=8).digest()
    rng = np.random.default_rng([seed, int.from_bytes(entropy)])
    x = KINDS[kind](image.astype(np.float32) / 255, level - 1, rng)
    return np.asarray(np.rint(255 * np.clip(x, 0, 1)), dtype=np.uint8)


def _scale(x: Array) -> float:
    """Length of 1 pixel of an image of 224 pixels a side."""
    return float(max(x.shape[:2]) / 224)


def _gaussian_noise(x: Array, level: int, rng: np.random.Generator) -> Array:
    return x + rng.normal(0, (0.04, 0.06, 0.08, 0.12, 0.18)[level], x.shape)


def _shot_noise(x: Array, level: int, rng: np.random.Generator) -> Array:
    photons = (500, 250, 100, 60, 30)[level]
    return rng.poisson(x * photons) / photons


def _impulse_noise(x: Array, level: int, rng: np.random.Generator) -> Array:
    amount = (0.01, 0.02, 0.05, 0.09, 0.15)[level]
    draw = rng.random(x.shape)
    return np.where(draw < amount / 2, 0, np.where(draw > 1 - amount / 2, 1, x))


def _defocus_blur(x: Array, level: int, rng: np.random.Generator) -> Array:
    del rng
    radius = max(0.6, (2, 3, 4, 6, 8)[level] * _scale(x))
    reach = int(np.ceil(radius))
    y, z = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    return _filtered(x, np.clip(radius + 0.5 - np.hypot(y, z), 0, 1))


def _glass_blur(x: Array, level: int, rng: np.random.Generator) -> Array:
    reach = max(1.0, (1, 1.5, 2, 3, 4)[level] * _scale(x))
    y, z = np.mgrid[: x.shape[0], : x.shape[1]].astype(np.float64)
    shift = rng.uniform(-reach, reach, (2, *x.shape[:2]))
    moved = _sampled(x, y + shift[0], z + shift[1], order=0)
    return np.asarray(ndimage.gaussian_filter(moved, (0.4 * reach, 0.4 * reach, 0)))


def _motion_blur(x: Array, level: int, rng: np.random.Generator) -> Array:
    length = max(2.0, (6, 9, 12, 16, 22)[level] * _scale(x))
    angle, reach = rng.uniform(0, np.pi), int(np.ceil(length / 2))
    kernel = np.zeros((2 * reach + 1,) * 2)
    for t in np.linspace(-length / 2, length / 2, 8 * reach + 1):
        kernel[round(reach + t * np.sin(angle)), round(reach + t * np.cos(angle))] += 1
    return _filtered(x, kernel)


def _zoom_blur(x: Array, level: int, rng: np.random.Generator) -> Array:
    del rng
    factors = np.linspace(1, (1.06, 1.11, 1.16, 1.21, 1.31)[level], 8)
    return np.asarray(np.mean([_zoomed(x, f) for f in factors], axis=0))


def _snow(x: Array, level: int, rng: np.random.Generator) -> Array:
    amount = (0.03, 0.05, 0.08, 0.1, 0.14)[level]
    flakes = (rng.random(x.shape[:2]) < amount).astype(np.float32)
    length = max(2, round(8 * _scale(x)))
    streaks = ndimage.uniform_filter1d(flakes, length, axis=0) * length / 2
    gray = x.mean(2, keepdims=True)
    whiter = np.maximum(x, 0.75 * gray + 0.35) * 0.3 + x * 0.7
    return np.asarray(whiter + np.clip(streaks, 0, 0.8)[..., None])


def _frost(x: Array, level: int, rng: np.random.Generator) -> Array:
    strength = (0.2, 0.3, 0.4, 0.5, 0.6)[level]
    ice = _plasma(x.shape[:2], rng, 0.9)
    crystals = np.clip(np.abs(np.diff(ice, axis=1, append=ice[:, -1:])) * 12, 0, 1)
    return np.asarray(
        (1 - strength) * x + strength * np.clip(0.5 * ice + 0.6 * crystals + 0.2, 0, 1)[..., None]
    )


def _fog(x: Array, level: int, rng: np.random.Generator) -> Array:
    amount, roughness = ((0.6, 1.9), (0.9, 1.9), (1.2, 1.7), (1.5, 1.5), (2, 1.4))[level]
    top = x.max()
    return np.asarray(
        (x + amount * _plasma(x.shape[:2], rng, roughness)[..., None]) * top / (top + amount + 1e-6)
    )


def _brightness(x: Array, level: int, rng: np.random.Generator) -> Array:
    del rng
    return x + (0.1, 0.2, 0.3, 0.4, 0.5)[level]


def _contrast(x: Array, level: int, rng: np.random.Generator) -> Array:
    del rng
    mean = x.mean((0, 1), keepdims=True)
    return np.asarray((x - mean) * (0.6, 0.5, 0.4, 0.3, 0.2)[level] + mean)


def _elastic_transform(x: Array, level: int, rng: np.random.Generator) -> Array:
    strength = (2, 3, 4, 6, 8)[level] * _scale(x)
    smooth = max(1.0, 8 * _scale(x))
    y, z = np.mgrid[: x.shape[0], : x.shape[1]].astype(np.float64)
    fields = [ndimage.gaussian_filter(rng.uniform(-1, 1, x.shape[:2]), smooth) for _ in range(2)]
    dy, dz = (f * strength / (f.std() * 2 + 1e-9) for f in fields)
    return _sampled(x, y + dy, z + dz)


def _pixelate(x: Array, level: int, rng: np.random.Generator) -> Array:
    del rng
    share = (0.6, 0.5, 0.4, 0.3, 0.25)[level]
    small = [max(1, round(side * share)) for side in x.shape[:2]]
    rows, columns = (np.arange(s) * n // s for s, n in zip(small, x.shape[:2], strict=True))
    less = np.add.reduceat(np.add.reduceat(x, rows, axis=0), columns, axis=1)
    heights, widths = np.diff(rows, append=x.shape[0]), np.diff(columns, append=x.shape[1])
    counts = heights[:, None, None] * widths[None, :, None]
    back = (np.arange(n) * s // n for s, n in zip(small, x.shape[:2], strict=True))
    return np.asarray((less / counts)[np.ix_(*back)])


def _jpeg_compression(x: Array, level: int, rng: np.random.Generator) -> Array:
    del rng
    image = np.rint(255 * np.clip(x, 0, 1)).astype(np.uint8)
    data = encode_jpeg(np.ascontiguousarray(image), (25, 18, 15, 10, 7)[level])
    return decode(data).astype(np.float32) / 255


KINDS: dict[str, Corruption] = {
    "gaussian-noise": _gaussian_noise,
    "shot-noise": _shot_noise,
    "impulse-noise": _impulse_noise,
    "defocus-blur": _defocus_blur,
    "glass-blur": _glass_blur,
    "motion-blur": _motion_blur,
    "zoom-blur": _zoom_blur,
    "snow": _snow,
    "frost": _frost,
    "fog": _fog,
    "brightness": _brightness,
    "contrast": _contrast,
    "elastic-transform": _elastic_transform,
    "pixelate": _pixelate,
    "jpeg-compression": _jpeg_compression,
}


def _filtered(x: Array, kernel: Array) -> Array:
    """Each channel under a kernel whose sum becomes 1."""
    weights = kernel / kernel.sum()
    return np.stack([ndimage.convolve(x[..., c], weights, mode="reflect") for c in range(x.shape[2])], 2)


def _sampled(x: Array, y: Array, z: Array, order: int = 1) -> Array:
    """Values at rows y and columns z."""
    planes = np.moveaxis(x, 2, 0)
    return np.stack([ndimage.map_coordinates(p, (y, z), order=order, mode="reflect") for p in planes], 2)


def _zoomed(x: Array, factor: float) -> Array:
    """Enlarged about the center; the size stays."""
    h, w = x.shape[:2]
    middle = np.array([(h - 1) / 2, (w - 1) / 2])[:, None, None]
    y, z = (np.mgrid[:h, :w] - middle) / factor + middle
    return _sampled(x, y, z)


def _plasma(shape: tuple[int, int], rng: np.random.Generator, roughness: float) -> Array:
    """(H, W) clouds in [0, 1]: noise whose spectrum falls with frequency to the power of -1 - roughness."""
    y, z = np.fft.fftfreq(shape[0])[:, None] * shape[0], np.fft.fftfreq(shape[1])[None] * shape[1]
    amplitude = np.maximum(np.hypot(y, z), 1) ** -(1 + roughness)
    clouds = np.fft.ifft2(np.fft.fft2(rng.normal(size=shape)) * amplitude).real
    return np.asarray((clouds - clouds.min()) / max(float(np.ptp(clouds)), 1e-9))
