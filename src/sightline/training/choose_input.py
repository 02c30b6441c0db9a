"""What the model is given: decided from the task, the data and the recipe."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import Any

import numpy as np

from sightline.core.card import ModelCard
from sightline.core.dataset import Dataset
from sightline.core.inputs import Dtype, InputSpec
from sightline.core.sample import IMAGE
from sightline.data.inputs import input_kind
from sightline.data.inputs._kind import StoredShape
from sightline.data.io.items import ItemFiles
from sightline.data.scan import Scan
from sightline.errors import UsageError
from sightline.models import registry
from sightline.ops.resize_shape import RECT_MULTIPLE, input_shape
from sightline.training.initial_weights import Start, takes_gray
from sightline.training.recipe import Recipe

_OTHER_SIDE = {"left": "right", "right": "left"}
_SIDE = re.compile(r"(?<![a-z])(left|right)(?![a-z])", re.IGNORECASE)


def choose_input(
    dataset: Dataset,
    scan: Scan,
    recipe: Recipe,
    card: ModelCard,
    options: Any,
    backbone: str | None,
    start: Start,
) -> InputSpec:
    """Kind, size, channels and type of what the model takes.

    Args:
        dataset: The usable items, with their split.
        scan: What was measured of them.
        recipe: The resolved recipe.
        card: Of the model.
        options: Of the task; `frames` in it says how many of a clip are taken.
        backbone: Name of the network, where it has one.
        start: What training starts from.

    Raises:
        UsageError: If such items are not brought to size in that way.
    """
    dtype: Dtype = getattr(dataset.pixels, "dtype", "uint8")
    if dataset.input != IMAGE:
        kind = input_kind(dataset.input)
        if recipe.resize not in (None, *kind.fits):
            raise UsageError(
                f"A {kind.item} is brought to size by --resize {' or '.join(kind.fits)}, not {recipe.resize}."
            )
        typical = scan.typical(dataset.indices_of("train"), dtype)
        return kind.spec(typical, recipe.size, getattr(options, "frames", None), card.stride)
    if recipe.resize == "rect":
        _require_any_sides(recipe, card, backbone)
    bands = int(scan.channels[scan.readable].max())
    gray = bool((scan.channels == 1).all()) and takes_gray(start, backbone)
    channels = bands if dtype == "float32" or bands > 3 else 1 if gray else 3
    stored = int(np.median(scan.height)), int(np.median(scan.width))
    if recipe.tile_size:
        stored = recipe.tile_size, recipe.tile_size
    preferred, stride = card.size or stored, 1
    long = recipe.size or max(preferred)
    if recipe.resize == "rect":
        return InputSpec(_rect_that_holds_all(scan, long), channels, dtype=dtype)
    if card.stride > 1 and recipe.resize == "letterbox":
        # The long side as asked, in the shape of most images.
        stride = card.stride
        height, width = (-(-long * side // max(stored)) for side in stored)
        return input_kind(IMAGE).spec(StoredShape(1, height, width, channels, dtype), None, None, stride)
    return input_kind(IMAGE).spec(StoredShape(1, *preferred, channels, dtype), recipe.size, None, stride)


def may_mirror(dataset: Dataset, scan: Scan) -> bool:
    """Whether training may mirror left and right unless asked otherwise: color images and clips, but none
    whose classes differ in a side."""
    if dataset.input == IMAGE and (scan.channels == 1).all():
        return False
    return not sided_classes(dataset)


def sided_classes(dataset: Dataset) -> list[str]:
    """Classes of which a mirrored item is of another one: "swipe left" where "swipe right" is a class too."""
    names = dataset.classes.names if dataset.classes is not None else ()
    mirrored = {
        re.sub(_SIDE, lambda side: _OTHER_SIDE[side[0].lower()], name.lower()): name for name in names
    }
    return sorted(name for name in names if mirrored.get(name.lower(), name) != name)


def _rect_that_holds_all(scan: Scan, long: int) -> tuple[int, int]:
    """Height and width of the smallest input that holds the rectangle of every image (`--resize rect`)."""
    long = math.ceil(long / RECT_MULTIPLE) * RECT_MULTIPLE
    sizes = zip(scan.height[scan.readable].tolist(), scan.width[scan.readable].tolist(), strict=True)
    heights, widths = zip(*(input_shape(size, (long, long), "rect") for size in set(sizes)), strict=True)
    return max(heights), max(widths)


def _require_any_sides(recipe: Recipe, card: ModelCard, backbone: str | None) -> None:
    """Refuse rect where inputs must have one size.

    Raises:
        UsageError: If tiles are asked for, or the model or its network takes one size only.
    """
    if recipe.tile_size:
        why = "with --tile-size all inputs are squares"
    elif not card.any_sides:
        why = f"model '{card.name}' takes images of one size only"
    elif backbone is not None and not registry.any_sides(backbone):
        why = f"backbone '{backbone}' takes images of one size only"
    else:
        return
    raise UsageError(f"--resize rect gives each image its own rectangle; {why}. Use --resize letterbox.")


def with_range(dataset: Dataset, scan: Scan) -> tuple[Dataset, Scan, list[str]]:
    """The data with values of more than 8 bits scaled so that those of the training part are in [0, 1];
    what was measured of them likewise; and a sentence on it. Others, and a range that was given, stay."""
    pixels = dataset.pixels
    if not isinstance(pixels, ItemFiles) or pixels.dtype == "uint8" or pixels.span is not None:
        return dataset, scan, []
    train = dataset.indices_of("train")
    span = float(scan.raw[train, 0].min()), float(scan.raw[train, 1].max())
    scaled = replace(dataset, pixels=pixels.spanned(span))
    note = (
        f"Values of more than 8 bits are kept; the model sees {span[0]:g} to {span[1]:g}, the range of the "
        "training part, as 0 to 1 (--pixel-range names another). Nothing is cut off."
    )
    return scaled, scan.rescaled(pixels.scale, span), [note]


def shown_in_words(spec: InputSpec) -> list[str]:
    """How items that are no plain images are shown in reports and drawings."""
    if spec.is_plain:
        return []
    if not spec.spatial_shape:
        return [f"Reports and drawings show each {input_kind(spec.kind).item} as a square of its numbers."]
    parts = []
    if spec.kind != IMAGE:
        parts.append(input_kind(spec.kind).shown_as)
    if spec.channels not in (1, 3):
        parts.append("by bands 1, 2 and 3" if spec.channels > 3 else "by the first band")
    if spec.dtype != "uint8":
        parts.append("stretched between percentiles 2 and 98 of each band")
    return [f"Reports and drawings show the items {', '.join(parts)}."] if parts else []


def input_in_words(spec: InputSpec, resize: str) -> str:
    """What the model is given, for people."""
    if not spec.spatial_shape:
        return f"{input_kind(spec.kind).item}: {spec.channels} numbers"
    sides = "x".join(map(str, spec.spatial_shape))
    if resize == "rect":
        sides = f"up to {sides}"
    bands = {1: "grey", 3: "colour"}.get(spec.channels, f"{spec.channels} bands")
    text = f"{sides} pixels, {bands}, brought to size by '{resize}'"
    if spec.kind != IMAGE:
        frames = f" of {spec.frames} frames" if spec.frames else ""
        text = f"{input_kind(spec.kind).item}s{frames} of {text}"
    return text


def adapted_bands(spec: InputSpec) -> str:
    """What is to be said of weights of three colors where the items have other bands; "" where not."""
    if spec.channels in (1, 3):
        return ""
    return (
        f"; the images have {spec.channels} bands: the first convolution spreads the kernels of the three "
        "colors over them, so that their sum stays"
    )
