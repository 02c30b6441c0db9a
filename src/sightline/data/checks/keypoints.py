"""Check of keypoints: outside the image or the box, left and right exchanged, repeated, missing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sightline.core.card import CheckCard
from sightline.core.dataset import Dataset
from sightline.core.report import Finding
from sightline.core.targets.keypoints import Keypoints
from sightline.data.parsing.findings import listed
from sightline.data.scan import Scan
from sightline.ops.mean_pose import exchanged

SLACK = 1.0  # pixels that a point may lie beyond the image: annotations are rounded
SAME = 0.01  # pixels between two points that lie at one place
REPEATED = 1.0  # pixels between the points of two objects that are one
OUTSIDE_BOX = 0.5  # share of the labeled points of an object outside of its box
USUAL = 0.9  # share of the objects that have the usual number of labeled points
CARD = CheckCard(
    name="keypoints",
    summary="Keypoints outside the image or their box, left and right exchanged, repeated or missing",
    findings=(
        "keypoints-outside",
        "keypoints-swapped",
        "keypoints-at-one-place",
        "duplicate-objects",
        "boxes-apart-from-keypoints",
        "objects-without-keypoints",
        "keypoints-never-labeled",
        "keypoint-counts-differ",
    ),
)


def run(dataset: Dataset, scan: Scan) -> list[Finding]:
    """Keypoints one by one, and how many an object has. Nothing where targets are others."""
    del scan
    targets = dataset.targets
    if not isinstance(targets, Keypoints) or not len(targets.labels):
        return []
    points = targets.points.numpy().astype(np.float64)
    labeled = targets.visibility.numpy() > 0
    return [
        *_outside(dataset, targets, points, labeled),
        *_swapped(dataset, targets, points, labeled),
        *_repeated(dataset, targets, points, labeled),
        *_boxes(dataset, targets, points, labeled),
        *_counts(dataset, targets, labeled),
    ]


def _outside(
    dataset: Dataset, targets: Keypoints, points: NDArray[np.float64], labeled: NDArray[np.bool_]
) -> list[Finding]:
    """Points beyond the image."""
    far = targets.sizes.numpy()[targets.image.numpy()][:, None, ::-1]
    beyond = labeled & ((points < -SLACK) | (points > far + SLACK)).any(2)
    rows, joints = np.nonzero(beyond)
    items = [
        f"{_name(dataset, targets, m)}: {targets.skeleton.names[j]} {points[m, j, 0]:g} {points[m, j, 1]:g}"
        for m, j in zip(rows.tolist(), joints.tolist(), strict=True)
    ]
    what = f"keypoints lie more than {SLACK:g} pixel outside their image; they are kept"
    fix = "Nothing, if the objects are cut by the edge and were labeled beyond it; else correct x and y."
    return listed("keypoints-outside", "warning", items, what, fix)


def _swapped(
    dataset: Dataset, targets: Keypoints, points: NDArray[np.float64], labeled: NDArray[np.bool_]
) -> list[Finding]:
    """Objects that look like the others once left and right are exchanged."""
    pairs, names = targets.skeleton.pairs, targets.skeleton.names
    items = [
        f"{_name(dataset, targets, m)}: {', '.join(f'{names[a]} - {names[b]}' for a, b in which)}"
        for m, which in exchanged(points, labeled, pairs or ())
    ]
    what = "objects are nearer to the mean pose once left and right are exchanged"
    fix = "Look at them, and exchange the points that are swapped."
    return listed("keypoints-swapped", "warning", items, what, fix)


def _repeated(
    dataset: Dataset, targets: Keypoints, points: NDArray[np.float64], labeled: NDArray[np.bool_]
) -> list[Finding]:
    """Two points of one object at one place, and two objects with the same points."""
    names, items = targets.skeleton.names, []
    for j in range(len(names)):
        for k in range(j + 1, len(names)):
            near = labeled[:, j] & labeled[:, k] & (np.abs(points[:, j] - points[:, k]) < SAME).all(1)
            items += [
                f"{_name(dataset, targets, m)}: {names[j]} and {names[k]}"
                for m in np.flatnonzero(near).tolist()
            ]
    what = "pairs of keypoints of one object lie at the same place"
    fix = "Look whether one of them was placed by a slip; a hidden point may be left unlabeled."
    again = []
    for rows in _by_image(targets):
        for n, m in enumerate(rows):
            others = [o for o in rows[:n] if _same(points[[m, o]], labeled[[m, o]])]
            again += [f"{_name(dataset, targets, m)}"] * bool(others)
    message = f"objects have the points of another in the same image, to {REPEATED:g} pixel"
    return [
        *listed("keypoints-at-one-place", "warning", items, what, fix),
        *listed("duplicate-objects", "warning", again, message, "Keep one of each."),
    ]


def _boxes(
    dataset: Dataset, targets: Keypoints, points: NDArray[np.float64], labeled: NDArray[np.bool_]
) -> list[Finding]:
    """Boxes that most points of their object lie outside of."""
    boxes = targets.boxes.numpy().astype(np.float64)[:, None]
    outside = labeled & ((points < boxes[..., :2] - SLACK) | (points > boxes[..., 2:] + SLACK)).any(2)
    apart = outside.sum(1) > OUTSIDE_BOX * np.maximum(labeled.sum(1), 1)
    items = [_name(dataset, targets, m) for m in np.flatnonzero(apart).tolist()]
    what = "objects have most of their keypoints outside of their box"
    fix = "Look whether box and points belong to one object, and are in the same unit."
    return listed("boxes-apart-from-keypoints", "warning", items, what, fix)


def _counts(dataset: Dataset, targets: Keypoints, labeled: NDArray[np.bool_]) -> list[Finding]:
    """How many points are labeled."""
    counts, names = labeled.sum(1), targets.skeleton.names
    bare = [_name(dataset, targets, m) for m in np.flatnonzero(counts == 0).tolist()]
    never = [names[j] for j in np.flatnonzero(~labeled.any(0)).tolist()]
    usual = int(np.bincount(counts).argmax())
    odd = np.flatnonzero((counts != usual) & (counts > 0)).tolist()
    some = [f"{_name(dataset, targets, m)} ({counts[m]})" for m in odd]
    few = some if (counts == usual).mean() >= USUAL else []
    what = (
        "objects have a box and no labeled keypoint; they teach where objects are, and nothing of keypoints"
    )
    fix = "Nothing, if their points cannot be told; else label them."
    return [
        *listed("objects-without-keypoints", "info", bare, what, fix),
        *listed("keypoints-never-labeled", "warning", never, "keypoints are labeled in no object",
                "Label them, or take them out of the skeleton."),
        *listed("keypoint-counts-differ", "info", few,
                f"objects have another number of labeled keypoints than the usual {usual}",
                "Nothing, if the others cannot be told; else label them."),
    ]  # fmt: skip


def _name(dataset: Dataset, targets: Keypoints, m: int) -> str:
    """Object m in words: its image and, of several there, its number."""
    image = int(targets.image[m])
    count = int(targets.counts[image])
    first = int(targets.counts[:image].sum())
    return dataset.ids[image] + (f" object {m - first + 1}" if count > 1 else "")


def _by_image(targets: Keypoints) -> Sequence[range]:
    """Objects of each image that has several."""
    ends = targets.counts.cumsum(0).tolist()
    return [range(end - n, end) for end, n in zip(ends, targets.counts.tolist(), strict=True) if n > 1]


def _same(points: NDArray[np.float64], labeled: NDArray[np.bool_]) -> bool:
    """Whether two objects, (2, J, 2) and (2, J), have the same labeled points."""
    both = labeled.all(0)
    return bool(
        both.any()
        and (labeled[0] == labeled[1]).all()
        and (np.abs(points[0, both] - points[1, both]) <= REPEATED).all()
    )
