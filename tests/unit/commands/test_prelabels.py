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
from sightline.core.targets.bitmaps import Bitmaps
from sightline.data.io.encode import encode_png
from sightline.data.open import open_data
from sightline.errors import UsageError
from sightline.inference import promptable
from sightline.inference.sources import Answer, Sources
from sightline.inference.summary import Predicted
from sightline.inference.writers.dataset import written_formats
from sightline.ops.masks import iou

N = 3
MAPS = ("masks", "voc-segmentation")
BOXES = ("boxes", "createml", "voc")
OTHERS = ("folder", "table", "coco", "yolo", "instance-masks")
OBJECTS = [f for f in written_formats() if f not in (*MAPS, *BOXES, *OTHERS)]


class Oracle:
    """Says the truth of built-in scenes, with scores."""

    def __init__(self, dataset: Dataset) -> None:
        assert dataset.classes is not None
        self.truth = dataset.targets
        if hasattr(self.truth, "scores"):
            self.truth = replace(self.truth, scores=torch.full((len(self.truth.labels),), 0.9))
        names, ids = list(dataset.classes.names), [3 + 2 * i for i in dataset.classes.ids]
        self.settings = {"classes": names, "class_ids": ids}
        self.task = SimpleNamespace(
            card=SimpleNamespace(prediction=dataset.truth), rows=lambda p: [{"n": len(p)}] * len(p)
        )

    def answers(self, sources: Sources, batch_size: int) -> Iterator[Answer]:
        for i, one in enumerate(sources):
            yield Answer(one, Outcome(one.id, self.truth[i], {"n": 1}))


@pytest.fixture
def scenes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Dataset]:
    """Built-in scenes as files, and a model that knows their truth."""

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
    return predict(tmp_path, [str(tmp_path / "scenes")], out=out, as_=form, **options)


@pytest.mark.parametrize("form", OBJECTS)
def test_objects_with_masks(form: str, scenes: Callable, tmp_path: Path) -> None:
    truth = scenes("outlines").targets
    answer(tmp_path, form)
    where = "labels/tasks.json" if form == "label-studio" else "labels"
    found = open_data(tmp_path / where, truth="outlines").targets
    assert found.counts.tolist() == truth.counts.tolist()
    for i in range(N):
        same = iou(found[i].bitmaps, truth[i].bitmaps).amax(1)
        assert (same > 0.9).all()


def called(dataset: Dataset) -> list[str]:
    """Class of each object."""
    assert dataset.classes is not None
    return [dataset.classes.names[k] for k in dataset.targets.labels]


@pytest.mark.parametrize("kind", ["boxes", "outlines"])
def test_coco_is_read_where_it_lies_and_has_the_scores(kind: str, scenes: Callable, tmp_path: Path) -> None:
    dataset = scenes(kind)
    predict.run(tmp_path, [str(tmp_path / "scenes")], out=tmp_path / "found.json")
    found = open_data(tmp_path / "found.json", truth=dataset.truth)
    assert called(found) == called(dataset)
    assert found.classes is not None
    assert found.classes.ids == tuple(3 + 2 * i for i in range(len(found.classes)))
    assert found.targets.boxes.tolist() == dataset.targets.boxes.tolist()
    assert [Path(item).name for item in found.ids] == [f"{i}.png" for i in range(N)]
    if kind == "outlines":
        assert found.targets.bitmaps.tolist() == dataset.targets.bitmaps.tolist()
    entries = json.loads((tmp_path / "found.json").read_text())["annotations"]
    assert entries
    assert all(entry["score"] == 0.9 for entry in entries)


def test_a_mask_without_a_pixel_is_measured_too(
    scenes: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is an object that was found where there is none."""
    dataset = scenes("outlines")
    oracle = Oracle(dataset)
    nothing = Bitmaps.of(np.zeros((len(dataset.targets.labels), 4, 4)))  # no pixel is sure
    oracle.truth = replace(oracle.truth, masks=nothing)
    monkeypatch.setattr(predict, "predictor_for", lambda *a: oracle)
    predict.run(tmp_path, [str(tmp_path / "scenes")], out=tmp_path / "found.json")
    entries = json.loads((tmp_path / "found.json").read_text())["annotations"]
    assert len(entries) == len(dataset.targets.labels)
    predict.run(tmp_path, [str(tmp_path / "scenes")], out=tmp_path / "labels", as_="yolo")
    assert not any(file.read_text() for file in (tmp_path / "labels").glob("*.txt"))


@pytest.mark.parametrize("kind", ["boxes", "outlines"])
def test_yolo_is_read_beside_its_images(kind: str, scenes: Callable, tmp_path: Path) -> None:
    dataset = scenes(kind)
    (tmp_path / "set").mkdir()
    (tmp_path / "scenes").rename(tmp_path / "set/images")
    predict.run(tmp_path, [str(tmp_path / "set/images")], out=tmp_path / "set/labels", as_="yolo")
    for source in ("set", "set/labels/data.yaml"):
        found = open_data(tmp_path / source, truth=dataset.truth)
        assert found.format == "yolo"
        assert found.targets.labels.tolist() == dataset.targets.labels.tolist()
        assert torch.allclose(found.targets.boxes, dataset.targets.boxes, atol=1e-3)
        if kind == "outlines":
            assert found.targets.bitmaps.tolist() == dataset.targets.bitmaps.tolist()
    assert called(open_data(tmp_path / "set/labels/data.yaml", truth=dataset.truth)) == called(dataset)


def test_class_maps_are_read_beside_their_images(scenes: Callable, tmp_path: Path) -> None:
    dataset = scenes("masks")
    (tmp_path / "set").mkdir()
    (tmp_path / "scenes").rename(tmp_path / "set/images")
    predict.run(tmp_path, [str(tmp_path / "set/images")], out=tmp_path / "set/masks", as_="masks")
    found = open_data(tmp_path / "set", truth="masks")
    assert found.classes is not None
    assert found.classes.ids == tuple(3 + 2 * i for i in range(len(found.classes)))
    assert all((found.targets.map(i) == dataset.targets.map(i)).all() for i in range(N))


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
    found = open_data(tmp_path / "labels", truth="instances")
    assert torch.allclose(found.targets.boxes, dataset.targets.boxes, atol=0.51)
    assert called(found) == called(dataset)


def test_class_maps_with_their_pictures(scenes: Callable, tmp_path: Path) -> None:
    truth = scenes("masks").targets
    answer(tmp_path, "voc-segmentation")
    found = open_data(tmp_path / "labels", truth="masks").targets
    assert all((found.map(i) == truth.map(i)).all() for i in range(N))


def test_what_cannot_be_written_is_refused(scenes: Callable, tmp_path: Path) -> None:
    scenes("boxes")
    with pytest.raises(UsageError, match=r"--as is one of pictures, .*csv, .*label-studio.*Received 'cvta'"):
        answer(tmp_path, "cvta")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels/mine.txt").write_text("truth")
    with pytest.raises(UsageError, match="may be somebody's truth"):
        answer(tmp_path, "cvat")


@pytest.mark.parametrize("form", ["boxes", "cvat", "voc"])
def test_pictures_of_equal_names_keep_their_folders_in_theirs(
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
