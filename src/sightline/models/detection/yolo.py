"""YOLO-style detectors: anchor-free, single-stage, with one-to-one (NMS-free) and one-to-many scores.

Every anchor point of three feature maps predicts the distances to the four sides of its object as
distributions (distribution focal loss), and a score for each class. Training assigns anchor points to
objects by task alignment, twice (dual assignment, YOLOv10): ten for an object for the output "many", and
one for an object for the output "scores". Prediction reads "scores", so no object is detected twice. Both
share the boxes. Tasks can add outputs of their own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn

from sightline.core.card import ModelCard
from sightline.core.task import DataInfo
from sightline.errors import UnknownName, UsageError
from sightline.models import registry
from sightline.models.detection.dense import Dense
from sightline.models.detection.postprocess import DetectorOptions
from sightline.models.heads.branches import Branch
from sightline.models.heads.dfl import decoded, peaked
from sightline.models.weights import embedded
from sightline.models.weights.download import Pretrained

PAPER = (
    "Redmon et al., You Only Look Once, CVPR 2016; Li et al., Generalized Focal Loss, NeurIPS 2020; "
    "Feng et al., TOOD, ICCV 2021; Wang et al., YOLOv10, 2024"
)
DEFAULTS = {
    "optimizer": "adamw",
    "lr": 2e-3,
    "weight_decay": 0.05,
    "schedule": "cosine",
    "warmup": 0.05,
    "clip_grad": 10.0,
    "ema": 0.998,
    "batch_size": 16,
}
"""Recipe of all sizes."""
TUNED = {"freeze": "all-but-13", "layer_decay": 0.9, "freeze_bn": True}
"""Recipe where installed weights of the backbone are tuned, where it differs from `DEFAULTS`: the five blocks
up to stride 4 stay as they are (Girshick, Fast R-CNN, ICCV 2015, section 4.5)."""
TUNED_GAIN = False
"""On BCCD our own, smaller backbone comes as far from scratch in the same time; see docs/tasks/detect.md."""
COUNTED = "80 classes, 3x640x640, own backbone"

BINS = 16
"""Whole numbers that distances are distributed over, at least."""
START = 2.0
"""Distance to the sides that training begins with, in strides."""
PRIOR = 0.01
"""Score that training begins with (Lin et al., Focal loss, ICCV 2017, section 4.1)."""

Scale = Literal["n", "s", "m", "l"]


@dataclass(frozen=True)
class Size:
    """Size of a network, apart from its backbone.

    Attributes:
        summary: For its card.
        widths: Channels of the neck at strides 8, 16 and 32.
        depth: Residual units of each block of the neck.
        hidden: Most channels of the head's hidden maps.
    """

    summary: str
    widths: tuple[int, int, int]
    depth: int
    hidden: int


SIZES: Mapping[Scale, Size] = {
    "n": Size("Nano: the quickest, for a processor without a graphics card.", (64, 128, 256), 1, 64),
    "s": Size("Small.", (128, 256, 512), 1, 128),
    "m": Size("Medium.", (192, 384, 576), 2, 192),
    "l": Size("Large.", (256, 512, 640), 2, 256),
}


def card(scale: Scale, parameters: int, paper: str = PAPER) -> ModelCard:
    """Model card of a network of one size."""
    return ModelCard(
        name=f"yolo-{scale}",
        summary=SIZES[scale].summary,
        paper=paper,
        parameters=parameters,
        counted=COUNTED,
        stride=32,
        any_sides=True,
        defaults=DEFAULTS,
        tuned_backbone=embedded.DEFAULT,
        tuned_defaults=TUNED,
        tuned_gain=TUNED_GAIN,
    )


def network(
    scale: Scale,
    settings: dict[str, Any],
    pretrained: Pretrained,
    more: Mapping[str, Branch] | None = None,
    finest: Mapping[str, nn.Module] | None = None,
) -> Dense:
    """Build a detector of one size.

    Args:
        scale: Its size.
        settings: See `settings_for`; the recipe's `size` and `channels` beside it.
        pretrained: Published weights of the backbone: no, auto or yes.
        more: What is said of every place beside boxes and scores, by name.
        finest: What is said of the finest map as a whole, by name.
    """
    is_default = settings["backbone"] == "own"
    width_options: dict[str, Any] = {"scale": scale} if is_default else {}
    backbone = registry.pyramid(
        "csp" if is_default else settings["backbone"],
        channels=settings["channels"],
        size=tuple(settings["size"]),
        pretrained=pretrained,
        **width_options,
        **settings.get("backbone_options", {}),
    )
    classes = len(settings["classes"])
    low = torch.full((classes,), -math.log(1 / PRIOR - 1))
    n = settings["bins"]
    branches = {
        "bins": Branch(4 * n, bias=peaked(n, START).repeat(4)),
        "many": Branch(classes, light=True, depth=2, bias=low),
        "scores": Branch(classes, light=True, depth=2, bias=low, after="many"),
        **(more or {}),
    }
    size = SIZES[scale]
    return Dense(backbone, size.widths, size.depth, branches, size.hidden, finest)


class YoloOptions(Protocol):
    """Options of a task that are read here; see `DetectorOptions`."""

    @property
    def backbone(self) -> str:
        """Name of the backbone."""

    @property
    def conf(self) -> float:
        """Score threshold of predicted objects."""

    @property
    def nms(self) -> float:
        """IoU threshold of NMS."""

    @property
    def max_objects(self) -> int:
        """Maximum number of predicted objects in an image."""


def settings_for(info: DataInfo, options: DetectorOptions) -> dict[str, Any]:
    """`network_settings` of a task with variants, of which there are none here.

    Raises:
        UsageError: If a variant is asked for.
    """
    settings = network_settings(info, options)
    if options.variant is not None:
        raise UsageError(f"Our YOLO models have no variants. Received --variant {options.variant}.")
    return settings


def network_settings(info: DataInfo, options: YoloOptions) -> dict[str, Any]:
    """Model settings from the data and the options.

    `nms` is the overlap above which the worse of two boxes goes; at 1 there is no suppression and the
    scores of the one-to-one assignment are read, below 1 those of the other.

    Raises:
        UnknownName: If there is no such backbone: told here, before anything is built or written.
    """
    assert info.classes is not None
    backbone = "own" if options.backbone == "auto" else options.backbone
    if backbone != "own":
        try:
            registry.card(backbone)
        except UnknownName as error:
            raise UnknownName("backbone", backbone, ["own", *error.near], registry.HINT) from None
    return {
        "classes": list(info.classes.names),
        "class_ids": list(info.classes.ids),
        "backbone": backbone,
        # A place in the middle of an image-filling object is half a side from its sides.
        "bins": max(BINS, 1 + math.ceil(max(info.size) / 64)),
        "conf": options.conf,
        "max_objects": options.max_objects,
        "nms": options.nms,
    }


def forward(
    net: Dense, images: Tensor, settings: dict[str, Any], more: Sequence[str] = ()
) -> dict[str, Tensor]:
    """Outputs at A anchor points, for (B, C, H, W) normalized images.

    Args:
        net: See `network`.
        images: Normalised.
        settings: `nms`.
        more: What is read beside boxes and scores.

    Returns:
        "boxes" (B, A, 4) in pixels; "scores" and "many" (B, A, K) before the sigmoid; "bins"
        (B, A, 4 n) and "places" (1, A, 3) for the loss; and `more`. An exported network says only the
        boxes, the scores that are read, and `more`.
    """
    tracing: bool = torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
    exported = tracing or torch.compiler.is_exporting()
    read = _read(settings)
    outputs: dict[str, Tensor] = net(images, ("bins", read, *more) if exported else None)
    # The loss works out the boxes it needs: no gradient through all the others.
    bins = outputs["bins"].detach() if net.training else outputs["bins"]
    outputs["boxes"] = decoded(outputs["places"], bins)
    return {name: outputs[name] for name in ("boxes", read, *more)} if exported else outputs


def best(outputs: dict[str, Tensor], settings: dict[str, Any], more: Sequence[str] = ()) -> dict[str, Tensor]:
    """Top-k candidates of anchor point and class, for `postprocess.select`.

    Args:
        outputs: See `forward`.
        settings: `nms` and `max_objects`; ten times as many are kept where worse ones may be suppressed.
        more: What else is said of places, (B, A, P) each.

    Returns:
        "boxes" (B, N, 4), "scores" (B, N) in [0, 1], "labels" (B, N) int64, best first; and `more` (B, N, P).
    """
    logits, most = outputs[_read(settings)], settings["max_objects"]
    classes = logits.shape[2]
    pairs = logits.float().flatten(1)
    wanted = most if settings["nms"] >= 1 else 10 * most
    value, index = pairs.topk(min(wanted, pairs.shape[1]), 1)
    place = (index // classes)[:, :, None]
    tensors = {"boxes": outputs["boxes"].float(), **{name: outputs[name] for name in more}}
    best_tensors = {
        name: values.gather(1, place.expand(-1, -1, values.shape[2])) for name, values in tensors.items()
    }
    return {**best_tensors, "scores": value.sigmoid(), "labels": index % classes}


def _read(settings: dict[str, Any]) -> str:
    """Name of the scores that are read: one-to-one ("scores") without NMS, else one-to-many ("many")."""
    return "scores" if settings["nms"] >= 1 else "many"
