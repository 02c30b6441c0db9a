"""Detection transformers of Hugging Face; the library is imported only when one is built.

The terms of the loss are added here. In older versions, the library's own sum includes the denoising queries
in the main term (huggingface/transformers, pull request 48528), and pairs D-FINE's boxes with
the distributions of the next layer.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sightline.core.model import Model
from sightline.core.sample import Batch
from sightline.core.targets.instances import Instances
from sightline.core.task import DataInfo
from sightline.errors import MissingExtra, UnknownName
from sightline.losses import distillation
from sightline.models.adapters.base import LibraryNetwork, Tensors, fill, padded, seeded
from sightline.models.detection import postprocess
from sightline.models.weights.download import Pretrained, fetch_or_skip, patient
from sightline.models.weights.hub import Weights, described
from sightline.ops.boxes import from_centers, to_centers
from sightline.tasks.detect.options import DetectOptions

BODY = "backbone.model"
MULTIPLE = 32
"""Images are padded to sides that are multiples of the coarsest stride."""


@dataclass(frozen=True)
class DetrVariant:
    """One size of a network.

    Attributes:
        hub: Name of its published weights (COCO), or "".
        body: What its body differs in from the library's default.
        rest: What the rest of it differs in.
    """

    hub: str = ""
    body: Mapping[str, Any] = field(default_factory=dict)
    rest: Mapping[str, Any] = field(default_factory=dict)


class TransformersDetector(Model):
    """A detection transformer: a fixed number of queries; each predicts one object or none.

    Args:
        settings: See `settings_for`; `variant` names the size of the network.
        pretrained: no, auto or yes.

    Raises:
        MissingExtra: If transformers is not installed.
    """

    family: ClassVar[str]
    """What the library's classes begin with."""
    criterion: ClassVar[tuple[str, str]]
    """Module and class of the loss within `transformers.loss`."""
    variants: ClassVar[Mapping[str, DetrVariant]]

    def __init__(self, settings: dict[str, Any], pretrained: Pretrained = "no") -> None:
        super().__init__(settings)
        name = settings["variant"]
        if name not in self.variants:
            raise UnknownName(f"variant of model '{self.card.name}'", name, self.variants)
        library, variant = _library(self.card.name), self.variants[name]
        kind = getattr(library, f"{self.family}ForObjectDetection")
        net = kind(self._config(library, variant)).model
        _mend(net)
        here = described(Weights(variant.hub)) if variant.hub and pretrained != "no" else ""
        weights = fetch_or_skip(
            f"'{self.card.name}' ({name})", pretrained, _fetch(kind, variant), installed=here
        )
        if weights is not None:
            fill(net, weights, BODY)
            settings["keep_statistics"] = True
        self.network = LibraryNetwork(net, BODY, still=settings.get("keep_statistics", False))
        if weights is not None:
            self.network.origin = f"huggingface.co: {variant.hub}"
            # These were trained on images in [0, 1] as they are.
            self.network.pixels = ((0.0,) * 3, (1.0,) * 3) if settings["channels"] == 3 else None
        module, loss = self.criterion
        # Made anew for each loss: it has tensors, which are no part of the model.
        self._criterion = partial(
            getattr(importlib.import_module(f"transformers.loss.{module}"), loss), net.config
        )
        self._queries: int = net.config.num_queries

    def _config(self, library: Any, variant: DetrVariant) -> Any:
        """The library's configuration. Frozen batch norms could not learn from scratch."""
        channels = self.settings["channels"]
        body = {"num_channels": channels, "out_indices": [2, 3, 4], **variant.body}
        if "stem_channels" in body:
            body["stem_channels"] = [channels, *body["stem_channels"]]
        return getattr(library, f"{self.family}Config")(
            num_labels=len(self.settings["classes"]),
            freeze_backbone_batch_norms=False,
            backbone_config=body,
            **variant.rest,
        )

    @classmethod
    def settings_for(cls, info: DataInfo, options: DetectOptions) -> dict[str, Any]:
        """Settings from the data and the options. There is no NMS."""
        return postprocess.settings_for(info, options, cls.card, next(iter(cls.variants)), 1.0)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Candidates for (B, C, H, W) images: boxes in their pixels, scores and labels.

        What the loss is computed from comes with them, but is left out of an exported model.
        """
        raw, _ = self._said(images)
        height, width = padded(images[:1], MULTIPLE).shape[2:]
        scale = torch.tensor([width, height, width, height], device=images.device)
        boxes = from_centers(raw["layer_boxes"][:, -1]) * scale
        scores = raw["layer_logits"][:, -1].sigmoid()
        best = postprocess.best(boxes, scores, [scores.shape[1]], scores.shape[1])
        return best if torch.compiler.is_exporting() else {**raw, **best}

    def _said(self, images: Tensor, targets: Any = None) -> tuple[dict[str, Tensor], Any]:
        """Outputs of all layers in float32; with targets, also those of the denoising queries."""
        net: Any = self.network.net
        pixels = padded(self.normalize(images), MULTIPLE)
        height, width = pixels.shape[2:]
        places = sum((height // s) * (width // s) for s in net.config.feat_strides)
        net.config.num_queries = min(self._queries, places)  # they are chosen among the places
        out = net(pixel_values=pixels, labels=targets)
        raw = {
            "layer_logits": out.intermediate_logits,
            "layer_boxes": out.intermediate_reference_points,
            "first_logits": out.enc_topk_logits,
            "first_boxes": out.enc_topk_bboxes,
            "corners": out.intermediate_predicted_corners,
            "references": out.initial_reference_points,
        }
        return {k: v.float() for k, v in raw.items() if v is not None}, out.denoising_meta_values

    @classmethod
    def postprocess(cls, outputs: dict[str, Tensor], settings: dict[str, Any]) -> dict[str, Tensor]:
        """The candidates."""
        return {name: outputs[name] for name in ("boxes", "scores", "labels")}

    @classmethod
    def to_predictions(cls, answer: dict[str, Tensor], settings: dict[str, Any]) -> Instances:
        """Score threshold; see `postprocess.select`."""
        return postprocess.select(answer, settings)[0]

    def loss(
        self,
        batch: Batch,
        rng: torch.Generator,
        part: str = "all",
        outputs: dict[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """{"loss": the sum over all layers, and the last layer's terms by name}.

        Only in training do the queries of denoising add to it, so it is higher there.
        """
        height, width = padded(batch.images[:1], MULTIPLE).shape[2:]
        scale = torch.tensor([width, height, width, height], device=batch.images.device)
        targets = [
            {"boxes": to_centers(boxes) / scale, "class_labels": labels}
            for boxes, labels in postprocess.boxes_of_batch(batch)
        ]
        raw, noise = outputs, None
        if raw is None:
            with seeded(rng):
                raw, noise = self._said(batch.images, targets if self.training else None)
        if not any(len(t["boxes"]) for t in targets):
            return self._nothing(raw)
        terms = self._criterion().to(scale.device)(_goal(raw, noise), targets)
        named = {"class": "loss_vfl", "box": "loss_bbox", "overlap": "loss_giou"}
        return {"loss": torch.stack(list(terms.values())).sum(), **{k: terms[v] for k, v in named.items()}}

    def _nothing(self, raw: dict[str, Tensor]) -> dict[str, Tensor]:
        """Class loss of a batch without any object, which the library cannot match."""
        net: Any = self.network.net
        alpha, gamma = net.config.focal_loss_alpha, net.config.focal_loss_gamma
        logits = [*raw["layer_logits"].unbind(1), raw["first_logits"]]
        parts = [alpha * (x.detach().sigmoid() ** gamma * F.softplus(x)).sum() / len(x) for x in logits]
        # Several processes wait for a gradient of every parameter.
        rest = torch.stack([p.sum() for p in self.parameters() if p.requires_grad]).sum() * 0
        return {"loss": torch.stack(parts).sum() + rest, "class": parts[-2]}

    distillation_loss = distillation.unordered

    def backbone(self) -> nn.Module:
        """The whole detector; `--freeze` freezes its body."""
        return self.network


def _goal(raw: Mapping[str, Tensor], noise: Any) -> dict[str, Any]:
    """Outputs in the layout of the library's criterion: last layer, other layers, denoising."""
    start = noise["dn_num_split"][0] if noise else 0
    layers = _layers(raw, slice(start, None))
    first = {"logits": raw["first_logits"], "pred_boxes": raw["first_boxes"].clamp(0, 1)}
    goal = {**layers[-1], "auxiliary_outputs": [*layers[:-1], first]}
    if noise:
        goal |= {"dn_auxiliary_outputs": _layers(raw, slice(0, start)), "denoising_meta_values": noise}
    return goal


def _layers(raw: Mapping[str, Tensor], queries: slice) -> list[dict[str, Tensor]]:
    """The outputs of each layer for some queries. D-FINE's first boxes have no distributions yet."""
    logits, boxes = raw["layer_logits"][:, :, queries], raw["layer_boxes"][:, :, queries].clamp(0, 1)
    layers = [{"logits": x, "pred_boxes": b} for x, b in zip(logits.unbind(1), boxes.unbind(1), strict=True)]
    if "corners" in raw:
        corners, references = raw["corners"][:, :, queries], raw["references"][:, :, queries]
        for i in range(corners.shape[1]):
            layers[i - corners.shape[1]] |= {
                "pred_corners": corners[:, i],
                "ref_points": references[:, i],
                "teacher_corners": corners[:, -1],
                "teacher_logits": logits[:, -1],
            }
    return layers


def _library(model: str) -> Any:
    """The library transformers.

    Raises:
        MissingExtra: If it is not installed.
    """
    try:
        import transformers
    except ImportError:
        raise MissingExtra(f"--model {model}", "transformers") from None
    return transformers


def _mend(net: Any) -> None:
    """Fix the initial weights of a fresh network so that it can be trained."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):  # the library draws RT-DETR's scales around 0
            nn.init.ones_(module.weight)
    for name, value in list(net.decoder.named_parameters(recurse=False)):
        if not value.requires_grad:  # a constant, which freeing all parameters would set free
            delattr(net.decoder, name)
            net.decoder.register_buffer(name, value.detach())


def _fetch(kind: Any, variant: DetrVariant) -> Callable[[], Tensors] | None:
    """A function that downloads the published tensors."""

    def fetch() -> Tensors:
        with patient(variant.hub):
            tensors: Tensors = kind.from_pretrained(variant.hub).model.state_dict()
            return tensors

    return fetch if variant.hub else None
