"""Targets of one image as numpy arrays: decoding from outputs, records, drawing, merging of tiles. No
torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...core.folder import Folder

if TYPE_CHECKING:
    from ..rows import Row
    from .base import TargetArrays

TARGETS = Folder(__name__, "kind of target", exclude=("base",))


def target_type(kind: str) -> type[TargetArrays]:
    """The class of a kind: "label" is `LabelArrays` in label.py.

    Raises:
        UnknownName: If there is no such kind.
    """
    target: type[TargetArrays] = TARGETS.load(kind).TARGET
    return target


def arrays_of(targets: Any, i: int = 0) -> TargetArrays:
    """Convert image i of targets of the toolkit (`core/targets/`, with torch) to arrays."""
    return target_type(targets.kind)(**targets.arrays(i))


def records(targets: Any, names: Sequence[str], outputs: Sequence[str] = ()) -> list[Row]:
    """Flat row of each image of targets of the toolkit; see `TargetArrays.record`."""
    return [arrays_of(targets, i).record(names, outputs) for i in range(len(targets))]
