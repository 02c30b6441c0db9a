"""Knowledge distillation: the loss combines the targets and the outputs of a teacher."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from sightline.core.model import Model
from sightline.core.sample import Batch
from sightline.errors import UsageError


@dataclass(frozen=True)
class Teacher:
    """A trained model as the teacher of another one. Its weights do not change.

    Attributes:
        model: In evaluation mode, on the device of the student.
        share: Of the loss that is the distance to what it says, in [0, 1].
        name: Its run, in words.
    """

    model: Model
    share: float
    name: str

    def losses(self, student: Model, batch: Batch, rng: torch.Generator, part: str) -> dict[str, Tensor]:
        """As `Model.loss`, with a weighted mean of both losses as "loss"; the task's own is "target"."""
        outputs = student(batch.images)
        terms = student.loss(batch, rng, part, outputs=outputs)
        far = student.distillation_loss(outputs, self.teacher_outputs(batch.images))
        taught = torch.stack([value.float() for value in far.values()]).sum()
        loss = (1 - self.share) * terms["loss"] + self.share * taught
        return {**terms, **far, "target": terms["loss"], "loss": loss}

    @torch.no_grad()
    def teacher_outputs(self, images: Tensor) -> dict[str, Tensor]:
        """Outputs of the teacher for (B, C, H, W) images, which are resized to its input size;
        clips are taken as they are."""
        height, width = self.model.settings["size"]
        if images.ndim == 4 and images.shape[2:] != (height, width):
            images = images.float() / 255 if images.dtype == torch.uint8 else images
            images = F.interpolate(images, size=(height, width), mode="bilinear", antialias=True)
        return self.model(images)  # type: ignore[no-any-return]

    def check(self, student: Model, images: Tensor) -> None:
        """Check that the outputs of both models can be compared.

        Args:
            student: A model like the one that will be trained, on the teacher's device.
            images: (B, C, H, W) images of the size that it will see.

        Raises:
            UsageError: If they cannot.
        """
        student_outputs, goal = student.train()(images), self.teacher_outputs(images)
        try:
            student.distillation_loss(student_outputs, goal)
        except (KeyError, RuntimeError) as error:
            shapes = [
                ", ".join(f"{name} {list(value.shape[1:])}" for name, value in outputs.items())
                for outputs in (student_outputs, goal)
            ]
            raise UsageError(
                f"--teacher {self.name}: what it says cannot be compared with what this model says. "
                f"This model: {shapes[0]}. The teacher: {shapes[1]}. Choose a --model of its kind, with the "
                "teacher's --size."
            ) from error
