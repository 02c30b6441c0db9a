"""Multi-layer perceptron (MLP): fully connected layers on the pixels."""

from itertools import pairwise

from torch import Tensor, nn

from sightline.core.card import ModelCard
from sightline.errors import UsageError
from sightline.models.backbones._backbone import Backbone

CARD = ModelCard(
    name="mlp",
    summary="Multi-layer perceptron: fully connected layers on the pixels.",
    paper="Rumelhart, Hinton, Williams, Learning representations by back-propagating errors, Nature 1986",
    parameters=669_706,
    counted="10 classes, 1x28x28, hidden layers of 512 and 512",
    size=(28, 28),
    defaults={"lr": 1e-3},
)


class MLP(Backbone):
    """Linear and ReLU layers with dropout between them.

    Args:
        widths: Inputs, then the width of each hidden layer.
        outputs: Numbers that come out.
        dropout: Share of hidden units that is switched off in training, in [0, 1).
    """

    def __init__(self, widths: list[int], outputs: int, dropout: float) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Linear(before, after), nn.ReLU(), nn.Dropout(dropout)]
        self.hidden = nn.Sequential(*layers)
        self.head = nn.Linear(widths[-1], outputs)

    def features(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the last hidden layer, (B, width)."""
        hidden: Tensor = self.hidden(x.flatten(1))
        return hidden


def build(
    *,
    outputs: int,
    channels: int,
    size: tuple[int, int],
    width: int = 512,
    depth: int = 2,
    dropout: float = 0.2,
) -> Backbone:
    """An MLP for images of exactly this size, with `depth` hidden layers of `width` units."""
    if width < 1 or depth < 1 or not 0 <= dropout < 1:
        raise UsageError(
            "mlp takes width >= 1, depth >= 1 and dropout in [0, 1). "
            f"Received width={width}, depth={depth}, dropout={dropout}."
        )
    return MLP([channels * size[0] * size[1], *[width] * depth], outputs, dropout)
