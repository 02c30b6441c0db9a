"""The introductory CNN of courses: two convolutions, pooling, dropout, two dense layers."""

from typing import Literal

from torch import Tensor, nn

from sightline.core.card import ModelCard
from sightline.models.backbones._backbone import Backbone, flat
from sightline.models.layers.fractional_pool import FractionalPool
from sightline.models.layers.stochastic_pool import StochasticPool

CARD = ModelCard(
    name="lecture-cnn",
    summary="Two 3x3 convolutions, one pooling, two dense layers: the MNIST network of courses.",
    paper="Layout of the MNIST example that came with Keras (Chollet and others, 2015)",
    parameters=1_199_882,
    counted="10 classes, 1x28x28",
    size=(28, 28),
    defaults={"lr": 1e-3},
)


class LectureCNN(Backbone):
    """Convolutions of 32 and 64 maps, pooling, dropout, dense 128, dropout, head.

    Args:
        outputs: Numbers that come out.
        channels: Channels of the image.
        pooling: Layer that halves the maps.
        left: (height, width) after it.
    """

    def __init__(self, outputs: int, channels: int, pooling: nn.Module, left: tuple[int, int]) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(channels, 32, 3), nn.ReLU(inplace=True),
            nn.Conv2d(32, 64, 3), nn.ReLU(inplace=True),
            pooling, nn.Dropout(0.25),
        )  # fmt: skip
        self.dense = nn.Sequential(
            nn.Linear(flat("lecture-cnn", 64, left), 128), nn.ReLU(inplace=True), nn.Dropout(0.5)
        )
        self.head = nn.Linear(128, outputs)

    def features(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, 128)."""
        features: Tensor = self.dense(self.convolutions(x).flatten(1))
        return features


def build(
    *,
    outputs: int,
    channels: int,
    size: tuple[int, int],
    pool: Literal["max", "stochastic", "fractional"] = "max",
) -> Backbone:
    """The network for images of exactly this size, from 6x6 on.

    Args:
        outputs: Numbers that come out.
        channels: Channels of the image.
        size: Its (height, width).
        pool: max, stochastic or fractional (by the square root of two).
    """
    inner = (size[0] - 4, size[1] - 4)
    layers = {"max": nn.MaxPool2d(2), "stochastic": StochasticPool(2), "fractional": FractionalPool(2**0.5)}
    ratio = 2**0.5 if pool == "fractional" else 2
    left = (int(inner[0] / ratio), int(inner[1] / ratio))
    return LectureCNN(outputs, channels, layers[pool], left)
