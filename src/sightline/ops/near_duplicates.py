"""Near-duplicate similarity of images, tolerant to small shifts, crops, mirroring and changes of light.

Images are compared as small gray thumbnails, in three steps. Each is finer and runs on fewer pairs.
`descriptors` (Fourier magnitudes under a window: a shift changes them little, mirroring not at all)
find candidates. `align` finds the best shift, scale and mirroring. `agreement` compares the aligned images.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import grid_sample

LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601
SIDE = 32  # of a thumbnail, in pixels
SCALES = (1.0, 0.95, 0.9)  # an image cut to 90 % of its sides is a near-duplicate
REACH = 4  # pixels of a thumbnail that a copy may be shifted by
NOISE = 4.0  # grey levels squared; what is flatter than this agrees with nothing
_ROWS = np.r_[0:6, -5:0]  # vertical frequencies, cycles an image
_COLUMNS = np.arange(6)
_VARIANTS = [(a, b, flip) for flip in (False, True) for a, b in ((0, 0), (1, 0), (2, 0), (0, 1), (0, 2))]


@lru_cache(maxsize=256)
def resampling(size: int, out: int) -> np.ndarray:
    """(out, size) float32 weights of a triangle filter that shrinks without aliasing, or enlarges."""
    scale = size / out
    reach = max(scale, 1.0)
    centers = (np.arange(out) + 0.5) * scale - 0.5
    weights = np.maximum(0.0, 1.0 - np.abs(np.arange(size)[None] - centers[:, None]) / reach)
    return np.asarray(weights / weights.sum(1, keepdims=True), dtype=np.float32)


def gray(images: np.ndarray) -> np.ndarray:
    """Convert to gray: (..., H, W, C), C 1 or 3, of any number type to (..., H, W) float32, in the same
    range.
    """
    if images.shape[-1] == 1:
        return np.asarray(images[..., 0], dtype=np.float32)
    return np.asarray(images.astype(np.float32) @ LUMA)


def thumbnails(grays: np.ndarray, side: int = SIDE) -> np.ndarray:
    """(..., H, W) float32 to (..., side, side) float32; the aspect ratio is not kept."""
    rows, columns = resampling(grays.shape[-2], side), resampling(grays.shape[-1], side)
    return np.asarray(rows @ (grays @ columns.T))


@lru_cache(maxsize=1)
def _transforms() -> tuple[list[tuple[Tensor, Tensor]], Tensor]:
    """Per scale the matrices (sample, window, transform) for rows and columns; and the window's spectrum."""
    center = np.arange(SIDE) - (SIDE - 1) / 2
    window = np.hanning(SIDE + 4)[2:-2]
    out = []
    for scale in SCALES:
        where = center * scale + (SIDE - 1) / 2
        sample = np.maximum(0, 1 - np.abs(np.arange(SIDE)[None] - where[:, None]))
        pair = []
        for frequencies in (_ROWS, _COLUMNS):
            wave = np.exp(-2j * np.pi * np.outer(frequencies, center) / SIDE) * window
            pair.append(torch.from_numpy((wave @ sample).astype(np.complex64)))
        out.append((pair[0], pair[1]))
    ones = torch.ones(SIDE, dtype=torch.complex64)
    flat = torch.outer(out[0][0] @ ones, out[0][1] @ ones)
    return out, flat


def spectra(thumbs: np.ndarray) -> Tensor:
    """Windowed Fourier spectra of thumbnails (low frequencies), at each of `SCALES`.

    Args:
        thumbs: (N, SIDE, SIDE), any number type.

    Returns:
        (N, len(SCALES), 11, 6) complex64: vertical frequencies 0..5, -5..-1, horizontal 0..5; without
        the mean, of norm 1 (frequencies that stand for two count as two).
    """
    matrices, flat = _transforms()
    x = torch.from_numpy(np.ascontiguousarray(thumbs, dtype=np.float32))
    twice = torch.where(torch.from_numpy(_COLUMNS) == 0, 1.0, 2.0**0.5)
    out = torch.empty(len(x), len(SCALES), len(_ROWS), len(_COLUMNS), dtype=torch.complex64)
    for s, (rows, columns) in enumerate(matrices):
        half = torch.complex(x @ columns.real.T, x @ columns.imag.T)  # (N, SIDE, 6)
        whole = (half.transpose(1, 2) @ rows.T).transpose(1, 2)
        whole = (whole - whole[:, :1, :1] / flat[0, 0] * flat) * twice
        out[:, s] = whole / (whole.abs().square().sum((1, 2), keepdim=True).sqrt() + 1e-3)
    return out


