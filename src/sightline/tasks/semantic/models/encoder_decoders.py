"""Decoders of segmentation-models-pytorch on any encoder of timm: U-Net, FPN, DeepLabV3+ and others."""

from __future__ import annotations

from sightline.core.card import ModelCard
from sightline.models.weights import embedded
from sightline.tasks.semantic.models import _smp


def _decoder(
    name: str,
    architecture: str,
    parameters: int,
    summary: str,
    paper: str,
    ups: tuple[str, ...] = ("bilinear",),
) -> type[_smp.EncoderDecoder]:
    """The network of one decoder.

    Args:
        name: As a user writes it.
        architecture: The library's class.
        parameters: How many it has with the encoder that is its own, for 21 classes.
        summary: For its card.
        paper: For its card.
        ups: Values of `--up` that it can be built with.
    """

    class Decoder(_smp.EncoderDecoder):
        __doc__ = summary
        card = ModelCard(
            name=name,
            summary=summary,
            paper=paper,
            parameters=parameters,
            counted=_smp.COUNTED,
            stride=32,
            any_sides=True,
            defaults=_smp.DEFAULTS,
            tuned_backbone=embedded.DEFAULT,
            tuned_defaults=_smp.TUNED,
        )

    Decoder.architecture, Decoder.ups = architecture, ups
    return Decoder


_BOTH = ("bilinear", "nearest")

MODELS = {
    "unet": _decoder(
        "unet",
        "Unet",
        14_331_109,
        "U-Net's decoder on any encoder of timm: maps of all depths are joined on the way up.",
        "Ronneberger, Fischer, Brox, U-Net, MICCAI 2015",
        ups=_BOTH,
    ),
    "unetplusplus": _decoder(
        "unetplusplus",
        "UnetPlusPlus",
        15_973_349,
        "U-Net with nested dense paths between encoder and decoder, on any encoder of timm.",
        "Zhou et al., UNet++: A Nested U-Net Architecture, DLMIA 2018",
        ups=_BOTH,
    ),
    "fpn": _decoder(
        "fpn",
        "FPN",
        13_049_813,
        "A feature pyramid whose levels are brought to one size and added, on any encoder of timm.",
        "Kirillov et al., Panoptic Feature Pyramid Networks, CVPR 2019; Lin et al., FPN, CVPR 2017",
        ups=_BOTH,
    ),
    "linknet": _decoder(
        "linknet",
        "Linknet",
        11_664_437,
        "U-Net's form with maps added rather than joined: small and fast, on any encoder of timm.",
        "Chaurasia, Culurciello, LinkNet, VCIP 2017",
    ),
    "manet": _decoder(
        "manet",
        "MAnet",
        21_678_373,
        "U-Net's form with attention over places and over channels, on any encoder of timm.",
        "Fan et al., MA-Net: A Multi-Scale Attention Network for ... Segmentation, IEEE Access 2020",
        ups=_BOTH,
    ),
    "pspnet": _decoder(
        "pspnet",
        "PSPNet",
        928_565,
        "Means over the image's parts at four sizes beside each place, on any encoder of timm; fast.",
        "Zhao et al., Pyramid Scene Parsing Network, CVPR 2017",
    ),
    "deeplabv3plus": _decoder(
        "deeplabv3plus",
        "DeepLabV3Plus",
        12_334_437,
        "Dilated convolutions at several rates, refined by a fine map, on any encoder of timm.",
        "Chen et al., Encoder-Decoder with Atrous Separable Convolution, ECCV 2018",
    ),
    "segformer": _decoder(
        "segformer",
        "Segformer",
        11_773_525,
        "SegFormer's decoder, a mixing of four levels by 1x1 convolutions, on any encoder of timm.",
        "Xie et al., SegFormer, NeurIPS 2021",
    ),
    "upernet": _decoder(
        "upernet",
        "UPerNet",
        19_496_661,
        "Pyramid pooling and a feature pyramid in one, on any encoder of timm.",
        "Xiao et al., Unified Perceptual Parsing for Scene Understanding, ECCV 2018",
    ),
}
