"""D-FINE: a detection transformer that refines a distribution for each side of a box, layer by layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from sightline.core.card import ModelCard
from sightline.tasks.detect.models._transformers import DetrVariant, TransformersDetector

CARD = ModelCard(
    name="dfine",
    summary="Transformer refining box distributions (extra 'transformers'; variants nano to xlarge, tiny).",
    paper="Peng et al., D-FINE: Redefine Regression Task in DETRs as Fine-grained ... Refinement, ICLR 2025",
    parameters=10_321_875,
    counted="small, 80 classes",
    stride=32,
    any_sides=True,
    defaults={"batch_size": 8, "lr": 2e-4, "weight_decay": 1e-4, "clip_grad": 0.1},
    ignores=("nms",),
)


def _body(
    stem: Sequence[int], middle: int, out: Sequence[int], blocks: Sequence[int], layers: int, affine: bool
) -> dict[str, Any]:
    """HGNetV2: channels of the stem, inner width of the first stage (doubled in each), outer widths,
    blocks of each stage, layers of a block, and whether activations are scaled by learnt numbers."""
    return {
        "model_type": "hgnet_v2",
        "stem_channels": list(stem),
        "embedding_size": stem[-1],
        "hidden_sizes": list(out),
        "stage_in_channels": [stem[-1], *out[:-1]],
        "stage_mid_channels": [middle * 2**i for i in range(4)],
        "stage_out_channels": list(out),
        "stage_num_blocks": list(blocks),
        "stage_numb_of_layers": [layers] * 4,
        "use_learnable_affine_block": affine,
    }


def _neck(out: Sequence[int], **more: Any) -> dict[str, Any]:
    return {"encoder_in_channels": list(out[1:]), "decoder_n_points": [3, 6, 3], **more}


B0 = ([16, 16], 16, [64, 256, 512, 1024], [1, 1, 2, 1], 3, True)
B2 = ([24, 32], 32, [96, 384, 768, 1536], [1, 1, 3, 1], 4, True)
B4 = ([32, 48], 48, [128, 512, 1024, 2048], [1, 1, 3, 1], 6, False)
B5 = ([32, 64], 64, [128, 512, 1024, 2048], [1, 2, 5, 2], 6, False)


class DFINE(TransformersDetector):
    """D-FINE."""

    card: ClassVar[ModelCard] = CARD
    family: ClassVar[str] = "DFine"
    criterion: ClassVar[tuple[str, str]] = ("loss_d_fine", "DFineLoss")
    variants: ClassVar[Mapping[str, DetrVariant]] = {
        "small": DetrVariant(
            "ustc-community/dfine-small-coco",
            _body(*B0),
            _neck(B0[2], depth_mult=0.34, hidden_expansion=0.5, decoder_layers=3),
        ),
        "nano": DetrVariant(
            "ustc-community/dfine-nano-coco",
            {**_body(*B0), "out_indices": [3, 4]},
            {
                "encoder_in_channels": [512, 1024],
                "encoder_hidden_dim": 128,
                "encoder_ffn_dim": 512,
                "encode_proj_layers": [1],
                "feat_strides": [16, 32],
                "num_feature_levels": 2,
                "d_model": 128,
                "decoder_in_channels": [128, 128],
                "decoder_ffn_dim": 512,
                "decoder_n_points": [6, 6],
                "decoder_layers": 3,
                "depth_mult": 0.5,
                "hidden_expansion": 0.34,
            },
        ),
        "medium": DetrVariant(
            "ustc-community/dfine-medium-coco",
            _body(*B2),
            _neck(B2[2], depth_mult=0.67, decoder_layers=4),
        ),
        "large": DetrVariant("ustc-community/dfine-large-coco", _body(*B4), _neck(B4[2])),
        "xlarge": DetrVariant(
            "ustc-community/dfine-xlarge-coco",
            _body(*B5),
            _neck(B5[2], encoder_hidden_dim=384, encoder_ffn_dim=2048, decoder_in_channels=[384, 384, 384]),
        ),
        "tiny": DetrVariant(
            body=_body([8, 16], 16, [32, 64, 128, 256], [1, 1, 1, 1], 2, True),
            rest=_neck(
                [32, 64, 128, 256],
                encoder_hidden_dim=64,
                encoder_ffn_dim=128,
                decoder_in_channels=[64, 64, 64],
                decoder_ffn_dim=128,
                decoder_layers=2,
                d_model=64,
                depth_mult=0.34,
                hidden_expansion=0.5,
                num_queries=100,
            ),
        ),
    }


MODEL = DFINE