def descriptors(spectrum: Tensor) -> Tensor:
    """(N, 72) float32 unit vectors whose dot product is high for near-duplicates.

    They are square roots of Fourier magnitudes, so that no few frequencies dominate. Mirroring left to right
    swaps (u, v) and (-u, v); their sum and absolute difference do not change.

    Args:
        spectrum: What `spectra` gives.
    """
    size = spectrum[:, 0].abs().sqrt()
    up, down = size[:, :6], torch.cat([size[:, :1], size[:, 6:].flip(1)], 1)
    d = torch.stack([up + down, (up - down).abs()], 1).flatten(1)
    d = d - d.mean(1, keepdim=True)
    unit: Tensor = d / d.norm(dim=1, keepdim=True).clamp(min=1e-6)
    return unit


def neighbors(queries: Tensor, items: Tensor, k: int, skip: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """k nearest neighbors by dot product, for each query.

    Exact: takes the best k runs of `group` columns by their maximum, and the best k among those, which
    is several times as fast as sorting each row.

    Args:
        queries: (Q, D).
        items: (N, D).
        k: How many; fewer where there are fewer items.
        skip: (Q,) index of the item that a query is itself.

    Returns:
        Indices (Q, k) and dot products (Q, k), best first; -9 where there is nothing.
    """
    group = 64
    n, pad = len(items), -len(items) % group
    table = torch.cat([items, items.new_zeros(pad, items.shape[1])]).T.contiguous()
    k = min(k, n)
    found_i, found_v = [], []
    for start in range(0, len(queries), 256):
        dots = queries[start : start + 256] @ table
        b = len(dots)
        dots[:, n:] = -9
        if skip is not None:
            dots[torch.arange(b), skip[start : start + 256]] = -9
        runs = dots.view(b, -1, group)
        best = runs.amax(2).topk(min(k, runs.shape[1]), 1).indices
        few = torch.gather(runs, 1, best[:, :, None].expand(-1, -1, group)).flatten(1)
        value, at = few.topk(k, 1)
        index = torch.gather(best, 1, at // group) * group + at % group
        found_i.append(index.clamp(max=n - 1))  # of columns that only fill up a run
        found_v.append(value)
    return torch.cat(found_i), torch.cat(found_v)


@lru_cache(maxsize=2)
def _shifts(step: float) -> tuple[Tensor, Tensor]:
    """Grid of shifts (M, 2), and the (2*66, M) matrix that gives the correlation at each of them."""
    steps = np.arange(-REACH, REACH + step / 2, step)
    dy, dx = (x.ravel() for x in np.meshgrid(steps, steps, indexing="ij"))
    u, v = (x.ravel() for x in np.meshgrid(_ROWS, _COLUMNS, indexing="ij"))
    phase = 2 * np.pi * (np.outer(u, dy) + np.outer(v, dx)) / SIDE
    matrix = np.concatenate([np.cos(phase), -np.sin(phase)]).astype(np.float32)
    return torch.from_numpy(np.stack([dy, dx], 1).astype(np.float32)), torch.from_numpy(matrix)


def _correlation(a: Tensor, b: Tensor, variant: tuple[int, int, bool], matrix: Tensor) -> Tensor:
    """(P, M) correlation of pairs of spectra at each shift, for one choice of scales and mirroring."""
    first, second = a[:, variant[0]], b[:, variant[1]]
    if variant[2]:  # b mirrored: its (u, v) is the conjugate of (-u, v)
        product = first * second[:, torch.from_numpy(-np.arange(11) % 11)]
    else:
        product = first * second.conj()
    return torch.cat([product.real.flatten(1), product.imag.flatten(1)], 1) @ matrix


def align(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Registration of pairs of images: the shift, scales and mirroring with the highest correlation.

    Args:
        a: (P, S, 11, 6) spectra of the first of each pair.
        b: The same of the second.

    Returns:
        Correlation (P,); number of the variant (P,), see `_VARIANTS`; shift (P, 2) in pixels (y, x).
    """
    _, coarse = _shifts(1.0)
    best = torch.stack([_correlation(a, b, variant, coarse).amax(1) for variant in _VARIANTS], 1)
    which = best.argmax(1)
    grid, fine = _shifts(0.5)
    value, shift = torch.zeros(len(a)), torch.zeros(len(a), 2)
    for number, variant in enumerate(_VARIANTS):
        rows = torch.nonzero(which == number).flatten()
        if len(rows):
            top = _correlation(a[rows], b[rows], variant, fine).max(1)
            value[rows], shift[rows] = top.values, grid[top.indices]
    return value, which, shift


def _gauss(sigma: float) -> Tensor:
    """(SIDE, SIDE) matrix of a Gaussian blur along one axis."""
    far = np.arange(SIDE)[:, None] - np.arange(SIDE)
    weights = np.exp(-(far**2) / (2 * sigma**2))
    return torch.from_numpy((weights / weights.sum(1, keepdims=True)).astype(np.float32))


def _warp(x: Tensor, scale: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
    """Shift and scale images (P, SIDE, SIDE): the warped images, and a mask of their valid pixels."""
    axis = torch.arange(SIDE) - (SIDE - 1) / 2
    y = (axis[None] + shift[:, :1]) * scale[:, None]
    z = (axis[None] + shift[:, 1:]) * scale[:, None]
    grid = torch.stack([z[:, None].expand(-1, SIDE, -1), y[:, :, None].expand(-1, -1, SIDE)], 3) * (2 / SIDE)
    edge = (SIDE - 1) / 2 + 1e-3
    mask = (y.abs() <= edge)[:, :, None] & (z.abs() <= edge)[:, None]
    warped = grid_sample(x[:, None], grid, padding_mode="border", align_corners=False)[:, 0]
    return warped, mask.float()


def agreement(a: np.ndarray, b: np.ndarray, variant: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
    """Normalised cross-correlation of aligned images, over the part that both show.

    Args:
        a: (P, SIDE, SIDE) thumbnails, in [0, 255].
        b: The same of the others.
        variant: What `align` gave.
        shift: What `align` gave.

    Returns:
        (P,) of the whole, and (P,) of the detail alone: what a blur of 3 pixels takes away, so that two
        skies over two seas do not pass for the same image. In [-1, 1].
    """
    soft, blur = _gauss(0.7), _gauss(3.0)
    first, second = (torch.from_numpy(x.astype(np.float32)) for x in (a, b))
    scales = torch.tensor([[SCALES[p], SCALES[q]] for p, q, _ in _VARIANTS])[variant]
    mirrored = torch.tensor([flip for _, _, flip in _VARIANTS])[variant]
    second = torch.where(mirrored[:, None, None], second.flip(2), second)
    left, here = _warp(soft @ first @ soft.T, scales[:, 0], shift / 2)
    right, right_mask = _warp(soft @ second @ soft.T, scales[:, 1], -shift / 2)
    mask = here * right_mask
    n = mask.sum((1, 2), keepdim=True)
    left, right = ((x - (x * mask).sum((1, 2), keepdim=True) / n) * mask for x in (left, right))
    fine_one, fine_two = ((x - blur @ x @ blur.T) * mask for x in (left, right))
    return _ncc(left, right, n[:, 0, 0]), _ncc(fine_one, fine_two, n[:, 0, 0])


def _ncc(a: Tensor, b: Tensor, n: Tensor) -> Tensor:
    """(P,) normalized cross-correlation of a and b (P, SIDE, SIDE) over n valid pixels."""
    va, vb = (x.square().sum((1, 2)) / n + NOISE for x in (a, b))
    return (a * b).sum((1, 2)) / n / (va * vb).sqrt()
