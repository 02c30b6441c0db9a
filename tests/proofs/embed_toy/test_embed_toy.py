"""A kind of target and a task in a folder of their own: nothing else has to be edited for them.

What a later change makes necessary outside this folder is a fault of the toolkit's shape.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import sightline
import sightline.core.targets
import sightline.runtime.targets
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
    ],
)
def test_the_kind_keeps_the_promises_of_all_kinds(promise: object) -> None:
    assert "vector" in sightline.core.targets.TARGETS
    assert "vector" in sightline.runtime.targets.TARGETS
    promise("vector")  # type: ignore[operator]


def test_the_task_keeps_the_contract(tmp_path: Path) -> None:
    check_task("embed-toy")
    torch.manual_seed(0)
    check_model("embed-toy", "net", tmp_path)


def test_it_is_trained_evaluated_predicted_with_and_exported(tmp_path: Path) -> None:
    run = sightline.train(
        "shapes:60", task="embed-toy", out=tmp_path / "run", epochs=3, size=32, augment="none", seed=1
    )
    assert run.results.scores["recall@1"].n > 0
    assert (run.path / "report.html").is_file()
    assert run.results.conclusions[0].startswith("Recall@1 on test")
    evaluated = sightline.evaluate(run.path, split="val", out=tmp_path / "val.html")
    assert set(evaluated.scores) == {"recall@1"}
    _, prediction, target = run.predictions()
    assert (prediction.kind, target.kind) == ("vector", "label")
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    (tmp_path / "a.png").write_bytes(encode_png(image))
    lines, images, table = tmp_path / "a.jsonl", tmp_path / "drawn", tmp_path / "a.csv"
    for out in (lines, images, table):
        sightline.predict(run.path, [str(tmp_path / "a.png")], out=out)
    row = json.loads(lines.read_text())
    assert np.linalg.norm([row[f"e{k}"] for k in range(4)]) == pytest.approx(1, abs=1e-4)
    assert table.read_text().splitlines()[0] == "path,e0,e1,e2,e3,error"
    assert (images / "a.png").is_file()
    exported = sightline.export(run.path, to="onnx")
    from sightline.runtime.session import Session

    (answer,) = Session(exported.file).predict([tmp_path / "a.png"])
    assert answer.row == pytest.approx({k: v for k, v in row.items() if k != "path"}, abs=1e-4)
