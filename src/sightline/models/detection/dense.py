"""Anchor-free dense detector: backbone, PAN neck and a multi-branch head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from sightline.models.heads.branches import Branch, Head, places
from sightline.models.necks.pan import Pan


class Dense(nn.Module):
    """Anchor-free dense detector: backbone, path aggregation neck, and a head with any branches.

    Args:
        backbone: A `registry.Pyramid`.
        widths: Channels of each level between neck and head.
        depth: Residual units of each block of the neck.
        branches: Output branches of the head, by name.
        most: Maximum channels of the head's hidden maps.
        finest: Modules on the finest map of the neck, by name of their output.
    """

    def __init__(
        self,
        backbone: Any,
        widths: Sequence[int],
        depth: int,
        branches: Mapping[str, Branch],
        most: int,
        finest: Mapping[str, nn.Module] | None = None,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.neck = Pan([channels for channels, _ in backbone.levels], widths, depth)
        self.head = Head(widths, branches, most)
        self.finest = nn.ModuleDict(dict(finest or {}))

    def forward(self, x: Tensor, wanted: Sequence[str] | None = None) -> dict[str, Tensor]:
        """(B, C, H, W) normalized images to (B, A, outputs) by branch, and anchor points "places" (1, A, 3).

        Args:
            x: Images.
            wanted: Branches, and names in `finest`, that are needed; None for all.
        """
        maps = self.neck(self.backbone.maps(x))
        branches = None if wanted is None else [name for name in wanted if name not in self.finest]
        outputs: dict[str, Tensor] = self.head(maps, branches)
        for name, module in self.finest.items():
            if wanted is None or name in wanted:
                outputs[name] = module(maps[0])
        outputs["places"] = places(maps, [stride for _, stride in self.backbone.levels])[None]
        return outputs
