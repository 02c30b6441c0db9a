"""Supervisely: a project of meta.json and data sets with img/ and ann/, one JSON file for each image.

Source: docs.supervisely.com, "Annotation JSON format": points are [x, y] in pixels from 0; the interior of a
polygon are its holes; a bitmap is a PNG, packed by zlib, in base64, whose top left pixel is at its origin.
"""

from __future__ import annotations

import base64
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from sightline.core.card import FormatCard
from sightline.core.dataset import Classes, Dataset
from sightline.data.io.images import max_pixels, stored
from sightline.data.parsing.drawing import Drawing, targets_of
from sightline.data.parsing.each import below, some_like, split_below, whole_size
from sightline.data.parsing.instances import numbers
from sightline.data.parsing.json import glance, read_json
from sightline.data.parsing.options import ReadOptions
from sightline.data.parsing.polygons import ring
from sightline.data.parsing.splits import SPLIT_WORDS, name_of
from sightline.errors import DataError, UnreadableImage
from sightline.ops.contours import Part, join_polygons

CARD = FormatCard(
    name="supervisely",
    summary="Supervisely: a project with a JSON file of rectangles, polygons and bitmaps for each image",
    recognized_by="meta.json, and DATASET/ann/a.jpg.json beside DATASET/img/a.jpg",
    target_types=("instances", "outlines"),
)
_MAX_PIXELS = 1 << 28  # bytes that a bitmap may unpack to: what is more is no mask of an image


def sniff(source: str, options: ReadOptions) -> float:
    """High if folders `ann` hold JSON files with Supervisely's objects."""
    del options
    root = Path(source)
    return 0.97 if root.is_dir() and some_like(root, ".json", _like) else 0.0


def read(source: str, options: ReadOptions) -> Dataset:
    """All images of all data sets, with the boxes, or the masks, of their objects.

    Splits are those of the folders (a data set called train), else of the tags of images. Classes are in
    the order of meta.json.

    Raises:
        DataError: If there is no such file, or one is no sound JSON.
    """
    root = Path(source)
    files = [path for path in below(root, ".json") if _like(path)] if root.is_dir() else []
    if not files:
        raise DataError(f"There is no Supervisely project at '{root}'. Expected {CARD.recognized_by}.")
    titles = _titles(root)
    entries = [(path, read_json(path)) for path in files]

    def gather(drawing: Drawing) -> None:
        for path, entry in entries:
            _gather(path, entry, root, titles, drawing)

    drawing = targets_of(gather, root, options)
    used = drawing.into.names()
    table = tuple(dict.fromkeys(titles.values()))
    names = table if set(used) <= set(table) else used
    return drawing.into.dataset(root, CARD.name, Classes(names), names, drawing.messages)


def _like(path: Path) -> bool:
    """Whether a file is an annotation of Supervisely."""
    if path.parent.name != "ann":
        return False
    text = glance(path)
    return text.startswith("{") and '"objects"' in text and '"size"' in text


def _titles(root: Path) -> dict[int, str]:
    """Class titles of meta.json by id, or by place where there are none."""
    path = next((p for p in (root / "meta.json", root.parent / "meta.json") if p.is_file()), None)
    data = None if path is None else read_json(path)
    rows = data.get("classes") if isinstance(data, dict) else None
    rows = (
        [r for r in rows if isinstance(r, dict) and isinstance(r.get("title"), str)]
        if isinstance(rows, list)
        else []
    )
    return {
        r["id"] if isinstance(r.get("id"), int) else -1 - k: r["title"].strip() for k, r in enumerate(rows)
    }


def _gather(path: Path, entry: Any, root: Path, titles: dict[int, str], drawing: Drawing) -> None:
    """Gather one image with its objects."""
    entry = entry if isinstance(entry, dict) else {}
    size = entry.get("size") if isinstance(entry.get("size"), dict) else {}
    given = entry.get("tags")
    tags = [t.get("name") for t in given if isinstance(t, dict)] if isinstance(given, list) else []
    tagged = next(
        (SPLIT_WORDS[t.lower()] for t in tags if isinstance(t, str) and t.lower() in SPLIT_WORDS), ""
    )
    name = path.name.removesuffix(".json")
    file = path.parent.parent / "img" / name
    whole = whole_size(size.get("height"), size.get("width"))
    image = drawing.into.add_image(file, split_below(path, root) or tagged, whole)
    given = entry.get("objects")
    for k, thing in enumerate(given if isinstance(given, list) else []):
        where = f"{name_of(path, root)} object {k + 1}"
        thing = thing if isinstance(thing, dict) else {}
        label = thing.get("classTitle") or titles.get(thing.get("classId", 0))
        if not isinstance(label, str) or not label.strip():
            drawing.bare(f"{where}: no class")
        else:
            _object(thing, image, label.strip(), f"{where} ({label.strip()})", drawing)


def _object(thing: dict[str, Any], image: int, label: str, where: str, drawing: Drawing) -> None:
    """Gather one object."""
    kind = str(thing.get("geometryType") or ("bitmap" if thing.get("bitmap") else "shape"))
    if kind == "bitmap":
        try:
            part = _bitmap(thing.get("bitmap"))
        except (ValueError, TypeError, zlib.error, UnreadableImage) as error:
            drawing.broken(f"{where}: its bitmap cannot be read ({error})")
        else:
            drawing.mask(image, label, part, where, None)
        return
    if kind not in ("rectangle", "polygon"):
        drawing.other(f"a {kind}", where)
        return
    points = thing.get("points")
    points = points if isinstance(points, dict) else {}
    inner = points.get("interior")
    rings = [_ring(r) for r in [points.get("exterior"), *(inner if isinstance(inner, list) else [])]]
    whole = [r for r in rings if r is not None and len(r)]
    if len(whole) < len(rings):
        (drawing.bare if kind == "rectangle" else drawing.broken)(f"{where}: points are no pairs of numbers")
    elif kind == "rectangle":
        drawing.box(image, label, (*whole[0].min(0).tolist(), *whole[0].max(0).tolist()), where)
    else:
        drawing.polygon(image, label, [join_polygons(whole)], where)


def _ring(given: Any) -> Any:
    """(P, 2) points of a list of pairs, or None."""
    pairs = given if isinstance(given, list) else [None]
    return ring([v for p in pairs for v in (p if isinstance(p, list) and len(p) == 2 else [None])])


def _bitmap(given: Any) -> Part:
    """Left, top and pixels of a bitmap.

    Raises:
        ValueError: If it has no origin, or unpacks to more than any image.
    """
    given = given if isinstance(given, dict) else {}
    origin = numbers(given.get("origin"), 2)
    if origin is None or not all(map(math.isfinite, origin)):
        raise ValueError("it has no origin [x, y]")
    unpack = zlib.decompressobj()
    data = unpack.decompress(base64.b64decode(given.get("data") or "", validate=True), _MAX_PIXELS)
    if unpack.unconsumed_tail:
        raise ValueError(f"it unpacks to more than {_MAX_PIXELS:,} bytes")
    values = stored(data).values
    if values.shape[0] * values.shape[1] > max_pixels():
        raise ValueError(f"its size {values.shape[:2]} is above the limit of {max_pixels():,} pixels")
    mask = values if values.ndim == 2 else values.any(2)
    return int(origin[0]), int(origin[1]), (mask != 0).astype(np.uint8)
