"""Targets: one type for ground truth and predictions (a prediction has scores).

A target object holds one image or many: the first axis is the image, and indexing selects images.
"""

from __future__ import annotations

import importlib
from typing import Any


def target_type(kind: str) -> Any:
    """The target class of a kind: "label" is `Label` in label.py."""
    return getattr(importlib.import_module(f"{__name__}.{kind}"), kind.capitalize())
