"""LeNet-5 (LeCun et al. 1998), the network that read bank checks."""

from torch import Tensor, nn

from sightline.core.card import ModelCard
from sightline.models.backbones._backbone import Backbone, flat

CARD = ModelCard(
    name="lenet5",
    summary="LeNet-5 with tanh and average pooling; C3 is connected to all maps of S2.",
    paper="LeCun, Bottou, Bengio, Haffner, Gradient-based learning applied to document recognition, "
    "Proc. IEEE 1998",
    parameters=61_706,
    counted="10 classes, 1x28x28 (padded to 32x32), full C3 table, pooling without weights, linear head "
    "in place of Gaussian connections",
    size=(28, 28),
    defaults={"lr": 2e-3},
)


class LeNet5(Backbone):
    """Two convolutions 5x5, each followed by average pooling, then three dense layers.

    Args:
        outputs: Numbers that come out.
        channels: Channels of the image.
        size: Its (height, width).
    """

    def __init__(self, outputs: int, channels: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(channels, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2),
            nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2),
        )  # fmt: skip
        left = ((size[0] // 2 - 4) // 2, (size[1] // 2 - 4) // 2)
        self.dense = nn.Sequential(
            nn.Linear(flat("lenet5", 16, left), 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh()
        )
        self.head = nn.Linear(84, outputs)

    def features(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, 84)."""
        features: Tensor = self.dense(self.convolutions(x).flatten(1))
        return features


def build(*, outputs: int, channels: int, size: tuple[int, int]) -> Backbone:
    """LeNet-5 for images of exactly this size, from 12x12 on."""
    return LeNet5(outputs, channels, size)
