"""Targets: one type for truth and for prediction (a prediction has scores). Arrays first.

A target object holds one image or many: the first axis is the image, indexing filters.
"""

from __future__ import annotations

import importlib
from typing import Any


def target_type(kind: str) -> Any:
    """The target class of a kind: "label" is `Label` in label.py."""
    name = "Unlabeled" if kind == "none" else kind.capitalize()
    return getattr(importlib.import_module(f"{__name__}.{kind}"), name)
