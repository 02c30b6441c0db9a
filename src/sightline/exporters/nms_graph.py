"""NMS operator in exported graphs: translation of `models/detection/suppression.py` for other programs."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchvision.ops import nms

from sightline.models.detection.suppression import keep_mask  # noqa: F401  registers the operator

KEPT = torch.ops.sightline.kept.default


def suppresses(program: torch.export.ExportedProgram) -> bool:
    """Whether a program contains the NMS operator."""
    return any(node.target is KEPT for node in program.graph.nodes)


def plain(program: torch.export.ExportedProgram) -> torch.export.ExportedProgram:
    """Replace our NMS operator by torchvision's, so that the program runs without this toolkit."""
    return program.run_decompositions({KEPT: _by_torchvision}) if suppresses(program) else program


def _by_torchvision(
    boxes: Tensor, scores: Tensor, labels: Tensor, classes: int, least: float, overlap: float
) -> Tensor:
    """`keep_mask` by torchvision's NMS; weak boxes are removed afterwards, since they suppress no "
    "better box."""
    image = torch.arange(boxes.shape[0], device=boxes.device)[:, None]
    far = boxes.double().flatten(0, 1)
    groups = (image * classes + labels).flatten()  # those of different groups lie far from each other
    far = far + (groups * (far.amax() - far.amin() + 1))[:, None]
    survivors = nms(far, scores.flatten().double(), overlap)
    stay = torch.zeros_like(scores).flatten().index_put((survivors,), scores.new_ones(()))
    return stay.view_as(scores) * (scores > least)


def translated() -> dict[Any, Any]:
    """ONNX translation of the operator `keep_mask`."""
    from onnxscript import opset20 as op

    def say(boxes: Any, scores: Any, labels: Any, classes: int, least: float, overlap: float) -> Any:
        each = op.Constant(value_ints=list(range(classes)))
        mine = op.Equal(op.Unsqueeze(labels, [1]), op.Unsqueeze(op.Unsqueeze(each, [0]), [2]))
        zero = op.Constant(value_float=0.0)
        chances = op.Where(mine, op.Unsqueeze(scores, [1]), zero)  # (B, K, N)
        most = op.Constant(value_ints=[2**31])
        selected = op.NonMaxSuppression(
            boxes, chances, most, op.Constant(value_floats=[overlap]), op.Constant(value_floats=[least])
        )
        where = op.Gather(selected, op.Constant(value_ints=[0, 2]), axis=1)  # image and row, not class
        ones = op.Expand(op.Constant(value_float=1.0), op.Slice(op.Shape(selected), [0], [1]))
        return op.ScatterND(op.Mul(scores, zero), where, ones)

    return {KEPT: say}
