"""What is predicted can be written as a data set, opened again, and holds the same."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from sightline.commands.predict import predict
from sightline.core.dataset import Dataset
from sightline.core.predictor import Outcome
from sightline.core.targets.bitmaps import CroppedMasks
from sightline.data.convert import written_formats
from sightline.data.formats import FORMATS
from sightline.data.io.encode import encode_png
from sightline.data.open import open_data
from sightline.errors import UsageError
from sightline.inference import promptable
from sightline.inference.sources import Answer, Sources
from sightline.inference.summary import Predicted
from sightline.ops.masks import iou

N = 3
BOXES = ("boxes", "createml", "voc")
OTHERS = ("folder", "table", "coco", "yolo", "instance-masks")
OBJECTS = [
    f for f in written_formats() if f not in OTHERS and "outlines" in FORMATS.load(f).CARD.target_types
]


class Oracle:
    """Says the target of built-in scenes, with scores."""

    def __init__(self, dataset: Dataset) -> None:
        assert dataset.classes is not None
        self.target = dataset.targets
        if hasattr(self.target, "scores"):
            self.target = replace(self.target, scores=torch.full((len(self.target.labels),), 0.9))
        names, ids = list(dataset.classes.names), [3 + 2 * i for i in dataset.classes.ids]
        self.settings = {"classes": names, "class_ids": ids}
        self.task = SimpleNamespace(
            card=SimpleNamespace(prediction_type=dataset.target_type),
            to_records=lambda p: [{"n": len(p)}] * len(p),
        )

    def answers(self, sources: Sources, batch_size: int) -> Iterator[Answer]:
        for i, first in enumerate(sources):
            yield Answer(first, Outcome(first.id, self.target[i], {"n": 1}))


@pytest.fixture
def scenes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Dataset]:
    """Built-in scenes as files, and a model that knows their target."""

    def make(kind: str) -> Dataset:
        dataset = open_data(f"shapes:{kind}:{N}")
        monkeypatch.setattr(promptable, "predictor", lambda *a: Oracle(dataset))
        (tmp_path / "scenes").mkdir()
        for i in range(N):
            (tmp_path / f"scenes/{i}.png").write_bytes(encode_png(dataset.pixels.read(i)))
        return dataset

    return make


def answer(tmp_path: Path, form: str, **options: Any) -> Predicted:
    out = tmp_path / "labels"
    return predict(tmp_path, [str(tmp_path / "scenes")], out=out, to=form, **options)


@pytest.mark.parametrize("form", OBJECTS)
def test_objects_with_masks(form: str, scenes: Callable, tmp_path: Path) -> None:
    target = scenes("outlines").targets
    answer(tmp_path, form)
    where = "labels/tasks.json" if form == "label-studio" else "labels"
    result = open_data(tmp_path / where, target_type="outlines").targets
    assert result.counts.tolist() == target.counts.tolist()
    for i in range(N):
        same = iou(result[i].bitmaps, target[i].bitmaps).amax(1)
        assert (same > 0.9).all()


def called(dataset: Dataset) -> list[str]:
    """Class of each object."""
    assert dataset.classes is not None
    return [dataset.classes.names[k] for k in dataset.targets.labels]


@pytest.mark.parametrize("kind", ["boxes", "outlines"])
def test_coco_is_read_where_it_lies_and_has_the_scores(kind: str, scenes: Callable, tmp_path: Path) -> None:
    dataset = scenes(kind)
    predict(tmp_path, [str(tmp_path / "scenes")], out=tmp_path / "found.json")
    data = open_data(tmp_path / "found.json", target_type=dataset.target_type)
    assert called(data) == called(dataset)
    assert data.classes is not None
    assert data.classes.ids == tuple(3 + 2 * i for i in range(len(data.classes)))
    assert data.targets.boxes.tolist() == dataset.targets.boxes.tolist()
    assert [Path(item).name for item in data.ids] == [f"{i}.png" for i in range(N)]
    if kind == "outlines":
        assert data.targets.bitmaps.tolist() == dataset.targets.bitmaps.tolist()
    entries = json.loads((tmp_path / "found.json").read_text())["annotations"]
    assert entries
    assert all(entry["score"] == 0.9 for entry in entries)


def test_a_mask_without_a_pixel_is_measured_too(
    scenes: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is an object that was found where there is none."""
    dataset = scenes("outlines")
    oracle = Oracle(dataset)
    nothing = CroppedMasks.of(np.zeros((len(dataset.targets.labels), 4, 4)))  # no pixel is sure
    oracle.target = replace(oracle.target, masks=nothing)
    monkeypatch.setattr(promptable, "predictor", lambda *a: oracle)
    predict(tmp_path, [str(tmp_path / "scenes")], out=tmp_path / "found.json")
    entries = json.loads((tmp_path / "found.json").read_text())["annotations"]
    assert len(entries) == len(dataset.targets.labels)
    predict(tmp_path, [str(tmp_path / "scenes")], out=tmp_path / "labels", to="yolo")
    assert not any(file.read_text() for file in (tmp_path / "labels").glob("*.txt"))


