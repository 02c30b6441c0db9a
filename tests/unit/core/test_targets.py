from __future__ import annotations

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sightline.core.targets import target_type
from sightline.core.targets.label import ClassLabels
from sightline.core.targets.number import RegressionValues


def same(a: object, b: object) -> bool:
    for name, value in vars(a).items():
        other = getattr(b, name)
        if (value is None) != (other is None) or (value is not None and not torch.equal(value, other)):
            return False
    return True


@given(st.lists(st.integers(0, 4), min_size=1, max_size=8), st.booleans(), st.booleans())
def test_labels_survive_json(values: list[int], multi: bool, scored: bool) -> None:
    value = torch.tensor(values)
    scores = torch.rand(len(values), 5) if scored else None
    label = ClassLabels(torch.nn.functional.one_hot(value, 5).bool() if multi else value, scores)
    assert same(ClassLabels.from_json(json.loads(json.dumps(label.to_json())), 5), label)


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=8))
def test_numbers_survive_json(values: list[float]) -> None:
    number = RegressionValues(torch.tensor(values).reshape(-1, 1))
    assert same(RegressionValues.from_json(json.loads(json.dumps(number.to_json()))), number)


def test_indexing_filters_and_cat_is_its_inverse() -> None:
    label = ClassLabels(torch.tensor([2, 0, 1]), torch.rand(3, 3))
    assert label[torch.tensor([True, False, True])].value.tolist() == [2, 1]
    assert len(label[1]) == 1
    assert same(ClassLabels.cat([label[0], label[1:]]), label)


def test_shapes_are_checked() -> None:
    with pytest.raises(ValueError, match="rows"):
        ClassLabels(torch.tensor([1, 2]), torch.rand(3, 3))
    with pytest.raises(ValueError, match="Number"):
        RegressionValues(torch.zeros(3))


def test_types_by_kind() -> None:
    assert target_type("label") is ClassLabels
    assert target_type("number") is RegressionValues
