"""RT-DETRv2: a real-time detection transformer; no NMS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from sightline.core.card import ModelCard
from sightline.tasks.detect.models._transformers import DetrVariant, TransformersDetector

CARD = ModelCard(
    name="rtdetr",
    summary="Detection transformer (extra 'transformers'; variants r18, r34, r50, r101, tiny).",
    paper="Zhao et al., DETRs Beat YOLOs on Real-time Object Detection, CVPR 2024; v2: Lv et al., 2024",
    parameters=20_184_464,
    counted="r18, 80 classes",
    stride=32,
    any_sides=True,
    defaults={"batch_size": 8, "lr": 1e-4, "weight_decay": 1e-4, "clip_grad": 0.1},
    ignores=("nms",),
)


def _body(depths: list[int], **more: Any) -> dict[str, Any]:
    return {"model_type": "rt_detr_resnet", "depths": depths, **more}


def _basic(depths: list[int], *, width: int = 64) -> dict[str, Any]:
    """A residual network of blocks with two convolutions."""
    widths = [width * 2**i for i in range(4)]
    return _body(depths, embedding_size=width, hidden_sizes=widths, layer_type="basic")


class RTDETR(TransformersDetector):
    """RT-DETRv2."""

    card: ClassVar[ModelCard] = CARD
    family: ClassVar[str] = "RTDetrV2"
    criterion: ClassVar[tuple[str, str]] = ("loss_rt_detr", "RTDetrLoss")
    variants: ClassVar[Mapping[str, DetrVariant]] = {
        "r18": DetrVariant(
            "PekingU/rtdetr_v2_r18vd",
            _basic([2, 2, 2, 2]),
            {"encoder_in_channels": [128, 256, 512], "hidden_expansion": 0.5, "decoder_layers": 3},
        ),
        "r34": DetrVariant(
            "PekingU/rtdetr_v2_r34vd",
            _basic([3, 4, 6, 3]),
            {"encoder_in_channels": [128, 256, 512], "hidden_expansion": 0.5, "decoder_layers": 4},
        ),
        "r50": DetrVariant("PekingU/rtdetr_v2_r50vd", _body([3, 4, 6, 3])),
        "r101": DetrVariant(
            "PekingU/rtdetr_v2_r101vd",
            _body([3, 4, 23, 3]),
            {"encoder_hidden_dim": 384, "encoder_ffn_dim": 2048, "decoder_in_channels": [384] * 3},
        ),
        "tiny": DetrVariant(
            body=_basic([1, 1, 1, 1], width=32),
            rest={
                "encoder_in_channels": [64, 128, 256],
                "encoder_hidden_dim": 64,
                "encoder_ffn_dim": 128,
                "decoder_in_channels": [64] * 3,
                "decoder_ffn_dim": 128,
                "decoder_layers": 2,
                "d_model": 64,
                "hidden_expansion": 0.5,
                "num_queries": 100,
            },
        ),
    }


MODEL = RTDETR