@pytest.mark.parametrize("kind", ["boxes", "outlines"])
def test_yolo_is_read_beside_its_images(kind: str, scenes: Callable, tmp_path: Path) -> None:
    dataset = scenes(kind)
    (tmp_path / "set").mkdir()
    (tmp_path / "scenes").rename(tmp_path / "set/images")
    predict(tmp_path, [str(tmp_path / "set/images")], out=tmp_path / "set/labels", to="yolo")
    for source in ("set", "set/labels/data.yaml"):
        data = open_data(tmp_path / source, target_type=dataset.target_type)
        assert data.format == "yolo"
        assert data.targets.labels.tolist() == dataset.targets.labels.tolist()
        assert torch.allclose(data.targets.boxes, dataset.targets.boxes, atol=1e-3)
        if kind == "outlines":
            assert data.targets.bitmaps.tolist() == dataset.targets.bitmaps.tolist()
    assert called(open_data(tmp_path / "set/labels/data.yaml", target_type=dataset.target_type)) == called(
        dataset
    )


def test_class_maps_are_read_beside_their_images(scenes: Callable, tmp_path: Path) -> None:
    dataset = scenes("masks")
    (tmp_path / "set").mkdir()
    (tmp_path / "scenes").rename(tmp_path / "set/images")
    predict(tmp_path, [str(tmp_path / "set/images")], out=tmp_path / "set/masks", to="masks")
    data = open_data(tmp_path / "set", target_type="masks")
    assert data.classes is not None
    assert data.classes.ids == tuple(3 + 2 * i for i in range(len(data.classes)))
    assert all((data.targets.map(i) == dataset.targets.map(i)).all() for i in range(N))


@pytest.mark.parametrize("form", ["cvat", "labelme", "voc", "yolo"])
def test_scores_that_have_no_place_are_said(
    form: str, scenes: Callable, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scenes("boxes")
    answer(tmp_path, form)
    assert f"The format '{form}' cannot hold scores" in capsys.readouterr().err


@pytest.mark.parametrize("form", BOXES)
def test_boxes(form: str, scenes: Callable, tmp_path: Path) -> None:
    dataset = scenes("boxes")
    answer(tmp_path, form)
    data = open_data(tmp_path / "labels", target_type="instances")
    assert torch.allclose(data.targets.boxes, dataset.targets.boxes, atol=0.51)
    assert called(data) == called(dataset)


def test_class_maps_with_their_images(scenes: Callable, tmp_path: Path) -> None:
    target = scenes("masks").targets
    answer(tmp_path, "voc-segmentation")
    result = open_data(tmp_path / "labels", target_type="masks").targets
    assert all((result.map(i) == target.map(i)).all() for i in range(N))


def test_what_cannot_be_written_is_refused(scenes: Callable, tmp_path: Path) -> None:
    scenes("boxes")
    with pytest.raises(UsageError, match=r"--to is one of images, .*csv, .*label-studio.*Received 'cvta'"):
        answer(tmp_path, "cvta")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels/mine.txt").write_text("target")
    with pytest.raises(UsageError, match="may hold annotations"):
        answer(tmp_path, "cvat")


@pytest.mark.parametrize("form", ["boxes", "cvat", "voc"])
def test_images_of_equal_names_keep_their_folders_in_theirs(
    form: str, scenes: Callable, tmp_path: Path
) -> None:
    """So that whoever corrects them knows which they are."""
    scenes("boxes")
    for i, folder in enumerate(("north", "south")):
        (tmp_path / "scenes" / folder).mkdir()
        (tmp_path / f"scenes/{i}.png").rename(tmp_path / "scenes" / folder / "1.png")
    (tmp_path / "scenes/2.png").rename(tmp_path / "scenes/north/1.jpg")
    answer(tmp_path, form)
    written = {path.name for path in (tmp_path / "labels").rglob("*") if path.suffix in (".png", ".jpg")}
    assert written == {"north_1_png.png", "south_1_png.png", "north_1_jpg.jpg"}
