"""Predictions in the types of other libraries."""

from __future__ import annotations

import sys

import pytest
import torch

from sightline.core.targets.bitmaps import CroppedMasks
from sightline.core.targets.instances import Instances
from sightline.core.targets.outlines import InstanceMasks
from sightline.errors import MissingExtra
from sightline.ops.convert import to_supervision

TWO = Instances(
    torch.tensor([2]),
    torch.tensor([[100, 200]]),
    torch.tensor([[1.0, 2, 30, 40], [5, 5, 9, 9]]),
    torch.tensor([1, 0]),
    torch.tensor([0.9, 0.4]),
)


def test_detections_of_supervision() -> None:
    pytest.importorskip("supervision", reason="supervision is not installed")
    result = to_supervision(TWO, ["cat", "dog"])
    assert result.xyxy.tolist() == TWO.boxes.tolist()
    assert result[result.confidence > 0.5]["class_name"].tolist() == ["dog"]
    assert result.class_id.tolist() == [1, 0]
    empty = TWO.select(torch.zeros(2, dtype=torch.bool))
    assert len(to_supervision(empty, ["cat", "dog"])) == 0


def test_masks_go_along() -> None:
    pytest.importorskip("supervision", reason="supervision is not installed")
    dense = torch.zeros(2, 10, 12, dtype=torch.bool)
    dense[0, 2:5, 3:9], dense[1, 9, 0] = True, True
    first = InstanceMasks.of(
        torch.tensor([[10, 12]]), torch.tensor([2]), CroppedMasks.of(dense), torch.tensor([1, 0])
    )
    result = to_supervision(first)
    assert (result.mask == dense.numpy()).all()
    assert result.xyxy.tolist() == [[3, 2, 9, 5], [0, 9, 1, 10]]
    assert len(to_supervision(first.select(torch.zeros(2, dtype=torch.bool)))) == 0


def test_what_is_missing_or_too_much_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="2 images"):
        to_supervision(TWO[[0, 0]])
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(MissingExtra, match="supervision"):
        to_supervision(TWO)
