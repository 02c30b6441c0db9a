"""Small residual network (ResNet) for small images; fast on a CPU."""

import torch
from torch import Tensor, nn

from sightline.core.card import ModelCard
from sightline.errors import UsageError
from sightline.models.backbones._backbone import Backbone

LARGEST = 64  # pixels that the stages work on; larger images are halved before

CARD = ModelCard(
    name="resnet-small",
    summary="Small, fast residual network for small images; the one to start with.",
    paper="He, Zhang, Ren, Sun, Deep residual learning for image recognition, CVPR 2016; layout after "
    "Page, How to train your ResNet, 2018, and Jordan, 94 % on CIFAR-10 in 3.29 seconds, 2024",
    parameters=1_089_754,
    counted="10 classes, 3x32x32, width 32",
    size=None,
    defaults={"lr": 3e-3, "weight_decay": 0.05},
)


def _norm(channels: int) -> list[nn.Module]:
    """Batch norm over (B, channels, H, W) and ReLU."""
    return [nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]


class Stage(nn.Module):
    """A ResNet stage: convolution, 2x2 max pooling, and one residual branch.

    Pooling comes before batch norm and ReLU, which then have a quarter of the work.

    Args:
        inputs: Channels that come in.
        outputs: Channels that go out.
        ceil: Whether an odd side is rounded up, so that tiny images last through all stages.
    """

    def __init__(self, inputs: int, outputs: int, ceil: bool) -> None:
        super().__init__()
        self.widen = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
            nn.MaxPool2d(2, ceil_mode=ceil),
            *_norm(outputs),
        )
        self.branch = nn.Sequential(nn.Conv2d(outputs, outputs, 3, padding=1, bias=False), *_norm(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, H / 2, W / 2)."""
        x = self.widen(x)
        refined: Tensor = x + self.branch(x)
        return refined


class ResNetSmall(Backbone):
    """A stem, three stages (four for larger images), and the mean of each channel.

    Args:
        outputs: Numbers that come out.
        channels: Channels of the image.
        halvings: How often the stem halves the image before anything else.
        widths: Channels after each stage.
        ceil: Whether stages round odd sides up.
    """

    def __init__(self, outputs: int, channels: int, halvings: int, widths: list[int], ceil: bool) -> None:
        super().__init__()
        first = max(1, 3 * widths[0] // 4)
        stem: list[nn.Module] = []
        for before in [channels, *[first] * (halvings - 1)][:halvings]:
            stem += [nn.Conv2d(before, first, 3, stride=2, padding=1, bias=False), *_norm(first)]
        stem += [nn.Conv2d(first if halvings else channels, first, 2, bias=False), *_norm(first)]
        self.stem = nn.Sequential(*stem)
        before_and_after = zip([first, *widths], widths, strict=False)
        self.stages = nn.Sequential(*(Stage(i, o, ceil) for i, o in before_and_after))
        self.head = nn.Linear(widths[-1], outputs)

    def features(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, 8 * width)."""
        return torch.mean(self.stages(self.stem(x)), dim=(2, 3))


def build(*, outputs: int, channels: int, size: tuple[int, int], width: int = 32) -> Backbone:
    """The network for images of about this size, from 8x8 on; those above 64 pixels are halved first.

    Args:
        outputs: Numbers that come out.
        channels: Channels of the image.
        size: Its (height, width).
        width: Channels of the first stage; the last has eight times as many.
    """
    if width < 4:
        raise UsageError(f"resnet-small takes a width of 4 or more. Received {width}.")
    halvings = 0
    while max(size) / 2**halvings > LARGEST:
        halvings += 1
    widths = [width, 4 * width, 8 * width] + [8 * width] * (halvings > 0)
    ceil = min(size) / 2**halvings < 2 ** (len(widths) + 1)
    return ResNetSmall(outputs, channels, halvings, widths, ceil)
