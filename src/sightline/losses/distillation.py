"""Knowledge-distillation losses, one for each kind of output.

Sources: Hinton, Vinyals, Dean, Distilling the knowledge in a neural network, 2015 (softened classes); Zheng
et al., Localization distillation for dense object detection, CVPR 2022 (box sides as distributions).
"""

from __future__ import annotations

from typing import NoReturn

from torch import Tensor
from torch.nn import functional as F

from sightline.errors import UsageError

Outputs = dict[str, Tensor]

TEMPERATURE = 4.0
"""What the scores of a whole image are divided by, so that the unlikely classes are heard too."""


def classes(outputs: Tensor, goal: Tensor, temperature: float = 1.0) -> Tensor:
    """KL divergence between softened class distributions, the mean over images and pixels.

    Multiplied by the square of the temperature, so that gradients keep their size (Hinton et al., section 2).

    Args:
        outputs: (B, K, ...) scores before the softmax.
        goal: The teacher's, likewise.
        temperature: What both are divided by.
    """
    student, wanted = ((x.float() / temperature).log_softmax(1) for x in (outputs, goal))
    return temperature**2 * F.kl_div(student, wanted, reduction="none", log_target=True).sum(1).mean()


def labels(outputs: Tensor, goal: Tensor) -> Tensor:
    """(...) KL divergence of each label's probability from the teacher's; logits before the sigmoid."""
    outputs, goal = outputs.float(), goal.float()
    chance = goal.sigmoid()
    # KL = sum p (log p - log q), with log p = x - softplus(x) and log (1 - p) = -softplus(x).
    return chance * (goal - outputs) + F.softplus(outputs) - F.softplus(goal)


def places(outputs: Outputs, goal: Outputs) -> Outputs:
    """Distillation losses of a dense detector at each anchor point: classes, box sides, and outputs of the
    task.

    Class scores of all anchor points are compared, and the sum is divided by the number of objects that the
    teacher detects. All other outputs are weighted by the teacher's score, because background would dominate.

    Args:
        outputs: See `yolo.forward`; perhaps "coefficients" and "prototypes".
        goal: Outputs of the teacher, for the same images.
    """
    same(
        outputs,
        goal,
        ("many", "scores", "bins", *(n for n in ("coefficients", "prototypes") if n in outputs)),
    )
    sure = goal["many"].float().sigmoid().amax(2)
    total = sure.sum().clamp(min=1)
    losses = {
        "taught class": labels(outputs["many"], goal["many"]).sum() / total,
        "taught single": labels(outputs["scores"], goal["scores"]).sum()
        / goal["scores"].float().sigmoid().amax(2).sum().clamp(min=1),
    }
    student, wanted = (_sides(x["bins"]).log_softmax(3) for x in (outputs, goal))
    sides = F.kl_div(student, wanted, reduction="none", log_target=True).sum(3).mean(2)
    losses["taught sides"] = (sides * sure).sum() / total
    if "prototypes" in outputs:
        # Only both together say what a mask is: the student takes over the teacher's prototypes.
        apart = (outputs["coefficients"].float() - goal["coefficients"].float()).square().mean(2)
        losses["taught weights"] = (apart * sure).sum() / total
        losses["taught prototypes"] = (outputs["prototypes"] - goal["prototypes"]).float().square().mean()
    return losses


def _sides(bins: Tensor) -> Tensor:
    """(B, A, 4 n) to (B, A, 4, n) in float32."""
    return bins.float().reshape(*bins.shape[:2], 4, -1)


def same(outputs: Outputs, goal: Outputs, names: tuple[str, ...]) -> None:
    """Check that the student's and the teacher's outputs have equal shapes.

    Raises:
        RuntimeError: If a shape differs.
        KeyError: If an output is missing.
    """
    for name in names:
        if outputs[name].shape != goal[name].shape:
            raise RuntimeError(name)


def unordered(model: object, outputs: Outputs, goal: Outputs) -> NoReturn:
    """`distillation_loss` of models whose outputs have no fixed order: it always refuses.

    Raises:
        UsageError: Always.
    """
    del outputs, goal
    raise UsageError(
        f"Model '{model.card.name}' cannot learn from a teacher: its outputs have no fixed order in which "  # type: ignore[attr-defined]
        "two networks could be compared. Train another --model with --teacher; `sightline models` lists them."
    )


def enlarged(goal: Tensor, outputs: Tensor) -> Tensor:
    """Resize maps (B, K, h, w) of a teacher to the height and width of the student's."""
    if goal.shape[2:] == outputs.shape[2:]:
        return goal
    return F.interpolate(goal.float(), size=outputs.shape[2:], mode="bilinear", align_corners=False)
