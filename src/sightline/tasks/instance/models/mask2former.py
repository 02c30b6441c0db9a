"""Mask2Former: a fixed number of queries; each predicts one mask and its class, or nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sightline.core.card import ModelCard
from sightline.core.model import Model
from sightline.core.sample import Batch
from sightline.core.targets.bitmaps import CroppedMasks
from sightline.core.targets.outlines import InstanceMasks
from sightline.core.task import DataInfo
from sightline.errors import UnknownName
from sightline.losses import distillation
from sightline.models.adapters.base import LibraryNetwork, fill, padded, seeded
from sightline.models.adapters.torchvision_detection import IMAGENET
from sightline.models.detection import postprocess
from sightline.models.weights.download import Pretrained, fetch_or_skip
from sightline.models.weights.hub import Weights, described
from sightline.tasks.instance.models._transformers import fetch, library
from sightline.tasks.instance.options import InstanceOptions

CARD = ModelCard(
    name="mask2former",
    summary="Transformer whose queries are masks (extra 'transformers'; variants swin-t, -s, -b, -l, tiny).",
    paper="Cheng, Misra, Schwing, Kirillov, Girdhar, Masked-attention Mask Transformer, CVPR 2022",
    parameters=47_421_643,
    counted="swin-t, 80 classes",
    stride=32,
    any_sides=True,
    defaults={"batch_size": 8, "lr": 1e-4, "weight_decay": 0.05, "clip_grad": 0.01},
    ignores=("nms",),
)

BODY = "model.pixel_level_module.encoder"
MULTIPLE, STRIDE = 32, 4
"""Images are padded to sides that are multiples of the first; masks come at a fraction of the second."""
AT_ONCE = 2**24
"""Pixels of masks that are enlarged at a time: 64 MB."""
TERMS = {"class": "loss_cross_entropy", "mask": "loss_mask", "dice": "loss_dice"}


@dataclass(frozen=True)
class Mask2FormerVariant:
    """One size of a network.

    Attributes:
        hub: Name of its published weights (COCO), or "".
        body: Its Swin transformer.
        rest: What the rest of it differs in from the library's default.
    """

    hub: str = ""
    body: Mapping[str, Any] = field(default_factory=dict)
    rest: Mapping[str, Any] = field(default_factory=dict)


def _swin(width: int, depths: list[int], heads: list[int], window: int) -> dict[str, Any]:
    return {"embed_dim": width, "depths": depths, "num_heads": heads, "window_size": window}


class Mask2Former(Model):
    """Mask2Former on a Swin transformer.

    Args:
        settings: See `settings_for`; `variant` names the size of the network.
        pretrained: no, auto or yes.

    Raises:
        MissingExtra: If transformers is not installed.
    """

    card: ClassVar[ModelCard] = CARD
    variants: ClassVar[Mapping[str, Mask2FormerVariant]] = {
        "swin-t": Mask2FormerVariant(
            "facebook/mask2former-swin-tiny-coco-instance", _swin(96, [2, 2, 6, 2], [3, 6, 12, 24], 7)
        ),
        "swin-s": Mask2FormerVariant(
            "facebook/mask2former-swin-small-coco-instance", _swin(96, [2, 2, 18, 2], [3, 6, 12, 24], 7)
        ),
        "swin-b": Mask2FormerVariant(
            "facebook/mask2former-swin-base-coco-instance", _swin(128, [2, 2, 18, 2], [4, 8, 16, 32], 12)
        ),
        "swin-l": Mask2FormerVariant(
            "facebook/mask2former-swin-large-coco-instance",
            _swin(192, [2, 2, 18, 2], [6, 12, 24, 48], 12),
            {"num_queries": 200},
        ),
        "tiny": Mask2FormerVariant(
            body=_swin(16, [1, 1, 1, 1], [2, 2, 2, 2], 4),
            rest={
                "feature_size": 32,
                "mask_feature_size": 32,
                "hidden_dim": 32,
                "encoder_feedforward_dim": 64,
                "dim_feedforward": 64,
                "encoder_layers": 1,
                "decoder_layers": 4,
                "num_attention_heads": 4,
                "num_queries": 20,
                "train_num_points": 1024,
            },
        ),
    }

    def __init__(self, settings: dict[str, Any], pretrained: Pretrained = "no") -> None:
        super().__init__(settings)
        name = settings["variant"]
        if name not in self.variants:
            raise UnknownName(f"variant of model '{self.card.name}'", name, self.variants)
        source, variant = library(f"--model {self.card.name}"), self.variants[name]
        kind = source.Mask2FormerForUniversalSegmentation
        net = kind(self._config(source, variant))
        # What nothing depends on gets no gradient, which several processes would wait for.
        net.get_submodule(BODY).swin.layernorm = nn.Identity()
        here = described(Weights(variant.hub)) if variant.hub and pretrained != "no" else ""
        weights = fetch_or_skip(
            f"'{self.card.name}' ({name})", pretrained, fetch(kind, variant.hub), installed=here
        )
        if weights is not None:
            fill(net, weights, BODY)
        self.network = LibraryNetwork(net, BODY, still=False)
        if weights is not None:
            self.network.origin = f"huggingface.co: {variant.hub}"
            self.network.pixels = IMAGENET if settings["channels"] == 3 else None

    def _config(self, source: Any, variant: Mask2FormerVariant) -> Any:
        """The library's configuration."""
        stages = [f"stage{i}" for i in range(1, 5)]
        body = source.SwinConfig(
            num_channels=self.settings["channels"], drop_path_rate=0.3, out_features=stages, **variant.body
        )
        return source.Mask2FormerConfig(
            backbone_config=body, num_labels=len(self.settings["classes"]), **variant.rest
        )

    @classmethod
    def settings_for(cls, info: DataInfo, options: InstanceOptions) -> dict[str, Any]:
        """Settings from the data and the options. There is no NMS."""
        return postprocess.settings_for(info, options, cls.card, next(iter(cls.variants)), 1.0)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Outputs of Q queries for (B, C, H, W) images.

        Returns:
            "class_logits" (B, Q, K + 1), the last class being none, and "mask_logits" (B, Q, h, w), a quarter
            of the images' sides, padded to multiples of 32.
        """
        out = self._said(images)
        logits, masks = out.class_queries_logits, out.masks_queries_logits
        return {"class_logits": logits.float(), "mask_logits": masks.float()}

    def _said(self, images: Tensor) -> Any:
        pixels = padded(self.normalize(images), MULTIPLE)
        return self.network.net(pixel_values=pixels, output_auxiliary_logits=True)

    @classmethod
    def to_predictions(cls, answer: dict[str, Tensor], settings: dict[str, Any]) -> InstanceMasks:
        """Mask of each query with its most probable classes.

        A pair of query and class scores the chance of the class times the mean chance of the pixels of the
        mask, as in section 4.1 of MaskFormer (Cheng et al., NeurIPS 2021) and in the library.

        Args:
            answer: See `forward`.
            settings: `size`, `conf` (scores up to it are dropped) and `max_objects` an image.
        """
        sizes = torch.tensor(settings["size"])
        counts, masks, labels, scores = [], [CroppedMasks.of([])], [], []
        for classes, maps in zip(answer["class_logits"], answer["mask_logits"], strict=True):
            chance = classes.float().softmax(1)[:, :-1].flatten()
            best, pair = chance.topk(min(settings["max_objects"], len(chance)))
            pair, best = pair[best > settings["conf"]], best[best > settings["conf"]]
            query, label = pair // (classes.shape[1] - 1), pair % (classes.shape[1] - 1)
            chosen, row = query.unique(return_inverse=True)
            inside, sure = _enlarged(maps[chosen].float(), settings["size"])
            score = (best * sure[row]).cpu()
            keep = score.argsort(descending=True, stable=True)
            keep = keep[score[keep] > settings["conf"]]
            counts.append(len(keep))
            masks.append(inside[row.cpu()[keep]])
            labels.append(label.cpu()[keep])
            scores.append(score[keep])
        outlines = InstanceMasks.of(
            sizes.repeat(len(counts), 1),
            torch.tensor(counts),
            CroppedMasks.cat(masks),
            torch.cat(labels),
            torch.cat(scores),
        )
        return postprocess.rescale_scores(outlines.to(answer["class_logits"].device), settings.get("cuts"))

    def loss(
        self,
        batch: Batch,
        rng: torch.Generator,
        part: str = "all",
        outputs: dict[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """{"loss": the sum, and the last layer's terms by name}: equation 5 of the paper, by the library.

        Only in training do the layers before the last add to it, so it is higher there.
        """
        net: Any = self.network.net
        masks, labels = _truths(batch)
        with seeded(rng):
            if outputs is None:
                out = self._said(batch.images)
                final_outputs = {
                    "class_logits": out.class_queries_logits,
                    "mask_logits": out.masks_queries_logits,
                }
                others = out.auxiliary_logits if self.training else []
            else:
                final_outputs, others = outputs, []
            terms = net.get_loss_dict(
                masks_queries_logits=final_outputs["mask_logits"].float(),
                class_queries_logits=final_outputs["class_logits"].float(),
                mask_labels=masks,
                class_labels=labels,
                auxiliary_predictions=[{k: v.float() for k, v in other.items()} for other in others],
            )
        total = torch.stack(list(terms.values())).sum()
        return {"loss": total, **{name: terms[theirs] for name, theirs in TERMS.items()}}

    distillation_loss = distillation.unordered

    def backbone(self) -> nn.Module:
        """The whole network; `--freeze` freezes its body."""
        return self.network


def _enlarged(logits: Tensor, size: list[int]) -> tuple[CroppedMasks, Tensor]:
    """Masks (Q, h, w) resized to the image, and (Q,) mean probability of their pixels; 0 if none."""
    parts, sure = [CroppedMasks.of([])], [logits.new_zeros(0)]
    step = max(1, AT_ONCE // (logits.shape[1] * logits.shape[2] * STRIDE**2))
    for some in logits.split(step):  # type: ignore[no-untyped-call]
        if not len(some):
            continue
        large = F.interpolate(some[None], scale_factor=STRIDE, mode="bilinear", align_corners=False)[0]
        large = large[:, : size[0], : size[1]]
        inside = large > 0
        chance = (large.sigmoid() * inside).sum((1, 2))
        sure.append(chance / inside.sum((1, 2)).clamp(min=1))
        parts.append(CroppedMasks.of(inside.cpu()))
    return CroppedMasks.cat(parts), torch.cat(sure)


def _truths(batch: Batch) -> tuple[list[Tensor], list[Tensor]]:
    """(M, H, W) float masks on the padded image, and (M,) classes, of the learnable objects of each image."""
    height, width = padded(batch.images[:1], MULTIPLE).shape[2:]
    target = postprocess.learnable(batch.targets)
    masks, labels = [], []
    for i in range(len(target)):
        target_of_image = target[i]
        assert target_of_image.masks is not None
        masks.append(target_of_image.masks.dense(height, width).to(batch.images.device, torch.float32))
        labels.append(target_of_image.labels)
    return masks, labels


MODEL = Mask2Former
