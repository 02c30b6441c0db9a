"""DAG-RNN: a recurrent network over the feature map, so that each position has context from all others.

A backbone gives local features at stride 8. Then four sweeps pass over the map, one for each diagonal
direction. The state of a position follows from those of its three neighbors that come before it: this is a
recurrent network on a directed acyclic graph. A linear layer reads class scores from the four states, and
the scores are upsampled.

Source:
    Shuai, Zuo, Wang, Wang, DAG-Recurrent Neural Networks For Scene Labeling, CVPR 2016, equations 5 to 7.
    Theirs are VGG-16 features at one stride; other backbones here give maps at strides 8, 16 and 32, which
    are brought to one width, enlarged and added.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sightline.core.card import ModelCard
from sightline.models import registry
from sightline.models.adapters import base
from sightline.models.layers.conv import ConvNorm
from sightline.models.weights.download import Pretrained, fetch_or_skip
from sightline.tasks.semantic.models._network import SegmentationModel, enlarged

CARD = ModelCard(
    name="dag-rnn",
    summary="Recurrent context over the feature map in four directions, own code; any pyramid, every --up.",
    paper="Shuai, Zuo, Wang, Wang, DAG-Recurrent Neural Networks For Scene Labeling, CVPR 2016",
    parameters=584_757,
    counted="own backbone, 21 classes",
    stride=32,
    any_sides=True,
    defaults={"batch_size": 8, "lr": 1e-3, "clip_grad": 1.0},
)

STRIDE = 8
WIDTH = 128
"""Channels of a place's state, in each direction."""
FLIPS = ((), (3,), (2, 3), (2,))
"""Dimensions to turn round so that a sweep begins at the top left: to south-east, south-west, north-west,
north-east."""


