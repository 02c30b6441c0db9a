"""Model: the base class of all networks that solve a task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from sightline.core.card import ModelCard
from sightline.core.inputs import InputSpec
from sightline.core.sample import Batch
from sightline.core.targets.base import Targets
from sightline.errors import UsageError


@dataclass(frozen=True)
class OptimizerGroup:
    """Parameters of a model with common optimizer settings.

    Attributes:
        parameters: What is trained; those without a gradient of their own are left alone.
        lr_scale: Factor of the recipe's learning rate, so that --lr and the schedule act on all groups.
        overrides: Settings of the optimizer in place of the recipe's, by the names of torch.optim
            ("betas", "weight_decay"); weight decay acts on matrices and kernels only.
        turn: Groups of one turn share a loss, a backward pass and a step. Where there are several turns, each
            step takes them in order, `Model.loss` is told whose turn it is, and the others are frozen.
        every: The turn comes in every so many steps (a critic may learn five times as often).
    """

    parameters: Sequence[nn.Parameter]
    lr_scale: float = 1.0
    overrides: Mapping[str, Any] = field(default_factory=dict)
    turn: str = "all"
    every: int = 1


class Model(nn.Module, ABC):
    """Base class of models: a network with its loss and its postprocessing.

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

    def set_normalization(self, mean: Sequence[float], std: Sequence[float]) -> None:
        """Set mean and standard deviation of the input normalization, as loaded weights need them."""
        self.settings["mean"], self.settings["std"] = list(mean), list(std)
        self.mean.copy_(torch.tensor(mean).reshape_as(self.mean))
        self.std.copy_(torch.tensor(std).reshape_as(self.std))

    def normalize(self, images: Tensor) -> Tensor:
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
    def postprocess(cls, outputs: dict[str, Tensor], settings: dict[str, Any]) -> dict[str, Tensor]:
        """Postprocessing with tensors only, which exported files contain. It has one form for each prediction
        type.

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
    def to_predictions(cls, answer: dict[str, Tensor], settings: dict[str, Any]) -> Any:
        """Predictions from the result of `postprocess`. Needs no weights."""

    @classmethod
    def predict_from_outputs(cls, outputs: dict[str, Tensor], settings: dict[str, Any]) -> Any:
        """Predictions from outputs: `postprocess`, then `to_predictions`."""
        return cls.to_predictions(cls.postprocess(outputs, settings), settings)

    def evidence(self, outputs: dict[str, Tensor], about: Targets) -> Tensor:
        """(B,) differentiable: how strongly outputs speak for a statement; what is explained. By default the
        kind of target says it: the logit of a class, the score of an object before suppression, the mean
        logit over a region.

        Args:
            outputs: Of `forward`, for B images.
            about: Of B images, each with one `Statement.about`, in pixels of the images.
        """
        return about.evidence({**outputs, **self.postprocess(outputs, self.settings)})

    def loss(
        self,
        batch: Batch,
        rng: torch.Generator,
        part: str = "all",
        outputs: dict[str, Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Named scalars; "loss" is minimized, all are logged. Empty for a model without a loss.

        Args:
            batch: Images and targets.
            rng: Source of every draw that the loss makes.
            part: Whose turn it is, where groups take turns; "all" in validation.
            outputs: What `forward` gave for this batch, where it is already at hand.
        """
        del batch, rng, part, outputs
        return {}

    def fit(self, batches: Iterable[Batch], seed: int) -> str:
        """Fit the model to all training images at once, if the card says `trainer="fit"`. The result is
        stored in buffers, which are saved with the run.

        Args:
            batches: All training images once, as they are, in the order of the data.
            seed: Seed of every draw.

        Returns:
            What was fitted, in words.
        """
        raise NotImplementedError(f"{type(self).__name__} has trainer 'fit' and no method fit")

    def distillation_loss(self, outputs: dict[str, Tensor], goal: dict[str, Tensor]) -> dict[str, Tensor]:
        """Distillation losses: named distances of outputs from a teacher's; by default the mean squared
        errors. Raises RuntimeError if their shapes cannot be compared, UsageError if no outputs can.
        """
        learnt = [name for name in outputs if outputs[name].requires_grad]
        return {name: (outputs[name] - goal[name].view_as(outputs[name])).square().mean() for name in learnt}

    def fit_head(self, features: Tensor, target: Any, val_features: Tensor, val_target: Any) -> str:
        """Fit the backbone's head as a linear model on features; returns a description in words.

        Args:
            features: (N, D) of training images, as the backbone gives them.
            target: Their targets.
            val_features: (M, D) of validation images, by which the penalty is chosen.
            val_target: Their targets.

        Raises:
            UsageError: If the model has no such head.
        """
        raise UsageError(f"Model '{self.card.name}' has no head for --probe. Use --no-probe.")

    def optimizer_groups(self) -> Mapping[str, OptimizerGroup]:
        """Trainable parameters by group; by default one group of all."""
        return {"all": OptimizerGroup([p for p in self.parameters() if p.requires_grad])}

    def on_step_end(self, step: int, progress: float) -> None:
        """Hook after each optimizer step, for example for moving averages of weights or codebooks. State
        between steps must be in buffers, or in parameters without gradients, so that a run can be resumed.

        Args:
            step: Number of the step, from 1.
            progress: How much of training is done, in [0, 1].
        """

    def backbone(self) -> nn.Module | None:
        """The part into which weights are loaded and that `--freeze` freezes, or None."""
        return None
