"""Conversion of nested state with tensors to JSON and a flat dict of tensors, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor


def pack(tree: Any, tensors: dict[str, Tensor], path: str = "t") -> Any:
    """A JSON-able copy of nested dicts and lists; each tensor goes into `tensors` under its path."""
    if isinstance(tree, Tensor):
        tensors[path] = tree
        return {"__tensor__": path}
    if isinstance(tree, Mapping):
        pairs = [[k, pack(v, tensors, f"{path}.{k}")] for k, v in tree.items()]
        return {"__dict__": pairs}
    if isinstance(tree, list | tuple):
        return [pack(v, tensors, f"{path}.{i}") for i, v in enumerate(tree)]
    return tree


def unpack(tree: Any, tensors: Mapping[str, Tensor]) -> Any:
    """Inverse of `pack`; tuples come back as lists."""
    if isinstance(tree, dict) and "__tensor__" in tree:
        return tensors[tree["__tensor__"]]
    if isinstance(tree, dict):
        return {k: unpack(v, tensors) for k, v in tree["__dict__"]}
    if isinstance(tree, list):
        return [unpack(v, tensors) for v in tree]
    return tree
