"""Locate the first value of an exported graph that differs from the network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.fx import Interpreter, Node

from sightline.exporters.graph import Graph, Runner, traced

LIMIT = 0.01
"""Difference, as a share of the greatest value, from which a value has drifted."""


def values(program: torch.export.ExportedProgram, images: Tensor) -> dict[str, Tensor]:
    """Every intermediate tensor of a program, by node name, in order of computation."""
    module = program.module()
    values: dict[str, Tensor] = {}

    class Recorder(Interpreter):
        def run_node(self, n: Node) -> Any:
            value = super().run_node(n)
            if isinstance(value, Tensor) and n.op == "call_function":
                values[n.name] = value.detach()
            return value

    with torch.no_grad():
        Recorder(module).run(images)  # type: ignore[no-untyped-call]
    return values


def first(graph: Graph, open_with: Callable[[list[str]], Runner], images: Tensor) -> str:
    """Name of the first intermediate value that the file computes differently, in words; "" if none.

    Args:
        graph: What was written.
        open_with: Opens the file so that values of these names are given too.
        images: Images as the graph takes them.
    """
    target = values(traced(graph), images)
    outputs = open_with(list(target))(images.numpy())
    before = ""
    for name, value in target.items():
        got = outputs.get(name)
        if got is None or tuple(got.shape) != tuple(value.shape) or not value.is_floating_point():
            continue
        off = max_abs_diff(value.numpy(), got)
        if off > LIMIT:
            after = f", after {before}" if before else ""
            return f"{name} (by {100 * off:.2g} % of its greatest value{after})"
        before = name
    return ""


def max_abs_diff(target: np.ndarray, other: np.ndarray) -> float:
    """Maximum absolute difference relative to the maximum value; infinite if a value is not finite."""
    a, b = target.astype(np.float64), other.astype(np.float64)
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return float("inf")
    return float(np.abs(a - b).max(initial=0.0) / max(np.abs(a).max(initial=0.0), 1e-6))
