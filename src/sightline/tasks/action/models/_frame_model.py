"""Models that look at each frame with a 2-D network, and then at the features of all frames."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from sightline.core.task import DataInfo
from sightline.models import registry
from sightline.models.weights.download import Pretrained
from sightline.tasks.action.models._clip_model import ClipModel, fold_frames
from sightline.tasks.action.models._frame_net import FrameNet
from sightline.tasks.action.options import ActionOptions


class FrameModel(ClipModel):
    """(B, T, D) features of frames, from `FrameNet` or any backbone by name. A subclass makes logits of them.

    Args:
        settings: See `ClipModel`; `backbone` is "own" or a name of `sightline models`.
        pretrained: no, auto or yes: published weights of a backbone by name.

    Attributes:
        takes_features: Whether clips are features of frames already; see `training/frozen_frames.py`.
    """

    takes_features: bool = False

    def __init__(self, settings: dict[str, Any], pretrained: Pretrained = "no") -> None:
        super().__init__(settings)
        name, size = settings["backbone"], settings["size"]
        self.network: nn.Module
        if name in ("own", "auto"):
            self.network = FrameNet(settings["channels"], size)
            self.width = FrameNet.width
            return
        network = registry.create(
            name,
            outputs=len(settings["classes"]),
            channels=settings["channels"],
            size=(size[0], size[1]),
            pretrained=pretrained,
        )
        network.head = nn.Identity()
        with torch.no_grad():
            self.width = network.eval()(torch.zeros(1, settings["channels"], *size)).shape[1]
        self.network = network.train()

    @staticmethod
    def settings_for(info: DataInfo, options: ActionOptions) -> dict[str, Any]:
        """Settings that follow from the data and the options.

        Raises:
            UnknownName: If there is no such backbone.
        """
        if options.backbone not in ("own", "auto"):
            registry.card(options.backbone)
        return {**ClipModel.settings_for(info, options), "backbone": options.backbone}

    def frame_features(self, clips: Tensor) -> Tensor:
        """(B, C, T, H, W) to (B, T, D); what is features already, (B, D, T, 1, 1), is put in order only."""
        if self.takes_features:
            return clips[..., 0, 0].transpose(1, 2)
        frames = clips.shape[2]
        features: Tensor = self.network(fold_frames(self.normalize(clips)))
        return features.reshape(-1, frames, self.width)

    def backbone(self) -> nn.Module | None:
        """The network of the frames, where it is one by name."""
        return None if isinstance(self.network, FrameNet) else self.network
