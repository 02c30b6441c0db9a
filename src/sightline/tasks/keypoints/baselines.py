"""Baselines: the mean pose, the pose of the nearest training image, and ridge regression on edges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
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


def baselines(skeleton: Skeleton) -> list[Baseline]:
    """The baselines of keypoints, of one object in each image.

    Args:
        skeleton: What the points are.
    """
    return [
        Baseline(
            "mean",
            "the mean place of each point in the training images",
            lambda _, target: _mean(target),
            uses_images=False,
            answer=lambda state, new: _objects(state, state["mean"].repeat(len(new), 1, 1), skeleton),
        ),
        Baseline(
            "nearest",
            "the points of the nearest training image by its edges (HOG) and a thumbnail",
            _nearest,
            answer=lambda state, new: _objects(state, _neighbors(state, new), skeleton),
        ),
        Baseline(
            "linear",
            "ridge regression of the points on edges (HOG) and a thumbnail",
            _ridge,
            answer=lambda state, new: _objects(state, _regressed(state, new), skeleton),
        ),
    ]


def _mean(target: Keypoints) -> State:
    """Mean place (1, J, 2) of each labeled point, in pixels; of one that is labeled nowhere the middle."""
    labeled = (target.visibility > 0).double()
    total = (target.points * labeled[:, :, None]).sum(0, keepdim=True)
    size = target.sizes[0] if len(target) else torch.tensor([1, 1])
    counts = labeled.sum(0)[None, :, None]
    mean = torch.where(counts > 0, total / counts.clamp(min=1), size.flip(0).double() / 2)
    return {"mean": mean, "size": size}


def _filled(target: Keypoints) -> tuple[Tensor, Tensor]:
    """(R, J, 2) points of the first object of each image that has one, the mean where they are not labeled;
    and (R,) its image.
    """
    first = torch.ones_like(target.image, dtype=torch.bool)
    first[1:] = target.image[1:] != target.image[:-1]
    labeled = (target.visibility > 0)[:, :, None]
    points = torch.where(labeled, target.points.double(), _mean(target)["mean"])
    return points[first], target.image[first]


def _nearest(images: Any, target: Keypoints) -> State:
    points, image = _filled(target)
    features = small_image_features(images[image.numpy()])
    return {**_mean(target), "features": torch.from_numpy(features), "points": points}


def _neighbors(state: State, new: Any) -> Tensor:
    near = NearestNeighbors(n_neighbors=1).fit(state["features"].numpy())
    return state["points"][near.kneighbors(small_image_features(new), return_distance=False)[:, 0]]


def _ridge(images: Any, target: Keypoints) -> State:
    """Ridge regression on standardized features, with its penalty by leave-one-out."""
    points, image = _filled(target)
    scaler, machine = StandardScaler(), RidgeCV(np.logspace(0, 5, 11))
    features = small_image_features(images[image.numpy()])
    machine.fit(scaler.fit_transform(features), points.flatten(1).numpy())
    return {**_mean(target), **linear.scaled_state(scaler, machine)}


def _regressed(state: State, new: Any) -> Tensor:
    values = torch.as_tensor(linear.ridge(state, small_image_features(new)))
    return values.reshape(len(new), -1, 2)


def _objects(state: State, points: Tensor, skeleton: Skeleton) -> Keypoints:
    """One object for each image, with points (N, J, 2)."""
    n, visibility = len(points), torch.full(points.shape[:2], VISIBLE)
    sizes = state["size"].repeat(n, 1)
    counts = torch.ones(n, dtype=torch.int64)
    objects = Keypoints.of(sizes, counts, points.float(), visibility, skeleton)
    return replace(objects, scores=torch.ones(n), point_scores=torch.ones(points.shape[:2]))
