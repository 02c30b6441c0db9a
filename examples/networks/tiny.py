"""A network of one's own: one file with CARD and build."""

from torch import Tensor, nn

from sightline.core.card import ModelCard
from sightline.models.backbones._backbone import Backbone

CARD = ModelCard(name="tiny", summary="One convolution and a mean over the image.", paper="none")


class Tiny(Backbone):
    """One convolution, then the mean of each map."""

    def __init__(self, outputs: int, channels: int, maps: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(channels, maps, 3, padding=1), nn.ReLU())
        self.head = nn.Linear(maps, outputs)

    def features(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, maps)."""
        return self.body(x).mean((2, 3))


def build(*, outputs: int, channels: int, size: tuple[int, int], maps: int = 16) -> Backbone:
    """The network.

    Args:
        outputs: Numbers that come out.
        channels: Channels of the image.
        size: Its (height, width); any will do.
        maps: Maps of the convolution; an option of `train`, as every argument beyond the first three.
    """
    del size
    return Tiny(outputs, channels, maps)
