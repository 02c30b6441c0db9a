"""Baselines: the mean pose, the pose of the nearest training image, and ridge regression on edges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from sklearn.cluster import KMeans
from sklearn.linear_model import RidgeCV
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from sightline.classical import linear
from sightline.classical.features import small_image_features
from sightline.core.skeleton import Skeleton
from sightline.core.targets.keypoints import VISIBLE, Keypoints
from sightline.core.task import Baseline

State = Mapping[str, Tensor]


def baselines(skeleton: Skeleton, several: bool = False) -> list[Baseline]:
    """The baselines of keypoints.

    Args:
        skeleton: What the points are.
        several: Whether an image may have several objects; else it has one, and there is a linear model.
    """
    mean = Baseline(
        "mean",
        "the mean pose at each of the usual places, as many as an image has objects"
        if several
        else "the mean place of each point in the training images",
        lambda _, target: _mean(target),
        uses_images=False,
        answer=lambda state, new: _objects(
            state, state["mean"].repeat(len(new), 1, 1), [len(state["mean"])] * len(new), skeleton
        ),
    )
    nearest = Baseline(
        "nearest",
        "the points of the nearest training image by its edges (HOG) and a thumbnail",
        _nearest,
        answer=lambda state, new: _objects(state, *_neighbors(state, new), skeleton),
    )
    regressed = Baseline(
        "linear",
        "ridge regression of the points on edges (HOG) and a thumbnail",
        _ridge,
        answer=lambda state, new: _objects(state, _regressed(state, new), [1] * len(new), skeleton),
    )
    return [mean, nearest] if several else [mean, nearest, regressed]


def _mean(target: Keypoints) -> State:
    """Mean place (K, J, 2) of each labeled point, in pixels; of one that is labeled nowhere the middle. K is
    the usual number of objects in an image; above 1 the objects are divided by k-means.
    """
    target = _single_objects(target)
    labeled = (target.visibility > 0).double()
    size = target.sizes[0] if len(target) else torch.tensor([1, 1])
    whole = _means(target.points, labeled, size)
    usual = len(target.labels) / max(int((target.counts > 0).sum()), 1)
    k = max(1, round(usual))
    if k == 1:
        return {"mean": whole[None], "size": size}
    filled = torch.where(labeled[:, :, None] > 0, target.points.double(), whole)
    group = torch.from_numpy(KMeans(k, n_init=1, random_state=0).fit_predict(filled.flatten(1).numpy()))
    parts = [_means(target.points[group == i], labeled[group == i], size) for i in range(k)]
    return {"mean": torch.stack(parts), "size": size}


def _means(points: Tensor, labeled: Tensor, size: Tensor) -> Tensor:
    """(J, 2) mean of points (M, J, 2) by weights (M, J); the middle of the image where all are 0."""
    total, counts = (points * labeled[:, :, None]).sum(0), labeled.sum(0)[:, None]
    return torch.where(counts > 0, total / counts.clamp(min=1), size.flip(0).double() / 2)


def _single_objects(target: Keypoints) -> Keypoints:
    """The objects that are no crowds."""
    return target if target.crowd is None else replace(target, crowd=None).select(~target.crowd)


def _filled(target: Keypoints) -> tuple[Tensor, Tensor, Tensor]:
    """(R, J, 2) points of the objects, the mean where they are not labeled; the (I,) images that have any,
    and how many each has.
    """
    target = _single_objects(target)
    labeled = (target.visibility > 0)[:, :, None]
    points = torch.where(labeled, target.points.double(), _mean(target)["mean"].mean(0))
    images = target.counts.nonzero().flatten()
    return points, images, target.counts[images]


def _nearest(images: Any, target: Keypoints) -> State:
    points, image, counts = _filled(target)
    features = torch.from_numpy(small_image_features(images[image.numpy()]))
    return {**_mean(target), "features": features, "points": points, "counts": counts}


def _neighbors(state: State, new: Any) -> tuple[Tensor, list[int]]:
    """The points of all objects of the nearest training images, and how many each has."""
    near = NearestNeighbors(n_neighbors=1).fit(state["features"].numpy())
    row = torch.from_numpy(near.kneighbors(small_image_features(new), return_distance=False)[:, 0])
    each = torch.tensor_split(state["points"], state["counts"].cumsum(0)[:-1].tolist())
    return torch.cat([each[i] for i in row.tolist()]), state["counts"][row].tolist()


def _ridge(images: Any, target: Keypoints) -> State:
    """Ridge regression on standardized features, with its penalty by leave-one-out."""
    points, image, _ = _filled(target)
    scaler, machine = StandardScaler(), RidgeCV(np.logspace(0, 5, 11))
    features = small_image_features(images[image.numpy()])
    machine.fit(scaler.fit_transform(features), points.flatten(1).numpy())
    return {**_mean(target), **linear.scaled_state(scaler, machine)}


def _regressed(state: State, new: Any) -> Tensor:
    values = torch.as_tensor(linear.ridge(state, small_image_features(new)))
    return values.reshape(len(new), -1, 2)


def _objects(state: State, points: Tensor, counts: list[int], skeleton: Skeleton) -> Keypoints:
    """Objects with points (R, J, 2), so many in each image."""
    visibility = torch.full(points.shape[:2], VISIBLE)
    sizes = state["size"].repeat(len(counts), 1)
    objects = Keypoints.of(sizes, torch.tensor(counts), points.float(), visibility, skeleton)
    return replace(objects, scores=torch.ones(len(points)), point_scores=torch.ones(points.shape[:2]))
