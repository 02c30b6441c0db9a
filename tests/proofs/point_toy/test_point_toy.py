"""A kind of target that lies in the image, its data and its task, in a folder of their own.

What a later change makes necessary outside this folder is a fault of the toolkit's shape.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import sightline
from sightline.core.targets import target_type
from sightline.data.io.encode import encode_png
from sightline.testing import check_model, check_task
from tests.contracts import test_targets as promises

pytestmark = pytest.mark.usefixtures("plugins")


@pytest.mark.parametrize(
    "promise",
    [
        promises.test_a_kind_says_the_same_of_itself_in_both,
        promises.test_indexing_chooses_and_cat_is_its_inverse,
        promises.test_moving_nowhere_changes_nothing_and_back_is_the_inverse,
        promises.test_other_images_differ_and_an_image_does_not_differ_from_itself,
        promises.test_classes_are_counted_and_called_otherwise,
        promises.test_the_arrays_of_an_image_are_told_drawn_and_compressed,
        promises.test_every_check_takes_data_of_every_kind,
        promises.test_outputs_are_decoded_to_what_was_predicted,
        promises.test_tiles_are_joined_to_what_they_were_cut_from,
    ],
)
def test_the_kind_keeps_the_promises_of_all_kinds(promise: object) -> None:
    promise("point")  # type: ignore[operator]


def test_the_task_keeps_the_contract(tmp_path: Path) -> None:
    check_task("point-toy")
    torch.manual_seed(0)
    check_model("point-toy", "net", tmp_path)


@pytest.mark.parametrize("tile_size", [None, 32])
def test_it_is_trained_predicted_with_and_exported(tile_size: int | None, tmp_path: Path) -> None:
    options = {"size": 48} if tile_size is None else {"tile_size": tile_size}
    run = sightline.train("spots", out=tmp_path / "run", epochs=2, augment="light", seed=1, **options)
    assert run.record.model_config.task == "point-toy", "the task is taken by what the data hold"
    assert '"distance"' in (run.path / "results.json").read_text()
    evaluated = sightline.evaluate(run.path, split="val", out=tmp_path / "val.html")
    assert 0 < evaluated.scores["distance"].value < 48
    data = target_type("point").synthetic(1, 60, seed=9)
    (tmp_path / "a.png").write_bytes(encode_png(data.images[0]))
    for out in ("a.jsonl", "drawn"):
        sightline.predict(run.path, [str(tmp_path / "a.png")], out=tmp_path / out)
    row = json.loads((tmp_path / "a.jsonl").read_text())
    assert list(row) == ["path", "x", "y", "score"]
    exported = sightline.export(run.path, to="onnx")
    from sightline.runtime.session import Session

    (answer,) = Session(exported.file).predict([tmp_path / "a.png"])
    assert answer.row == pytest.approx({k: v for k, v in row.items() if k != "path"}, abs=1e-2)
    drawn = answer.prediction.draw(data.images[0], ())
    assert np.any(drawn != data.images[0])
