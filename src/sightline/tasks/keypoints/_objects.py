"""The items of a model: crops with one object each (top-down), or whole images with all their objects."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from sightline.core.dataset import Dataset
from sightline.core.targets.keypoints import Keypoints
from sightline.data.loading.tiles import CROP_SCALE, TilePixels, object_crops
from sightline.errors import DataError

ORACLE = (
    "Boxes are given: each object is cut out by its annotated box, so the scores are those with an oracle of "
    "boxes, and the images that are counted are crops of one object each. With detected boxes the scores are "
    "lower."
)


def one_item_each(dataset: Dataset) -> Dataset:
    """A data set whose items are the objects of another: cut out of the image
    by its box; see `object_crops`. No pixel is changed. Points and boxes are in
    pixels of the crop. Objects of an image are a group, and stay in one part of a split.

    Crowds, objects without a labeled point and those whose box has no area in the image give no item; how
    many is said in `messages`.

    Raises:
        DataError: If no object is left, or the images have more than 8 bits.
    """
    if getattr(dataset.pixels, "dtype", "uint8") != "uint8":
        raise DataError(f"{dataset.name}: objects are cut out of images of 8 bits only. Convert the images.")
    targets = dataset.targets_as(Keypoints)
    keep, left_out = _usable(targets)
    if not keep.any():
        raise DataError(f"{dataset.name}: no object can be cut out ({left_out or 'there is none'}).")
    usable = targets.select(keep)
    tiles = object_crops(usable)
    sizes, owner = usable.sizes[tiles.owner], tiles.owner.numpy()
    single = usable.reassign_images(torch.arange(len(owner)), sizes).warp(tiles.places(), tiles.sizes)
    place = (torch.arange(len(keep)) - (targets.counts.cumsum(0) - targets.counts)[targets.image])[keep]
    ids = [f"{dataset.ids[i]}@{k + 1}" for i, k in zip(owner.tolist(), place.tolist(), strict=True)]
    names = np.array(dataset.ids, dtype=object) if dataset.groups is None else dataset.groups
    shown = len(np.unique(owner))
    message = f"{len(owner)} objects are cut out of {shown} images, by their boxes x {CROP_SCALE:g}."
    message += " (--model yolo-n reads whole images, and finds their objects itself.)"
    if shown < len(dataset):
        message += f" {len(dataset) - shown} images give none."
    message += f" Left out: {left_out}." if left_out else ""
    further = {**dataset.of_items(owner), "groups": names[owner]}
    return replace(
        dataset,
        ids=ids,
        pixels=TilePixels(dataset.pixels, tiles),
        targets=single,
        splits=dataset.splits[owner],
        recast={**dataset.recast, "items": "objects"},
        messages=(*dataset.messages, message),
        **further,
    )


def whole_images(dataset: Dataset) -> Dataset:
    """The same items for a model that reads whole images with all their objects.

    Objects with labeled points whose box has no area in the image count as crowds, a little box around them:
    a model cannot learn them, but nor are they background. How many is said in `messages`.
    """
    targets, recast = dataset.targets_as(Keypoints), {**dataset.recast, "whole": True}
    crowd = torch.zeros(len(targets.labels), dtype=torch.bool) if targets.crowd is None else targets.crowd
    flat = ~crowd & (targets.visibility > 0).any(1) & (_sides_inside(targets) <= 0).any(1)
    if not flat.any():
        return replace(dataset, recast=recast)
    middle = (targets.boxes[:, :2] + targets.boxes[:, 2:]) / 2
    around = torch.where(flat[:, None], torch.cat([middle - 1, middle + 1], 1), targets.boxes)
    message = (
        f"{int(flat.sum())} objects whose box has no area in the image are neither learned nor scored, like "
        "crowds."
    )
    targets = replace(targets, boxes=around, crowd=crowd | flat)
    return replace(dataset, targets=targets, recast=recast, messages=(*dataset.messages, message))


def _sides_inside(targets: Keypoints) -> Tensor:
    """(M, 2) width and height of what is inside the image of each box; not above 0 where nothing is."""
    far = targets.sizes[targets.image].flip(1)
    return torch.minimum(targets.boxes[:, 2:], far) - targets.boxes[:, :2].clamp(min=0)


def _usable(targets: Keypoints) -> tuple[Tensor, str]:
    """(M,) bool: objects that can be cut out and scored; and the others in words."""
    crowd = torch.zeros(len(targets.labels), dtype=torch.bool) if targets.crowd is None else targets.crowd
    bare = ~crowd & ~(targets.visibility > 0).any(1)
    flat = ~crowd & ~bare & (_sides_inside(targets) <= 0).any(1)
    reasons = {"crowds": crowd, "objects without a labeled point": bare,
               "objects whose box has no area in the image": flat}  # fmt: skip
    words = [f"{int(mask.sum())} {what}" for what, mask in reasons.items() if mask.any()]
    return ~(crowd | bare | flat), ", ".join(words)
