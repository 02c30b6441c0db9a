"""Top-k within groups, such as boxes of images."""

from __future__ import annotations

import torch
from torch import Tensor


def leading(groups: Tensor, values: Tensor, most: int) -> Tensor:
    """Indices of the `most` highest values of each group.

    Args:
        groups: (M,) int64 group of each value.
        values: (M,).
        most: How many of each group, at most.

    Returns:
        (M',) int64, sorted by group, then from the greatest down; of equal values the first come first.
    """
    order = values.argsort(descending=True, stable=True)
    order = order[groups[order].argsort(stable=True)]
    ordered = groups[order]
    place = torch.arange(len(order), device=order.device)
    begins = torch.ones_like(ordered, dtype=torch.bool)
    begins[1:] = ordered[1:] != ordered[:-1]
    start = torch.where(begins, place, torch.zeros_like(place)).cummax(0).values
    return order[place - start < most]
