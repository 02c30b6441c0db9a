"""Channel counts of pruned networks: the settings store them, and `build` restores the narrower layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sightline.core.model import Model
from sightline.errors import DataError

KEY = "widths"
"""Where settings hold the shapes of changed layers, by name; absent where none was changed."""
CONVOLUTIONS = (nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d)
NORMS = (nn.BatchNorm3d, nn.BatchNorm2d, nn.BatchNorm1d)
LAYERS = (*CONVOLUTIONS, nn.Linear, *NORMS)
"""What can be made narrower."""


def build(kind: type[Model], settings: dict[str, Any], **more: Any) -> Model:
    """Build a model from its settings, with the stored channel counts."""
    model = kind(settings, **more)
    reshape(model, settings.get(KEY) or {})
    return model


def reshape(network: nn.Module, shapes: Mapping[str, Sequence[int]]) -> None:
    """Change channel counts of layers. Their weights are fresh; load trained ones afterwards.

    Args:
        network: Any network.
        shapes: Shape of the weight of each changed layer, by its name.

    Raises:
        DataError: If there is no such layer.
    """
    for name, shape in shapes.items():
        try:
            layer = network.get_submodule(name)
        except AttributeError:
            layer = None
        if not isinstance(layer, LAYERS) or layer.weight.ndim != len(shape):
            raise DataError(
                f"The model's settings give widths to a layer '{name}', which this network does not have. "
                "It was pruned with another version of its library; train and prune it again."
            )
        fresh = torch.empty(*shape, dtype=layer.weight.dtype, device=layer.weight.device).normal_(0, 0.02)
        resize(layer, fresh, None)


def resize(layer: nn.Module, weight: Tensor, stay: Tensor | None) -> None:
    """Replace the weight of a layer, and adapt its bias and running statistics.

    Args:
        layer: One of `LAYERS`.
        weight: Of its form and another shape.
        stay: (n,) numbers of the outputs that stay, or None: ones begin afresh.
    """
    assert isinstance(layer, LAYERS)
    outputs = weight.shape[1] if isinstance(layer, nn.ConvTranspose2d) else weight.shape[0]
    grad = layer.weight.requires_grad
    for name in ("bias", "running_mean", "running_var"):
        old = getattr(layer, name, None)
        if old is None:
            continue
        start = 1.0 if name == "running_var" else 0.0
        new = old.new_full((outputs,), start) if stay is None else old.detach()[stay].clone()
        setattr(layer, name, nn.Parameter(new, grad) if name == "bias" else new)
    if isinstance(layer, NORMS):
        weight = torch.ones_like(weight) if stay is None else weight
        layer.num_features = outputs
    elif isinstance(layer, nn.Linear):
        layer.out_features, layer.in_features = weight.shape
    elif isinstance(layer, nn.ConvTranspose2d):
        layer.in_channels, layer.out_channels = weight.shape[:2]
    else:
        deep = layer.groups > 1
        layer.out_channels = weight.shape[0]
        layer.in_channels = layer.out_channels if deep else weight.shape[1]
        layer.groups = layer.out_channels if deep else 1
    layer.weight = nn.Parameter(weight.detach().clone(), grad)
