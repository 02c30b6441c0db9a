"""Model: how a task is answered."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from sightline.core.card import ModelCard
from sightline.core.inputs import InputSpec
from sightline.core.sample import Batch
from sightline.errors import UsageError


class Model(nn.Module, ABC):
    """A network with its loss and the way to read its outputs.

    Args:
        settings: All that is needed to build it and to read its outputs, JSON-able. At least
            `mean` and `std` (per channel, of images in [0, 1]), `channels`, `size` (height, width), and
            what `InputSpec.settings` gives.
    """

    card: ClassVar[ModelCard]
    mean: Tensor
    std: Tensor

    def __init__(self, settings: dict[str, Any]) -> None:
        super().__init__()
        self.settings = settings
        axes = len(InputSpec.of(settings).shape) - 1
        for name in ("mean", "std"):
            values = torch.tensor(settings[name]).reshape(1, -1, *[1] * axes)
            self.register_buffer(name, values, persistent=False)

    def set_pixels(self, mean: Sequence[float], std: Sequence[float]) -> None:
        """Normalise pictures otherwise: as loaded weights were trained with."""
        self.settings["mean"], self.settings["std"] = list(mean), list(std)
        self.mean.copy_(torch.tensor(mean).reshape_as(self.mean))
        self.std.copy_(torch.tensor(std).reshape_as(self.std))

    def normalise(self, images: Tensor) -> Tensor:
        """(B, C, *S) uint8, or float in [0, 1], to zero mean and unit deviation; S of any rank."""
        full, width = 255 if images.dtype == torch.uint8 else 1, images.shape[-1]
        shift, scale = -self.mean / self.std, 1 / (full * self.std)
        if (
            torch.compiler.is_exporting() or images.ndim != 4
        ):  # what follows is for PyTorch; other runtimes take longer for it
            return images.float() * scale + shift
        # In rows of width x channels: broadcasting over three channels is not vectorised on a CPU.
        rows = images.float().permute(0, 2, 3, 1).flatten(2)
        shift, scale = (value.flatten().repeat(width) for value in (shift, scale))
        # Into the numbers just made, if they are ours: fresh memory would take as long as the arithmetic.
        target = rows if images.dtype == torch.uint8 else None
        rows = torch.addcmul(shift, rows, scale, out=target)
        return rows.reshape(*rows.shape[:2], width, -1).permute(0, 3, 1, 2)

    @abstractmethod
    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Named outputs for (B, C, H, W) images, uint8 or float in [0, 1]. Exportable.

        A clip or volume is (B, C, T or D, H, W); of several inputs, each is an argument, in the order of
        `InputSpec.names`.
        """

    @classmethod
    def answer(cls, outputs: dict[str, Tensor], settings: dict[str, Any]) -> dict[str, Tensor]:
        """The arithmetic half of `decode`, which exported files do themselves. One form for each prediction.

        Returns:
            label: "scores" (B, K) in [0, 1]. number: "value" (B, M). masks: "classes" (B, H, W) uint8.
            instances and outlines: "boxes" (B, N, 4) in pixels of the images, "scores" (B, N) and "labels"
            (B, N), not yet cut off or suppressed; with "count" (B,) they are, and padded with zeros.
            A form of its own can be read by this toolkit only.
        """
        del settings
        return outputs

    @classmethod
    @abstractmethod
    def read(cls, answer: dict[str, Tensor], settings: dict[str, Any]) -> Any:
        """The other half: predictions from `answer`. Needs no weights."""

    @classmethod
    def decode(cls, outputs: dict[str, Tensor], settings: dict[str, Any]) -> Any:
        """Predictions from outputs."""
        return cls.read(cls.answer(outputs, settings), settings)

    @abstractmethod
    def loss(
        self,
        batch: Batch,
        rng: torch.Generator,
        part: str = "all",
        outputs: dict[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Named scalars; "loss" is minimised, all are logged.

        Args:
            batch: Images and truths.
            rng: Source of every draw that the loss makes.
            part: Whose turn it is, where there are several parts.
            outputs: What `forward` gave for this batch, where it is already at hand.
        """

    def imitate(self, outputs: dict[str, Tensor], goal: dict[str, Tensor]) -> dict[str, Tensor]:
        """Named scalars: how far outputs are from a teacher's; left as it is, the mean squares of each.
        Raises RuntimeError where their shapes cannot be compared, UsageError where none can."""
        learnt = [name for name in outputs if outputs[name].requires_grad]
        return {name: (outputs[name] - goal[name].view_as(outputs[name])).square().mean() for name in learnt}

    def fit_head(self, features: Tensor, target: Any, val_features: Tensor, val_target: Any) -> str:
        """Make the backbone's head the best linear one on features; what was fitted, in words.

        Args:
            features: (N, D) of training images, as the backbone gives them.
            target: Their truths.
            val_features: (M, D) of validation images, by which the penalty is chosen.
            val_target: Their truths.

        Raises:
            UsageError: If the model has no such head.
        """
        raise UsageError(f"Model '{self.card.name}' has no head for --probe. Use --no-probe.")

    def parts(self) -> dict[str, list[nn.Parameter]]:
        """Trainable parameters by part; several parts have one optimiser each."""
        return {"all": [p for p in self.parameters() if p.requires_grad]}

    def backbone(self) -> nn.Module | None:
        """The part that weights are loaded into and that `--freeze` holds still, or None."""
        return None
