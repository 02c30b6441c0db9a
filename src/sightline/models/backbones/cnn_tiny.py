"""Tiny convolutional network: two convolutions and a dense layer; trains on digits in seconds."""

from torch import Tensor, nn

from sightline.core.card import ModelCard
from sightline.errors import UsageError
from sightline.models.backbones._backbone import Backbone, flat

CARD = ModelCard(
    name="cnn-tiny",
    summary="Two convolutions and a dense layer with batch norm: trains on digits in seconds on a CPU.",
    paper="LeNet-5 (LeCun et al. 1998) with batch norm (Ioffe, Szegedy, Batch normalization, ICML 2015)",
    parameters=109_050,
    counted="10 classes, 1x28x28",
    size=(28, 28),
    defaults={"lr": 5e-3, "batch_size": 64},
)


class CNNTiny(Backbone):
    """Convolution 5x5, pooling, convolution 3x3, pooling, dense 128, head.

    Pooling comes before batch norm and ReLU, which then have a quarter of the work.

    Args:
        outputs: Numbers that come out.
        channels: Channels of the image.
        size: Its (height, width).
        width: Maps of the first convolution; the second has twice as many.
    """

    def __init__(self, outputs: int, channels: int, size: tuple[int, int], width: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(channels, width, 5, bias=False),
            nn.MaxPool2d(2), nn.BatchNorm2d(width), nn.ReLU(inplace=True),
            nn.Conv2d(width, 2 * width, 3, bias=False),
            nn.MaxPool2d(2), nn.BatchNorm2d(2 * width), nn.ReLU(inplace=True),
        )  # fmt: skip
        left = (((size[0] - 4) // 2 - 2) // 2, ((size[1] - 4) // 2 - 2) // 2)
        self.dense = nn.Sequential(
            nn.Linear(flat("cnn-tiny", 2 * width, left), 128, bias=False),
            nn.BatchNorm1d(128),
            nn.ReLU(inplace=True),
        )
        self.head = nn.Linear(128, outputs)

    def features(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, 128)."""
        features: Tensor = self.dense(self.convolutions(x).flatten(1))
        return features


def build(*, outputs: int, channels: int, size: tuple[int, int], width: int = 16) -> Backbone:
    """The network for images of exactly this size, from 12x12 on.

    Args:
        outputs: Numbers that come out.
        channels: Channels of the image.
        size: Its (height, width).
        width: Maps of the first convolution.
    """
    if width < 1:
        raise UsageError(f"cnn-tiny takes a width of 1 or more. Received {width}.")
    return CNNTiny(outputs, channels, size, width)
