"""What is predicted can be written as a data set, opened again, and holds the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from sightline.commands.predict import predict
from sightline.core.dataset import Dataset
from sightline.core.predictor import Outcome
from sightline.data.io.encode import encode_png
from sightline.data.open import open_data
from sightline.errors import UsageError
from sightline.inference import promptable
from sightline.inference.prelabels import written_formats
from sightline.inference.sources import Answer, Sources
from sightline.inference.summary import Predicted
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


def test_polygons_of_yolo(scenes: Callable, tmp_path: Path) -> None:
    truth = scenes("outlines").targets
    answer(tmp_path, "yolo")
    (tmp_path / "scenes").rename(tmp_path / "labels/images")
    (tmp_path / "labels/data.yaml").unlink()
    (tmp_path / "labels/labels").mkdir()
    for file in (tmp_path / "labels").glob("*.txt"):
        file.rename(tmp_path / "labels/labels" / file.name)
    found = open_data(tmp_path / "labels", format="yolo", truth="outlines").targets
    assert found.counts.tolist() == truth.counts.tolist()
    assert found.labels.tolist() == truth.labels.tolist()
    for i in range(N):
        assert (iou(found[i].bitmaps, truth[i].bitmaps).diagonal() > 0.95).all()


def called(dataset: Dataset) -> list[str]:
    """Class of each object."""
    assert dataset.classes is not None
    return [dataset.classes.names[k] for k in dataset.targets.labels]


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
    with pytest.raises(UsageError, match=r"--as is one of pictures, csv, .*label-studio.*Received 'cvta'"):
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
