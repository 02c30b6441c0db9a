"""Convolution with batch norm and activation, and its depthwise separable form."""

from __future__ import annotations

from torch import nn


class ConvNorm(nn.Sequential):
    """Convolution, batch norm, hard swish (Howard et al., MobileNetV3, ICCV 2019, section 5.2).

    Hard swish costs a processor little more than ReLU, and works in place.

    Args:
        inputs: Channels that come in.
        outputs: Channels that go out.
        kernel: Side of the kernel, odd; the borders are padded by half of it.
        stride: Step in pixels.
        groups: Groups of channels that do not see each other.
        active: Whether the activation follows.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 3,
        stride: int = 1,
        *,
        groups: int = 1,
        active: bool = True,
    ) -> None:
        conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
        rest: list[nn.Module] = [nn.BatchNorm2d(outputs)]
        if active:
            rest.append(nn.Hardswish(inplace=True))
        super().__init__(conv, *rest)


class Separable(nn.Sequential):
    """Depthwise separable convolution, 3x3 (Howard et al., MobileNets, 2017).

    About a fifth of the time of a full 3x3 convolution, on a processor too.

    Args:
        inputs: Channels that come in.
        outputs: Channels that go out.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(ConvNorm(inputs, inputs, groups=inputs, active=False), ConvNorm(inputs, outputs, 1))
