"""Writing of COCO files image by image, for data sets and predictions."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import binary_fill_holes

from sightline.core.dataset import Classes
from sightline.core.skeleton import Skeleton
from sightline.data.parsing.coco_keypoints import category_of
from sightline.data.parsing.writing import Object, shortest
from sightline.ops.contours import trace
from sightline.ops.rle import code, rle


class LabelFile:
    """One JSON file, written image by image: annotations immediately, the other lists on close.

    Args:
        path: The file; what is there is overwritten.
        classes: The class table.
        info: What its `info` says, or None: it has none.
        numbers: Ids of annotations; from 1 on.
        skeleton: That of all classes, where objects have keypoints.
    """

    def __init__(
        self,
        path: Path,
        classes: Classes,
        info: Mapping[str, str] | None = None,
        numbers: Iterator[int] | None = None,
        skeleton: Skeleton | None = None,
    ) -> None:
        self._classes, self._info, self._numbers = classes, info, numbers or itertools.count(1)
        self.skeleton = skeleton
        self._images: list[dict[str, Any]] = []
        self._between = "\n"
        self._stream = path.open("w", encoding="utf-8")
        self._stream.write('{"annotations": [')

    def write(self, number: int, name: str, size: tuple[int, int], objects: Sequence[Object]) -> None:
        """Write one image: id, file name, (height, width), and its objects."""
        self._images.append({"id": number, "file_name": name, "height": size[0], "width": size[1]})
        for thing in objects:
            entry = _annotation(thing, next(self._numbers), number, self._classes, size)
            self._stream.write(self._between + json.dumps(entry))
            self._between = ",\n"

    def close(self) -> None:
        """Write images and categories, and close the file."""
        points = {} if self.skeleton is None else category_of(self.skeleton)
        pairs = zip(self._classes.ids, self._classes.names, strict=True)
        categories = [{"id": i, "name": name, **points} for i, name in pairs]
        rest: dict[str, Any] = {"images": self._images, "categories": categories}
        if self._info is not None:
            rest["info"] = self._info
        with self._stream as stream:
            stream.write("\n], " + json.dumps(rest, ensure_ascii=False)[1:] + "\n")


def _annotation(
    thing: Object, number: int, image: int, classes: Classes, size: tuple[int, int]
) -> dict[str, Any]:
    """Entry of one object; `score` as in COCO results (cocodataset.org/#format-results)."""
    x1, y1, x2, y2 = thing.corners
    area = (x2 - x1) * (y2 - y1) if thing.mask is None else int((thing.mask[2] != 0).sum())
    entry = {
        "id": number,
        "image_id": image,
        "category_id": classes.ids[thing.label],
        "bbox": [x1, y1, x2 - x1, y2 - y1],
        "area": area if thing.area is None else thing.area,
        "iscrowd": int(thing.crowd),
    }
    if thing.mask is not None:
        entry["segmentation"] = _segmentation(thing, size)
    if thing.points is not None:
        entry["keypoints"] = [value for point in thing.points for value in point]
        entry["num_keypoints"] = sum(visibility > 0 for _, _, visibility in thing.points)
    if thing.score is not None:
        entry["score"] = shortest(thing.score)
    return entry


def _segmentation(thing: Object, size: tuple[int, int]) -> Any:
    """COCO segmentation of an object; for results it is RLE, as evaluators need it."""
    assert thing.mask is not None
    if thing.score is not None:
        return code(thing.mask, *size)
    x, y, crop = thing.mask
    if not thing.crowd and not (binary_fill_holes(crop) > crop).any():
        return [points.ravel().tolist() for points in trace(crop, x, y)]
    whole = np.zeros(size, dtype=np.uint8)
    whole[y : y + crop.shape[0], x : x + crop.shape[1]] = crop
    return {"size": list(size), "counts": rle(whole)}
