"""A small residual network for the frames of clips, in which channels may be shifted in time."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sightline.tasks.action.models._clip_model import stem_strides

WIDTHS, STRIDES = (32, 64, 64), (2, 2, 1)
SHARE = 8
"""One of so many channels is shifted forwards, and as many backwards."""


class Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut; the first may see channels of the frames before and after.

    Args:
        inputs: Channels that come in.
        outputs: Channels that go out.
        stride: Of the first convolution.
    """

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.first_norm, self.second_norm = nn.BatchNorm2d(outputs), nn.BatchNorm2d(outputs)
        self.second = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x: Tensor, frames: int) -> Tensor:
        """(B * T, inputs, H, W) to (B * T, outputs, H / stride, W / stride); with T frames channels are
        shifted in time, with 0 each frame is seen by itself."""
        shifted = shift_in_time(x, frames) if frames else x
        y = torch.relu(self.first_norm(self.first(shifted)))
        return torch.relu(self.second_norm(self.second(y)) + self.shortcut(x))


class FrameNet(nn.Module):
    """(B * T, C, H, W) normalized frames to (B * T, D) features.

    Args:
        channels: Of the frames.
        size: Their height and width.
    """

    width = WIDTHS[-1]

    def __init__(self, channels: int, size: list[int]) -> None:
        super().__init__()
        first, *rest = stem_strides(size)
        self.stem = nn.Conv2d(channels, WIDTHS[0] // 2, 3, first, 1, bias=False)
        self.norm = nn.BatchNorm2d(WIDTHS[0] // 2)
        self.pool = nn.MaxPool2d(rest[0] * rest[1]) if rest[0] > 1 else nn.Identity()
        inputs = (WIDTHS[0] // 2, *WIDTHS[:-1])
        self.blocks = nn.ModuleList(Block(i, o, s) for i, o, s in zip(inputs, WIDTHS, STRIDES, strict=True))

    def forward(self, x: Tensor, frames: int = 0) -> Tensor:
        """See the class and `Block.forward`."""
        x = self.pool(torch.relu(self.norm(self.stem(x))))
        for block in self.blocks:
            x = block(x, frames)
        return x.mean((2, 3))


def shift_in_time(x: Tensor, frames: int) -> Tensor:
    """(B * T, C, H, W) in which an eighth of the channels is that of the frame before, and an eighth that of
    the frame after; zeros where there is none.

    Source: Lin et al., TSM: Temporal shift module for efficient video understanding, ICCV 2019, section 3.
    """
    clips = x.reshape(-1, frames, *x.shape[1:])
    part = x.shape[1] // SHARE
    before = torch.cat([torch.zeros_like(clips[:, :1, :part]), clips[:, :-1, :part]], 1)
    after = torch.cat([clips[:, 1:, part : 2 * part], torch.zeros_like(clips[:, :1, part : 2 * part])], 1)
    return torch.cat([before, after, clips[:, :, 2 * part :]], 2).flatten(0, 1)
