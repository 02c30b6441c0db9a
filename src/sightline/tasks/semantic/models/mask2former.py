"""Mask2Former: a set of masks with classes, combined to a class for each pixel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sightline.core.card import ModelCard
from sightline.core.sample import Batch
from sightline.core.targets.masks import IGNORE_INDEX
from sightline.core.task import DataInfo
from sightline.errors import UsageError
from sightline.models.adapters.base import seeded
from sightline.models.weights.download import Pretrained
from sightline.tasks.semantic.models._network import enlarged, padded, target_maps
from sightline.tasks.semantic.models._transformers import HubVariant, TransformersSegmenter
from sightline.tasks.semantic.options import SemanticOptions

CARD = ModelCard(
    name="mask2former",
    summary="Transformer, class masks (extra 'transformers'; variants swin-t, swin-s, tiny), own loss.",
    paper="Cheng et al., Masked-attention Mask Transformer for Universal Image Segmentation, CVPR 2022",
    parameters=47_406_480,
    counted="swin-t, 21 classes",
    stride=32,
    any_sides=True,
    defaults={"batch_size": 8, "lr": 1e-4, "weight_decay": 0.05, "clip_grad": 0.01},
)

EPS = 1e-6
"""Least vote for a class: the logarithm of none would be infinite."""
MAX_LOGIT = 20.0
"""Logit of what is certain."""


def _swin(**changed: Any) -> dict[str, Any]:
    """Swin-T with changed settings; all four feature maps are used."""
    return {"model_type": "swin", "drop_path_rate": 0.3, "out_indices": [1, 2, 3, 4], **changed}


class Mask2Former(TransformersSegmenter):
    """Mask2Former, with semantic inference as in the paper (section 3 of MaskFormer)."""

    card: ClassVar[ModelCard] = CARD
    kinds: ClassVar[tuple[str, str]] = ("Mask2FormerConfig", "Mask2FormerForUniversalSegmentation")
    body: ClassVar[str] = "model.pixel_level_module.encoder"
    variants: ClassVar[Mapping[str, HubVariant]] = {
        "swin-t": HubVariant("facebook/mask2former-swin-tiny-ade-semantic", {"backbone_config": _swin()}),
        "swin-s": HubVariant(
            "facebook/mask2former-swin-small-ade-semantic", {"backbone_config": _swin(depths=[2, 2, 18, 2])}
        ),
        "tiny": HubVariant(
            config={
                "backbone_config": _swin(
                    embed_dim=16, depths=[1, 1, 1, 1], num_heads=[1, 2, 4, 8], drop_path_rate=0.0
                ),
                "feature_size": 32,
                "mask_feature_size": 32,
                "hidden_dim": 32,
                "encoder_feedforward_dim": 64,
                "encoder_layers": 1,
                "decoder_layers": 3,
                "num_attention_heads": 4,
                "dim_feedforward": 64,
                "num_queries": 20,
                "train_num_points": 512,
            }
        ),
    }

    @classmethod
    def settings_for(cls, info: DataInfo, options: SemanticOptions) -> dict[str, Any]:
        """Settings from the data and the options; the loss is part of the method."""
        if options.loss != SemanticOptions.loss or options.class_weights != SemanticOptions.class_weights:
            raise UsageError(
                "Model 'mask2former' has a loss of its own, over masks that are matched to classes. "
                f"Received --loss {options.loss} --class-weights {options.class_weights}; leave both out."
            )
        return super().settings_for(info, options)

    def config(self, variant: HubVariant) -> dict[str, Any]:
        """With the channels of the images."""
        body = {**variant.config["backbone_config"], "num_channels": self.settings["channels"]}
        return {**variant.config, "backbone_config": body}

    def build(self, pretrained: Pretrained) -> Any:
        """The library's network, whose loss was built with it."""
        network = super().build(pretrained)
        net: Any = network.net
        net.config.output_auxiliary_logits = True
        net.get_submodule(self.body).swin.layernorm = nn.Identity()  # of what nobody reads
        return network

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """{"logits": (B, K, H, W)}: logarithms of the votes for each class at each pixel.

        Also what the loss is computed from, but for an exported model: "classes" (B, L, Q, K + 1) and "masks"
        (B, L, Q, H / 4, W / 4) of Q queries after each of L layers, before softmax and sigmoid.
        """
        height, width = images.shape[2:]
        raw = self._raw(images)
        classes, masks = raw["classes"][:, -1].softmax(-1)[:, :, :-1], raw["masks"][:, -1]
        size = (4 * masks.shape[2], 4 * masks.shape[3])
        votes = torch.einsum("bqk,bqhw->bkhw", classes, enlarged(masks, size).sigmoid())
        logits = votes[:, :, :height, :width].clamp(min=EPS).log()
        return {"logits": logits} if torch.compiler.is_exporting() else {"logits": logits, **raw}

    def _raw(self, images: Tensor) -> dict[str, Tensor]:
        """Outputs of each layer for each query, in float32."""
        net: Any = self.network.net
        out = net(pixel_values=padded(self.normalize(images), self.multiple))
        layers = [(a["class_queries_logits"], a["masks_queries_logits"]) for a in out.auxiliary_logits]
        layers.append((out.class_queries_logits, out.masks_queries_logits))
        classes, masks = zip(*layers, strict=True)
        return {"classes": torch.stack(classes, 1).float(), "masks": torch.stack(masks, 1).float()}

    def loss(
        self,
        batch: Batch,
        rng: torch.Generator,
        part: str = "all",
        outputs: dict[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """{"loss": the sum over all layers, "class", "mask" and "dice" of the last}; section 3.3.

        Each class of an image is one mask. At pixels without a class all masks are taken for right, so that
        nothing is learnt there; the authors' program counts them as ground.
        """
        raw = self._raw(batch.images) if outputs is None else outputs
        target = padded(target_maps(batch), self.multiple, IGNORE_INDEX)
        labels = [classes_of_image.unique() for classes_of_image in target]
        labels = [classes_of_image[classes_of_image != IGNORE_INDEX] for classes_of_image in labels]
        masks = [(t == k[:, None, None]).float() for t, k in zip(target, labels, strict=True)]
        net: Any = self.network.net
        nowhere = F.interpolate((target == IGNORE_INDEX)[:, None].float(), raw["masks"].shape[-2:]) > 0
        drawn = raw["masks"].masked_fill(nowhere[:, None], -MAX_LOGIT)
        layers = zip(raw["classes"].unbind(1), drawn.unbind(1), strict=True)
        layer_outputs = [{"class_queries_logits": k, "masks_queries_logits": m} for k, m in layers]
        with seeded(rng):
            terms = net.get_loss_dict(
                **layer_outputs[-1],
                mask_labels=masks,
                class_labels=labels,
                auxiliary_predictions=layer_outputs[:-1],
            )
        named = {"class": "loss_cross_entropy", "mask": "loss_mask", "dice": "loss_dice"}
        return {"loss": torch.stack(list(terms.values())).sum(), **{k: terms[v] for k, v in named.items()}}


MODEL = Mask2Former
