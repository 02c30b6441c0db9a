"""Baselines: the most frequent class at each pixel, color clusters, a threshold, a random forest."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from sklearn.cluster import MiniBatchKMeans
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import pairwise_distances_argmin
from sklearn.preprocessing import StandardScaler
from torch import Tensor
from torch.nn import functional as F

from sightline.core.targets.masks import IGNORE_INDEX, SemanticMasks
from sightline.core.task import Baseline
from sightline.models.weights import embedded

Images = NDArray[np.uint8]
Maps = Iterable[list[Tensor]]
State = Mapping[str, Tensor]
COLORS, PIXELS = 16, 60_000
"""Clusters of colours, and pixels that are learnt from."""
ROUNDS = 100
"""Rounds of the logistic regression at most."""
SIGMAS = (1.0, 2.0, 4.0)
"""Widths in pixels of the filters that the forest looks through."""


def baselines(classes: int) -> list[Baseline]:
    """The baselines of semantic segmentation.

    Args:
        classes: Number of classes K.
    """
    baselines_used = [
        Baseline(
            "place",
            "the commonest class at each place of the image",
            lambda _, target: _place(target),
            uses_images=False,
            answer=_everywhere,
        ),
        Baseline(
            "colors",
            f"k-means: {COLORS} colours, each with its commonest class",
            _colors,
            side=128,
            answer=_by_color,
        ),
        Baseline(
            "forest", "a random forest on each pixel's colour, place and filter responses", _forest, side=128
        ),
        Baseline(
            "frozen",
            f"logistic regression for each pixel on frozen maps of {embedded.DEFAULT}",
            _logistic,
            frozen=True,
            maps=True,
            side=320,
        ),
    ]
    if classes == 2:
        otsu = Baseline(
            "otsu",
            "one threshold of brightness for each image (Otsu 1979)",
            _otsu,
            side=256,
            answer=_by_threshold,
        )
        baselines_used.insert(1, otsu)
    return baselines_used


def _place(target: SemanticMasks) -> State:
    """Most frequent class of each pixel position; where none is known, of the whole image."""
    height, width = (int(v) for v in target.sizes.max(0).values) if len(target) else (1, 1)
    counts: dict[int, NDArray[np.int64]] = {}
    for i in range(len(target)):
        class_map = target.map(i)
        for k in np.unique(class_map[class_map != IGNORE_INDEX]).tolist():
            counts_of_class = counts.setdefault(k, np.zeros((height, width), dtype=np.int64))
            counts_of_class[: class_map.shape[0], : class_map.shape[1]] += class_map == k
    if not counts:
        counts[0] = np.ones((height, width), dtype=np.int64)
    classes = sorted(counts)
    stack = np.stack([counts[k] for k in classes])
    best = np.array(classes, dtype=np.uint8)[stack.argmax(0)]
    best[stack.sum(0) == 0] = classes[int(stack.sum((1, 2)).argmax())]
    return {"best": torch.from_numpy(best)}


def _everywhere(state: State, images: Any) -> SemanticMasks:
    """The same map for each image."""
    return SemanticMasks.of([state["best"]] * len(images))


def _labeled_pixels(target: SemanticMasks) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Image index and position of sampled pixels with a class: PIXELS over all images."""
    rng = np.random.default_rng(0)
    each = max(50, PIXELS // max(1, len(target)))
    for i in range(len(target)):
        where = np.flatnonzero(target.map(i).ravel() != IGNORE_INDEX)
        if len(where):
            yield i, rng.choice(where, min(each, len(where)), replace=False)


def _colors(images: Images, target: SemanticMasks) -> State:
    """k-means colors: each color of a palette gets its most frequent class in training."""
    chosen = list(_labeled_pixels(target))
    if not chosen:
        return _place(target)
    x = np.concatenate([_flat(images[i])[at] for i, at in chosen])
    y = np.concatenate([target.map(i).ravel()[at] for i, at in chosen])
    model = MiniBatchKMeans(min(COLORS, len(x)), random_state=0, n_init=3).fit(x)
    votes = np.zeros((model.n_clusters, IGNORE_INDEX), dtype=np.int64)
    np.add.at(votes, (model.labels_, y), 1)
    classes = torch.from_numpy(votes.argmax(1).astype(np.uint8))
    return {"centers": torch.from_numpy(model.cluster_centers_), "classes": classes}


def _by_color(state: State, images: Images) -> SemanticMasks:
    """Class of each pixel by its nearest color cluster."""
    if "centers" not in state:
        return _everywhere(state, images)
    centers, classes = state["centers"].numpy(), state["classes"].numpy()
    nearest = (pairwise_distances_argmin(_flat(image), centers) for image in images)
    return SemanticMasks.of(
        [classes[near].reshape(image.shape[:2]) for near, image in zip(nearest, images, strict=True)]
    )


def _flat(image: Images) -> NDArray[np.float32]:
    return image.reshape(-1, image.shape[2]).astype(np.float32)


def _otsu(images: Images, target: SemanticMasks) -> State:
    """Otsu's threshold of each image; whether bright pixels are class 1 or 0 is learned."""
    bright_is_one = sum(int(_agrees(_bright(p), target.map(i))) for i, p in enumerate(images)) >= 0
    return {"bright_is_one": torch.tensor(bright_is_one)}


def _by_threshold(state: State, images: Images) -> SemanticMasks:
    return SemanticMasks.of([(_bright(p) == bool(state["bright_is_one"])).astype(np.uint8) for p in images])


def _agrees(bright: NDArray[np.bool_], class_map: NDArray[np.uint8]) -> int:
    """Pixels where bright means class 1, less those where it does not."""
    valid = class_map != IGNORE_INDEX
    return int((valid & (bright == (class_map == 1))).sum()) * 2 - int(valid.sum())


def _bright(image: Images) -> NDArray[np.bool_]:
    """(H, W) bool: above Otsu's threshold of the gray levels.

    Source:
        Otsu, A Threshold Selection Method from Gray-Level Histograms, IEEE Trans. SMC 1979, equation 18.
    """
    gray = image.mean(2).astype(np.uint8)
    share = np.bincount(gray.ravel(), minlength=256) / gray.size
    omega, mu = share.cumsum(), (share * np.arange(256)).cumsum()
    with np.errstate(divide="ignore", invalid="ignore"):
        between = (mu[-1] * omega - mu) ** 2 / (omega * (1 - omega))
    return np.asarray(gray > int(np.nan_to_num(between).argmax()))


def _forest(images: Images, target: SemanticMasks) -> Callable[[Images], SemanticMasks]:
    """Random forest on filter responses of each pixel."""
    chosen = list(_labeled_pixels(target))
    if not chosen:
        return partial(_everywhere, _place(target))
    x = np.concatenate([_filtered(images[i])[at] for i, at in chosen])
    y = np.concatenate([target.map(i).ravel()[at] for i, at in chosen])
    model = RandomForestClassifier(40, max_depth=18, min_samples_leaf=5, random_state=0).fit(x, y)
    return lambda new: SemanticMasks.of(
        [model.predict(_filtered(p)).astype(np.uint8).reshape(p.shape[:2]) for p in new]
    )


def _logistic(maps: Maps, target: SemanticMasks) -> Callable[[Maps], SemanticMasks]:
    """Logistic regression on frozen feature maps at each pixel, by bilinear interpolation.

    What is linear may be interpolated afterwards: the scores are worked out in the maps' own grids.
    """
    chosen = dict(_labeled_pixels(target))
    x, y = [], []
    for i, levels in enumerate(maps):
        if i in chosen:
            class_map = target.map(i)
            x.append(_sampled(levels, chosen[i], class_map.shape))
            y.append(class_map.ravel()[chosen[i]])
    classes_present = np.unique(np.concatenate(y)) if y else np.zeros(1)
    labels, size = torch.from_numpy(classes_present.astype(np.uint8)), tuple(int(v) for v in target.sizes[0])
    if len(classes_present) < 2:
        return lambda new: SemanticMasks.of(labels.expand(size) for _ in new)
    scale = StandardScaler()
    model, scaled = LogisticRegression(C=0.1, max_iter=ROUNDS), scale.fit_transform(np.concatenate(x))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a baseline may stop as far as it has come
        model.fit(scaled, np.concatenate(y))
    weight, bias = (np.asarray(v, dtype=np.float64) for v in (model.coef_, model.intercept_))
    if len(classes_present) == 2:  # the scores of the first class are then 0
        weight, bias = (np.concatenate([np.zeros_like(v), v]) for v in (weight, bias))
    weight = weight / scale.scale_
    bias = bias - weight @ scale.mean_
    return lambda new: SemanticMasks.of(labels[_scores(m, weight, bias, size).argmax(0)] for m in new)


def _sampled(levels: list[Tensor], where: NDArray[np.int64], size: tuple[int, ...]) -> NDArray[np.float32]:
    """(n, D) features of one image at some pixels, by index."""
    rows, columns = np.divmod(where, size[1])
    places = np.stack([(2 * columns + 1) / size[1] - 1, (2 * rows + 1) / size[0] - 1], 1)
    grid = torch.from_numpy(places).float()[None, None]
    parts = [
        F.grid_sample(m[None].float(), grid, padding_mode="border", align_corners=False)[0, :, 0]
        for m in levels
    ]
    return torch.cat(parts).T.numpy()


def _scores(
    levels: list[Tensor], weight: NDArray[np.float64], bias: NDArray[np.float64], size: tuple[int, ...]
) -> Tensor:
    """(K, H, W) scores of one image."""
    parts = torch.split(torch.from_numpy(weight).float(), [len(m) for m in levels], 1)
    total = torch.from_numpy(bias).float()[:, None, None]
    for part, level in zip(parts, levels, strict=True):
        level_scores = torch.einsum("kd,dhw->khw", part, level.float())
        total = total + F.interpolate(level_scores[None], size=size, mode="bilinear", align_corners=False)[0]
    return total


def _filtered(image: Images) -> NDArray[np.float32]:
    """(H * W, F) pixel features: color, position, and at three scales mean, edge strength, curvature,
    spread.
    """
    height, width = image.shape[:2]
    gray = image.astype(np.float32).mean(2)
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    channels = [*image.astype(np.float32).transpose(2, 0, 1), rows / height, columns / width]
    for sigma in SIGMAS:
        mean = ndimage.gaussian_filter(gray, sigma)
        spread = np.sqrt(np.maximum(ndimage.gaussian_filter(gray**2, sigma) - mean**2, 0))
        edges = ndimage.gaussian_gradient_magnitude(gray, sigma)
        channels += [mean, edges, ndimage.gaussian_laplace(gray, sigma), spread]
    return np.stack(channels, 2).reshape(height * width, -1)
