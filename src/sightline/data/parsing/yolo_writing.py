"""Writing of YOLO text: data.yaml and label files, for data sets and predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import yaml

from sightline.core.dataset import Classes
from sightline.data.parsing.writing import Object
from sightline.ops.contours import join_polygons, trace


def config_text(parts: Mapping[str, str], classes: Classes) -> str:
    """data.yaml: folders of the images of each split, perhaps the `path` above them; class names."""
    config = {**parts, "names": dict(zip(classes.ids, classes.names, strict=True))}
    text: str = yaml.safe_dump(config, allow_unicode=True, sort_keys=False)
    return text


def label_text(objects: Sequence[Object], size: tuple[int, int], classes: Classes) -> str:
    """Label file of one image of (height, width): one line for each object, in relative coordinates.

    Class, center, width and height, and then its keypoints with their visibility; or class, and x and y of
    the corners of its polygon. An object of whose mask there is no pixel has none, and so no line.
    """
    lines = []
    (h, w) = size
    for thing in objects:
        x1, y1, x2, y2 = thing.corners
        numbers = [(x1 + x2) / 2 / w, (y1 + y2) / 2 / h, (x2 - x1) / w, (y2 - y1) / h]
        numbers += [v for x, y, visibility in thing.points or () for v in (x / w, y / h, visibility)]
        if thing.mask is not None:
            x, y, crop = thing.mask
            if not crop.any():
                continue
            numbers = (join_polygons(trace(crop, x, y)) / (w, h)).ravel().tolist()
        lines.append(f"{classes.ids[thing.label]} {' '.join(map(repr, numbers))}\n")
    return "".join(lines)
