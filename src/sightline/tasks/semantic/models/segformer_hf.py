"""SegFormer: a hierarchical transformer with feature maps at four strides, and a decoder of 1x1
convolutions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from torch import Tensor

from sightline.core.card import ModelCard
from sightline.tasks.semantic.models._network import enlarged
from sightline.tasks.semantic.models._transformers import HubVariant, TransformersSegmenter

CARD = ModelCard(
    name="segformer-hf",
    summary="SegFormer on its own encoder (extra 'transformers'; variants b0, b1, b2, tiny). The published "
    "weights are NVIDIA's, for research only.",
    paper="Xie et al., SegFormer: Simple and Efficient Design for Semantic Segmentation, NeurIPS 2021",
    parameters=3_719_541,
    counted="b0, 21 classes",
    stride=32,
    any_sides=True,
    defaults={"batch_size": 8, "lr": 2e-4, "weight_decay": 0.01},
)


def _sizes(hidden: Sequence[int], depths: Sequence[int], decoder: int, **more: Any) -> dict[str, Any]:
    """Table 6 of the paper."""
    return {
        "hidden_sizes": list(hidden),
        "depths": list(depths),
        "decoder_hidden_size": decoder,
        **more,
    }


class SegFormer(TransformersSegmenter):
    """SegFormer."""

    card: ClassVar[ModelCard] = CARD
    kinds: ClassVar[tuple[str, str]] = ("SegformerConfig", "SegformerForSemanticSegmentation")
    body: ClassVar[str] = "segformer"
    variants: ClassVar[Mapping[str, HubVariant]] = {
        "b0": HubVariant(
            "nvidia/segformer-b0-finetuned-ade-512-512", _sizes((32, 64, 160, 256), (2, 2, 2, 2), 256)
        ),
        "b1": HubVariant(
            "nvidia/segformer-b1-finetuned-ade-512-512", _sizes((64, 128, 320, 512), (2, 2, 2, 2), 256)
        ),
        "b2": HubVariant(
            "nvidia/segformer-b2-finetuned-ade-512-512", _sizes((64, 128, 320, 512), (3, 4, 6, 3), 768)
        ),
        "tiny": HubVariant(
            config=_sizes((16, 32, 64, 128), (1, 1, 1, 1), 64, num_attention_heads=[1, 2, 4, 8])
        ),
    }

    def config(self, variant: HubVariant) -> dict[str, Any]:
        """With the channels of the images."""
        return {"num_channels": self.settings["channels"], **variant.config}

    def outputs_of(self, pixels: Tensor) -> dict[str, Tensor]:
        """Scores at a quarter of the size, upsampled."""
        scores: Tensor = self.network.net(pixel_values=pixels).logits
        return {"logits": enlarged(scores, pixels.shape[2:])}


MODEL = SegFormer