class Sweep(nn.Module):
    """Recurrent layer: states of all positions of a map, from four sweeps.

    In each direction d the state of place v is h = relu(U_d x + b_d + W_d (sum of the states of the three
    neighbours from which v is reached: beside, above or below, and across)). Places of one anti-diagonal
    do not reach each other, so they are computed together, those of all directions too: H + W - 1 steps.

    Args:
        inputs: Channels of the map.
        width: Channels D of the state in each direction.
    """

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.inputs = nn.Conv2d(inputs, len(FLIPS) * width, 1)
        self.states = nn.Parameter(torch.empty(len(FLIPS), width, width))
        # A third, as three states are added: by the sums alone they neither grow nor fade.
        for square in self.states:
            nn.init.orthogonal_(square, 1 / 3)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, 4 D, H, W)."""
        width = x.shape[3]
        turned = [
            part.flip(dims) if dims else part
            for part, dims in zip(self.inputs(x).chunk(len(FLIPS), 1), FLIPS, strict=True)
        ]
        # (H + W - 1, 4, B, H, D): a map's anti-diagonals, one after the other.
        steps = _skewed(torch.stack(turned)).permute(4, 0, 1, 3, 2).contiguous()
        last = torch.zeros_like(steps[0])
        before = last
        states_of_rows = []
        for step in steps.unbind():
            # Row i of a diagonal holds place (i, s - i): beside it lies row i of the diagonal before, above
            # it row i - 1 of that, across row i - 1 of the one before. Outside of the map all stays 0.
            above = F.pad((last + before)[:, :, :-1], (0, 0, 1, 0))
            heard = (last + above).flatten(1, 2)
            state = torch.baddbmm(step.flatten(1, 2), heard, self.states).relu().view_as(step)
            states_of_rows.append(state)
            last, before = state, last
        states = _straight(torch.stack(states_of_rows).permute(1, 2, 4, 3, 0), width)
        return torch.cat(
            [part.flip(dims) if dims else part for part, dims in zip(states, FLIPS, strict=True)], 1
        )


def _skewed(maps: Tensor) -> Tensor:
    """Skew (..., H, W) to (..., H, H + W - 1): row i is shifted i positions to the right, padded with
    zeros.
    """
    height, width = maps.shape[-2:]
    flat = F.pad(maps, (0, height)).flatten(-2)
    return flat[..., : height * (height + width - 1)].reshape(*maps.shape[:-1], height + width - 1)


def _straight(maps: Tensor, width: int) -> Tensor:
    """Inverse of `_skewed`, for rows of `width` places."""
    height = maps.shape[-2]
    flat = F.pad(maps.flatten(-2), (0, height))
    return flat.reshape(*maps.shape[:-1], height + width)[..., :width]


class Local(nn.Sequential):
    """Small backbone with a receptive field of 55 x 55 pixels, at stride 8.

    Args:
        channels: Channels of the images.
    """

    levels = ((WIDTH, STRIDE),)

    def __init__(self, channels: int) -> None:
        super().__init__(
            ConvNorm(channels, 32, stride=2),
            ConvNorm(32, 64, stride=2),
            ConvNorm(64, 64),
            ConvNorm(64, WIDTH, stride=2),
            ConvNorm(WIDTH, WIDTH),
            ConvNorm(WIDTH, WIDTH),
        )

    def maps(self, x: Tensor) -> list[Tensor]:
        """(B, C, H, W) to one map (B, 128, H / 8, W / 8)."""
        return [self(x)]


class Labeller(nn.Module):
    """Backbone, sweeps, class scores.

    Args:
        body: A `zoo.Pyramid` whose finest map has stride 8.
        classes: Scores for each pixel.
        up: nearest, bilinear or transposed.
    """

    def __init__(self, body: Any, classes: int, up: str) -> None:
        super().__init__()
        self.body, self.up = body, up
        self.laterals = nn.ModuleList(nn.Conv2d(channels, WIDTH, 1) for channels, _ in body.levels)
        self.sweep = Sweep(WIDTH, WIDTH)
        self.scores = nn.Conv2d(len(FLIPS) * WIDTH, classes, 1)
        if up == "transposed":
            self.enlarge = nn.ConvTranspose2d(
                classes, classes, 2 * STRIDE, STRIDE, STRIDE // 2, groups=classes, bias=False
            )
            with torch.no_grad():  # it begins as bilinear interpolation (Long et al., FCN, section 3.3)
                self.enlarge.weight.copy_(_tent(2 * STRIDE).expand_as(self.enlarge.weight))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W), sides multiples of 32, to (B, K, H, W) scores."""
        maps = [lateral(level) for lateral, level in zip(self.laterals, self.body.maps(x), strict=True)]
        local = maps[0]
        for coarse in maps[1:]:
            local = local + enlarged(coarse, local.shape[2:])
        scores: Tensor = self.scores(self.sweep(local.relu()))
        if self.up == "bilinear":
            return enlarged(scores, x.shape[2:])
        if self.up == "nearest":
            return F.interpolate(scores, scale_factor=STRIDE, mode="nearest")
        return self.enlarge(scores)  # type: ignore[no-any-return]


def _tent(side: int) -> Tensor:
    """(side, side) weights of bilinear interpolation that enlarges to side / 2 times the size."""
    line = 1 - (torch.arange(side) + 0.5 - side / 2).abs() / (side / 2)
    return line[:, None] * line


class DAGRNN(SegmentationModel):
    """DAG-RNN on our small backbone, or on any network of `registry.pyramid`."""

    card: ClassVar[ModelCard] = CARD
    own: ClassVar[str | None] = "own"
    ups: ClassVar[tuple[str, ...]] = ("bilinear", "nearest", "transposed")

    def build(self, pretrained: Pretrained) -> base.LibraryNetwork:
        """Build the network, with published weights of its backbone if requested."""
        name, channels = self.settings["backbone"], self.settings["channels"]
        body: Any
        if name == self.own:
            fetch_or_skip(f"the small network of '{CARD.name}'", pretrained, None)
            body, where = Local(channels), "body"
        else:
            side = [math.ceil(s / self.multiple) * self.multiple for s in self.settings["size"]]
            body = registry.pyramid(name, channels=channels, size=(side[0], side[1]), pretrained=pretrained)
            where = "body.net" if isinstance(getattr(body, "net", None), nn.Module) else "body"
        net = Labeller(body, len(self.settings["classes"]), self.settings["up"])
        network = base.LibraryNetwork(net, where, still=False)
        network.origin, network.pixels = getattr(body, "origin", "scratch"), getattr(body, "pixels", None)
        return network


MODEL = DAGRNN
