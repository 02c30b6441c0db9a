"""inspect: a network layer by layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from sightline.config import Range
from sightline.declaration import command

if TYPE_CHECKING:
    from sightline.core.report import Table


@command
def inspect(
    model: str,
    *,
    size: Annotated[int | None, Range(1)] = None,
    num_classes: Annotated[int, Range(1)] = 1000,
    channels: int = 3,
) -> Table:
    """Show a network layer by layer: output shape, parameters, FLOPs, receptive field.

    Args:
        model: Name of a model, or a run folder.
        size: Input side in pixels; by default that of the model.
        num_classes: Number of outputs.
        channels: Channels of the input: 3 or 1.
    """
    from sightline.inference.inspection import layers_of

    return layers_of(model, size, num_classes, channels)
