"""Suppression inside a graph: the objects are those that are read outside."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sightline.models.detection import postprocess
from sightline.models.detection.suppression import final

SETTINGS: dict[str, Any] = {
    "size": [64, 96], "conf": 0.2, "max_objects": 20, "nms": 0.5, "classes": ["a", "b", "c"],
}  # fmt: skip


def crowd(n: int = 3, most: int = 200) -> dict[str, Tensor]:
    """Candidates that overlap, leave the image, and have no area, some of them."""
    generator = torch.Generator().manual_seed(0)
    near = torch.rand(n, most, 2, generator=generator) * 60 - 5
    sides = torch.rand(n, most, 2, generator=generator) * 50
    sides[:, ::17] = 0
    scores = torch.rand(n, most, generator=generator)
    scores[1] *= 0.21  # hardly an object there
    scores[2] = 0
    return {
        "boxes": torch.cat([near, near + sides], 2),
        "scores": scores,
        "labels": torch.randint(0, 3, (n, most), generator=generator),
        "coefficients": torch.rand(n, most, 4, generator=generator),
        "prototypes": torch.rand(n, 4, 16, 24, generator=generator),
    }


class Last(nn.Module):
    def __init__(self, settings: dict[str, Any]) -> None:
        super().__init__()
        self.settings = settings

    def forward(self, boxes: Tensor, scores: Tensor, labels: Tensor, coefficients: Tensor) -> Any:
        outputs = {"boxes": boxes, "scores": scores, "labels": labels, "coefficients": coefficients}
        result = final(outputs, self.settings)
        return tuple(result[name] for name in (*outputs, "count"))


def same(result: dict[str, Tensor], prediction: dict[str, Tensor], settings: dict[str, Any]) -> None:
    target, row = postprocess.select(prediction, settings)
    assert result["count"].tolist() == target.counts.tolist()
    assert result["scores"].shape == (3, min(settings["max_objects"], 200))
    start = 0
    for i, count in enumerate(target.counts.tolist()):
        mine = slice(start, start + count)
        assert torch.equal(result["boxes"][i, :count], target.boxes[mine])
        assert torch.equal(result["labels"][i, :count], target.labels[mine])
        assert torch.equal(result["coefficients"][i, :count], prediction["coefficients"][i, row[mine]])
        assert not result["scores"][i, count:].any()
        assert not result["boxes"][i, count:].any()
        start += count


@pytest.mark.parametrize("change", [{}, {"nms": 1.0}, {"max_objects": 500}, {"conf": 0.9}])
def test_the_objects_are_those_that_are_read_outside(change: dict[str, Any]) -> None:
    outputs, settings = crowd(), {**SETTINGS, **change}
    result = final(outputs, settings)
    same(result, outputs, settings)
    assert result["prototypes"] is outputs["prototypes"]


@pytest.mark.parametrize("change", [{}, {"nms": 1.0}, {"max_objects": 500}])
def test_so_they_are_in_onnx(change: dict[str, Any]) -> None:
    ort = pytest.importorskip("onnxruntime", reason="the extra 'onnx' is not installed")
    pytest.importorskip("onnxscript", reason="the extra 'onnx' is not installed")
    from sightline.exporters.nms_graph import translated

    result, settings = crowd(), {**SETTINGS, **change}
    names = ["boxes", "scores", "labels", "coefficients"]
    inputs = tuple(result[name] for name in names)
    batch = torch.export.Dim("batch", min=1)
    program = torch.export.export(
        Last(settings), inputs, dynamic_shapes={name: {0: batch} for name in names}, strict=False
    )
    built_value: Any = torch.onnx.export(
        program, input_names=names, opset_version=20, verbose=False, custom_translation_table=translated()
    )
    session = ort.InferenceSession(built_value.model_proto.SerializeToString())
    outputs = session.run(None, {name: result[name].numpy() for name in names})
    actual = dict(zip([*names, "count"], map(torch.from_numpy, outputs), strict=True))
    same(actual, result, settings)
