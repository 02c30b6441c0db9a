"""Synthetic scenes of shapes with exact targets; built in, the same on every machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from sightline.core.card import FormatCard
from sightline.core.dataset import Classes, Dataset
from sightline.core.skeleton import Skeleton
from sightline.core.targets.base import Targets
from sightline.core.targets.bitmaps import CroppedMasks
from sightline.core.targets.instances import Instances
from sightline.core.targets.keypoints import Keypoints
from sightline.core.targets.label import ClassLabels
from sightline.core.targets.masks import SemanticMasks
from sightline.core.targets.number import RegressionValues
from sightline.core.targets.outlines import InstanceMasks
from sightline.core.targets.text import Captions
from sightline.data.io.pixels import Arrays
from sightline.data.parsing.options import ReadOptions
from sightline.data.synthetic.captioned import captioned_scene
from sightline.data.synthetic.shapes import SHAPES, Scene, class_map, scene
from sightline.errors import UsageError

CARD = FormatCard(
    name="shapes",
    summary="1,000 generated scenes of shapes, targets known; shapes:multi, :count, :area, :boxes, :masks, "
    ":outlines, :keypoints, :poses, :captions",
    recognized_by="the name shapes, shapes:multi, :count, :area, :boxes, :masks, :outlines, :keypoints, "
    ":poses or :captions, with :300 for 300 scenes",
    target_types=("label", "number", "instances", "masks", "outlines", "keypoints", "text"),
)
NAMES = {"shapes": CARD.summary}
KINDS = ("one", "multi", "count", "area", "boxes", "masks", "outlines", "keypoints", "poses", "captions")
COUNT, SEED = 1000, 0
SIZE, PLACES_SIZE = (64, 64), (128, 128)
_PLACES = ("boxes", "masks", "outlines", "keypoints", "poses")
_POINTS = ("keypoints", "poses")
_SINGLE = ("one", "keypoints")
_BY_TARGET = {"number": "count", "instances": "boxes", "text": "captions",
              **{k: k for k in ("masks", "outlines", "keypoints")}}  # fmt: skip
SKELETON = Skeleton.from_names(
    ["center", "top", "right", "bottom", "left"], limbs=[(0, 1), (0, 2), (0, 3), (0, 4)]
)
"""The points of a shape: its center, and its rim in its own four directions."""


def sniff(source: str, options: ReadOptions) -> float:
    """1 for the name, unless a file or folder with that name exists."""
    del options
    return float(source.lower().split(":")[0] == "shapes" and not Path(source).exists())


def read(source: str, options: ReadOptions) -> Dataset:
    """Scenes of one shape: which (`shapes`), or its center and rim (`keypoints`). Or of 1 to 4: which
    (`multi`), how many (`count`), how large (`area`), or where: boxes (`boxes`), the class of each pixel
    (`masks`), the pixels of each shape (`outlines`) or its center and rim (`poses`). Or of two: what is
    where, in words (`captions`). Scenes are 64 x 64 pixels, those that say where 128 x 128.

    Area is the share of the image that shapes cover, in per cent. Boxes are around what is visible; shapes
    that others cover whole have none. The first class of a mask is the background. Scene i depends on i only.

    Raises:
        UsageError: If what follows the colon is none of these, nor a number of scenes.
    """
    kind, count = _parse_name(source, options)
    if kind == "captions":
        return _captioned(count)
    size = PLACES_SIZE if kind in _PLACES else SIZE
    scenes = [
        scene(np.random.default_rng([SEED, i]), size, 1 if kind in _SINGLE else None) for i in range(count)
    ]
    return Dataset(
        name="shapes" if kind == "one" else f"shapes-{kind}",
        format=CARD.name,
        ids=[f"shapes/{i:05d}" for i in range(count)],
        pixels=Arrays(np.stack([s.image for s in scenes])),
        targets=_targets(kind, scenes),
        classes=_classes(kind),
        outputs=(kind,) if kind in ("count", "area") else (),
    )


def _captioned(count: int) -> Dataset:
    """Scenes of two shapes, with what is where in two sentences."""
    scenes = [captioned_scene(np.random.default_rng([SEED, i]), SIZE) for i in range(count)]
    ids = [f"shapes/{i:05d}" for i in range(count)]
    images = Arrays(np.stack([image for image, _ in scenes]))
    return Dataset("shapes-captions", CARD.name, ids, images, Captions(tuple(texts for _, texts in scenes)))


def _classes(kind: str) -> Classes | None:
    """The class table of a kind; None for numbers."""
    if kind in ("count", "area"):
        return None
    if kind in _POINTS:
        return Classes(("shape",))
    return Classes(("background", *SHAPES) if kind == "masks" else SHAPES)


def _targets(kind: str, scenes: list[Scene]) -> Targets:
    """Targets of a kind."""
    if kind == "one":
        return ClassLabels(torch.tensor([int(s.labels[0]) for s in scenes]))
    if kind == "multi":
        value = np.stack([np.isin(np.arange(len(SHAPES)), s.labels) for s in scenes])
        return ClassLabels(torch.from_numpy(value))
    if kind == "boxes":
        return _instances(scenes)
    if kind == "outlines":
        return _outlines(scenes)
    if kind in _POINTS:
        return _keypoints(scenes)
    if kind == "masks":
        return SemanticMasks.of([class_map(s) for s in scenes]).compressed()
    cover = 100 / (SIZE[0] * SIZE[1])
    values = [float(len(s.labels)) if kind == "count" else float(s.areas.sum()) * cover for s in scenes]
    return RegressionValues(torch.tensor(values).reshape(-1, 1))


def _instances(scenes: list[Scene]) -> Instances:
    """Boxes, classes and areas of what is visible in scenes."""
    return Instances(
        counts=torch.tensor([int((s.areas > 0).sum()) for s in scenes]),
        sizes=torch.tensor([s.image.shape[:2] for s in scenes]),
        boxes=_visible(scenes, "boxes"),
        labels=_visible(scenes, "labels"),
        areas=_visible(scenes, "areas").float(),
    )


def _outlines(scenes: list[Scene]) -> InstanceMasks:
    """Masks and classes of what is visible in scenes."""
    parts = [(s.masks[s.areas > 0], s.labels[s.areas > 0]) for s in scenes]
    return InstanceMasks.of(
        torch.tensor([s.image.shape[:2] for s in scenes]),
        torch.tensor([len(labels) for _, labels in parts]),
        CroppedMasks.of([mask for masks, _ in parts for mask in masks]),
        torch.from_numpy(np.concatenate([labels for _, labels in parts])),
    )


def _keypoints(scenes: list[Scene]) -> Keypoints:
    """Points of the visible shapes of scenes; boxes are around what is visible of them."""
    points, boxes, areas = (_visible(scenes, name) for name in ("points", "boxes", "areas"))
    targets = Keypoints.of(
        torch.tensor([s.image.shape[:2] for s in scenes]),
        torch.tensor([int((s.areas > 0).sum()) for s in scenes]),
        points[:, :, :2],
        points[:, :, 2].to(torch.int8),
        SKELETON,
    )
    return replace(targets, boxes=boxes, areas=areas.float())


def _visible(scenes: list[Scene], name: str) -> torch.Tensor:
    """One attribute of the shapes of which something is visible, of all scenes."""
    return torch.from_numpy(np.concatenate([getattr(s, name)[s.areas > 0] for s in scenes]))


def _parse_name(source: str, options: ReadOptions) -> tuple[str, int]:
    """Kind of target and number of scenes."""
    kind, count = _BY_TARGET.get(options.target_type or "", "one"), COUNT
    for word in source.lower().split(":")[1:]:
        if word in KINDS:
            kind = word
        elif word.isdigit() and int(word) > 0:
            count = int(word)
        else:
            raise UsageError(
                f"'{source}': after the colon goes {', '.join(KINDS)} or a number of scenes, not '{word}'."
            )
    return kind, count
