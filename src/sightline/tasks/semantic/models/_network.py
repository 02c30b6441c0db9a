"""Base class of the networks: settings, padding to the stride, reading of outputs, loss."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sightline.core.model import Model
from sightline.core.sample import Batch
from sightline.core.targets.masks import SemanticMasks
from sightline.core.task import DataInfo
from sightline.errors import UnknownName, UsageError
from sightline.losses import distillation
from sightline.losses.semantic import parse
from sightline.models import registry
from sightline.models.adapters import base
from sightline.models.weights.download import Pretrained
from sightline.tasks.semantic.options import SemanticOptions

AUX = 0.4
"""Weight of an auxiliary head's loss (Zhao et al., PSPNet, CVPR 2017, section 3.3)."""


class SegmentationModel(Model):
    """A network with a score for each class at each pixel.

    Args:
        settings: See `settings_for`; the recipe's `size`, `mean`, `std` and `channels` beside it.
        pretrained: Published weights: no, auto or yes.
    """

    own: ClassVar[str | None] = None
    """What `--backbone own` stands for, where the method takes other networks too; None: it takes none."""
    variants: ClassVar[Collection[str]] = ()
    """Names of the method's networks, the usual one first; empty: there is one only."""
    ups: ClassVar[tuple[str, ...]] = ("bilinear",)
    """Values of `--up` that it can be built with."""
    multiple: int = 32
    """Images are padded to sides that are multiples of this."""
    weights: Tensor | None

    def __init__(self, settings: dict[str, Any], pretrained: Pretrained = "no") -> None:
        super().__init__(settings)
        self.criterion = parse(settings["loss"])
        weights = settings["class_weights"]
        class_weights = None if weights is None else torch.tensor(weights)
        self.register_buffer("weights", class_weights, persistent=False)
        self.network = self.build(pretrained)

    @abstractmethod
    def build(self, pretrained: Pretrained) -> base.LibraryNetwork:
        """Build the network from `settings`."""

    @classmethod
    def settings_for(cls, info: DataInfo, options: SemanticOptions) -> dict[str, Any]:
        """Settings that follow from the data and the options.

        Raises:
            UnknownName: If there is no such loss, variant or backbone.
            UsageError: If this method does not go with an option.
        """
        assert info.classes is not None
        parse(options.loss)
        return {
            "classes": list(info.classes.names),
            "class_ids": list(info.classes.ids),
            "loss": options.loss,
            "class_weights": _balanced(info) if options.class_weights == "balanced" else None,
            "backbone": cls._backbone_for(options.backbone),
            "variant": cls._variant_for(options.variant),
            "up": cls._up_for(options.up),
        }

    @classmethod
    def _variant_for(cls, variant: str | None) -> str | None:
        if variant is None:
            return next(iter(cls.variants), None)
        if not cls.variants:
            raise UsageError(f"Model '{cls.card.name}' has no variants. Received --variant {variant}.")
        if variant not in cls.variants:
            raise UnknownName(f"variant of model '{cls.card.name}'", variant, cls.variants)
        return variant

    @classmethod
    def _backbone_for(cls, backbone: str) -> str | None:
        if backbone in ("auto", "own"):
            return cls.own
        if cls.own is None:
            other = f" Its variants are {', '.join(cls.variants)}." if cls.variants else ""
            raise UsageError(
                f"Model '{cls.card.name}' has a backbone of its own. Received --backbone {backbone}.{other}"
            )
        if backbone != cls.own:
            cls.check_backbone(backbone)
        return backbone

    @classmethod
    def check_backbone(cls, name: str) -> None:
        """Refuse an unsuitable backbone before anything is built.

        Raises:
            UnknownName: If there is no such network; suggests the nearest.
            UsageError: If it is of the wrong kind.
        """
        registry.card(name)

    @classmethod
    def _up_for(cls, up: str) -> str:
        if up not in cls.ups:
            raise UsageError(
                f"Model '{cls.card.name}' cannot enlarge its maps by --up {up}. "
                f"It takes {' or '.join(cls.ups)}; unet2015 and dag-rnn take all ways."
            )
        return up

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """{"logits": (B, K, H, W)} for (B, C, H, W) images of any size.

        Also "aux" (B, K, H, W) in training, where a method has an auxiliary head.
        """
        height, width = images.shape[2:]
        outputs = self.outputs_of(padded(self.normalize(images), self.multiple))
        return {name: value[:, :, :height, :width] for name, value in outputs.items()}

    def outputs_of(self, pixels: Tensor) -> dict[str, Tensor]:
        """Class scores at each pixel of normalized images whose sides are multiples of `multiple`."""
        return {"logits": self.network.net(pixels)}

    @classmethod
    def postprocess(cls, outputs: dict[str, Tensor], settings: dict[str, Any]) -> dict[str, Tensor]:
        """Argmax: the class with the highest score at each pixel."""
        return {"classes": outputs["logits"].argmax(1).to(torch.uint8)}

    @classmethod
    def to_predictions(cls, answer: dict[str, Tensor], settings: dict[str, Any]) -> SemanticMasks:
        """The maps as they are."""
        return SemanticMasks.of(answer["classes"])

    def loss(
        self,
        batch: Batch,
        rng: torch.Generator,
        part: str = "all",
        outputs: dict[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """{"loss": the sum, and its terms by name}; in training with 0.4 times the same of "aux"."""
        raw = outputs or self(batch.images)
        target = target_maps(batch)
        terms: dict[str, Tensor] = self.criterion(raw["logits"].float(), target, self.weights)
        if "aux" not in raw:
            return terms
        aux = AUX * self.criterion(raw["aux"].float(), target, self.weights)["loss"]
        return {**terms, "loss": terms["loss"] + aux, "aux": aux}

    def distillation_loss(self, outputs: dict[str, Tensor], goal: dict[str, Tensor]) -> dict[str, Tensor]:
        """{"taught": KL divergence from the teacher's class probabilities, mean over pixels}."""
        return {
            "taught": distillation.classes(
                outputs["logits"], distillation.enlarged(goal["logits"], outputs["logits"])
            )
        }

    def backbone(self) -> base.LibraryNetwork:
        """The whole network; `--freeze` freezes its encoder."""
        return self.network


def target_maps(batch: Batch) -> Tensor:
    """(B, H, W) int64 class of each pixel, VOID where it has none."""
    masks: SemanticMasks = batch.targets
    return masks.dense().to(batch.images.device, torch.int64)


def padded(pixels: Tensor, multiple: int, value: float = 0.0) -> Tensor:
    """Pad maps (..., H, W) with a value at the right and bottom to a multiple."""
    height, width = pixels.shape[-2:]
    right, below = -width % multiple, -height % multiple
    return F.pad(pixels, (0, right, 0, below), value=value) if right or below else pixels


def enlarged(maps: Tensor, size: torch.Size | tuple[int, ...]) -> Tensor:
    """Bilinear upsampling of maps (B, K, h, w) to (B, K, *size)."""
    return F.interpolate(maps, size=tuple(size), mode="bilinear", align_corners=False)


def try_out(net: nn.Module, channels: int, size: tuple[int, int], what: str) -> None:
    """Run one empty image through a network: a misfit becomes an error in words.

    Args:
        net: The network.
        channels: Channels of the images.
        size: Their (height, width).
        what: The network, in words.

    Raises:
        UsageError: If it cannot take such images.
    """
    image = padded(torch.zeros(1, channels, *size), 32)
    training = net.training
    try:
        with torch.no_grad():
            net.eval()(image)
    except (RuntimeError, AssertionError, ValueError) as error:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UsageError(
            f"{what} cannot take images of {size[0]}x{size[1]} ({first}). Use another --backbone or --size."
        ) from error
    finally:
        net.train(training)


def _balanced(info: DataInfo) -> list[float]:
    """Class weights in inverse proportion to pixel counts, 1 on average over pixels; missing classes get
    1.
    """
    class_count = sum(c > 0 for c in info.class_counts)
    return [sum(info.class_counts) / (class_count * c) if c else 1.0 for c in info.class_counts]
