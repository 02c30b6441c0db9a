"""Perceptron: one linear layer on the pixels (softmax regression)."""

from torch import Tensor, nn

from sightline.core.card import ModelCard
from sightline.models.backbones._backbone import Backbone

CARD = ModelCard(
    name="perceptron",
    summary="One linear layer on the pixels: the simplest network.",
    paper="Rosenblatt, The perceptron, Psychological Review 65, 1958",
    parameters=7_850,
    counted="10 classes, 1x28x28",
    size=(28, 28),
    defaults={"lr": 1e-3},
)


class Perceptron(Backbone):
    """Pixels are the features; the head does all the work."""

    def __init__(self, outputs: int, inputs: int) -> None:
        super().__init__()
        self.head = nn.Linear(inputs, outputs)

    def features(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C*H*W)."""
        return x.flatten(1)


def build(*, outputs: int, channels: int, size: tuple[int, int]) -> Backbone:
    """A perceptron for images of exactly this size."""
    return Perceptron(outputs, channels * size[0] * size[1])
