"""The commands inspect and models."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sightline import api
from sightline.errors import DataError, UnknownName, UsageError


def test_totals_stand_in_the_last_row() -> None:
    table = api.inspect("alexnet")
    *layers, total = table.rows
    assert list(table.columns) == ["layer", "type", "output", "parameters", "FLOPs", "receptive field"]
    assert total[0] == "total"
    assert total[3] == sum(row[3] for row in layers) == 61_100_840
    assert total[4] == sum(row[4] for row in layers)
    assert layers[0][:4] == ["convolutions.0", "Conv2d", "64x55x55", 23_296]
    assert layers[0][5] == "11x11"
    assert json.dumps(table.rows)


def test_size_classes_and_channels_are_taken() -> None:
    table = api.inspect("lenet5", size=28, num_classes=10, channels=1)
    assert table.title == "lenet5 on 1x28x28"
    assert table.rows[-1][3] == 61_706


def test_a_run_folder(tmp_path: Path) -> None:
    settings = {
        "backbone": "mlp",
        "backbone_options": {"width": 7, "depth": 1},
        "classes": ["a", "b"],
        "channels": 1,
        "size": [4, 5],
    }
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.json").write_text(json.dumps({"format": 2, "model_config": settings}))
    assert api.inspect(str(tmp_path)).rows[-1][3] == 20 * 7 + 7 + 7 * 2 + 2
    assert api.inspect(str(tmp_path / "model")).title == "mlp on 1x4x5"


def test_folders_without_a_model_and_damaged_ones(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"model\.json"):
        api.inspect(str(tmp_path))
    (tmp_path / "model.json").write_text('{"model_config": {"backbone": "mlp"')
    with pytest.raises(DataError, match="damaged"):
        api.inspect(str(tmp_path))
    (tmp_path / "model.json").write_text('{"model_config": {"backbone": "mlp"}}')
    with pytest.raises(DataError, match="outputs"):
        api.inspect(str(tmp_path))


def test_wrong_arguments() -> None:
    with pytest.raises(UnknownName, match="'alexnet'"):
        api.inspect("alexnett")
    with pytest.raises(UsageError, match="--channels"):
        api.inspect("lenet5", channels=2)


def test_models_lists_ours_with_their_cards() -> None:
    table = api.list_models()
    rows = {row[0]: row for row in table.rows}
    assert {"perceptron", "mlp", "lenet5", "lecture-cnn", "resnet-small", "alexnet", "googlenet"} <= set(rows)
    assert rows["lecture-cnn"][2] == "1,199,882"
    assert "--all" in table.note


def test_models_by_pattern() -> None:
    result = [row[0] for row in api.list_models("ResNet1?", all=True).rows]
    assert {"resnet10t", "resnet14t", "resnet18"} & set(result) >= {"resnet18"}
    assert all(name.startswith("resnet1") for name in result)
    none = api.list_models("nothing*")
    assert not none.rows
    assert "nothing*" in none.note
