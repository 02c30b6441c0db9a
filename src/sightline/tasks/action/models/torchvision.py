"""torchvision's networks of clips, by name."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn

from sightline.core.card import ModelCard
from sightline.core.task import DataInfo
from sightline.errors import SightlineError
from sightline.models.adapters.torchvision_video import VARIANTS, VideoBackbone, require_size
from sightline.models.weights.download import Pretrained
from sightline.tasks.action.models._clip_model import ClipModel
from sightline.tasks.action.options import ActionOptions

CARD = ModelCard(
    name="torchvision",
    summary=f"Networks of torchvision (variants {', '.join(VARIANTS)}).",
    paper="Tran et al., CVPR 2018; Xie et al., ECCV 2018; Li et al., CVPR 2022; Liu et al., CVPR 2022",
    parameters=11_484_389,
    counted="mc3_18, 5 classes, 1x8x16x16",
    defaults={"lr": 5e-4, "epochs": 30, "batch_size": 16},
    ignores=("backbone",),
)


class TorchvisionVideo(ClipModel):
    """A network of torchvision, from scratch or from the weights of a file (--weights).

    Args:
        settings: See `ClipModel`; `variant` is torchvision's name of the network.
        pretrained: no, auto or yes; nothing is downloaded.

    Raises:
        SightlineError: If published weights are asked for.
    """

    card: ClassVar[ModelCard] = CARD

    def __init__(self, settings: dict[str, Any], pretrained: Pretrained = "no") -> None:
        super().__init__(settings)
        if pretrained == "yes":
            raise SightlineError(
                f"Weights of torchvision's {settings['variant']} are not downloaded. Give them as a file: "
                "--weights FILE.safetensors."
            )
        self.network = VideoBackbone(settings["variant"], len(settings["classes"]), settings["channels"])

    @staticmethod
    def settings_for(info: DataInfo, options: ActionOptions) -> dict[str, Any]:
        """Settings that follow from the data and the options.

        Raises:
            UnknownName: If there is no such variant.
            UsageError: If it cannot take clips of this size.
        """
        variant = next(iter(VARIANTS)) if options.variant == "auto" else options.variant
        height, width = info.size
        require_size(variant, info.channels, info.frames or options.frames, (height, width))
        return {**ClipModel.settings_for(info, options), "variant": variant}

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """{"logits": (B, K)} for (B, C, T, H, W) clips."""
        return {"logits": self.network(self.normalize(images))}

    def backbone(self) -> nn.Module:
        """The whole network; `--freeze` freezes all but its head."""
        return self.network


MODEL = TorchvisionVideo
