"""Targets: one type for ground truth and predictions (a prediction has scores).

A target object holds one image or many: the first axis is the image, and indexing selects images.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..folder import Folder

if TYPE_CHECKING:
    from .base import Targets

TARGETS = Folder(__name__, "kind of target", exclude=("base", "bitmaps"))


def target_type(kind: str) -> type[Targets]:
    """The target class of a kind: "label" is `ClassLabels` in label.py.

    Raises:
        UnknownName: If there is no such kind.
    """
    target: type[Targets] = TARGETS.load(kind).TARGET
    return target
