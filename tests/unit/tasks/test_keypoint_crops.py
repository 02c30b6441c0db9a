"""Several objects in an image: each is cut out by its box, and the model is shown the crops."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import sightline as sl
from sightline.core.dataset import Classes, Dataset
from sightline.core.predictor import Outcome
from sightline.core.targets.instances import Instances
from sightline.core.targets.keypoints import FIGURE, VISIBLE, Keypoints
from sightline.data.io.pixels import Arrays
from sightline.data.open import open_data
from sightline.data.split import split
from sightline.errors import DataError, UsageError
from sightline.exporters.export_run import CROPS
from sightline.inference.given_boxes import GivenBoxes
from sightline.inference.sources import Answer, Sources
from sightline.metrics.pck import Pck
from sightline.runtime import cli as runtime
from sightline.tasks.keypoints.task import KeypointTask

BOX = {"crop": "box"}
IMAGES = (785, 40083, 196141, 197388)
"""Ids of the images of coco_mini."""
numbers = st.lists(st.floats(0, 40), min_size=4, max_size=4)


def two_in_each(n: int = 4, **changes: Any) -> Dataset:
    """n images of 64 x 128 pixels, each with two figures side by side."""
    sample = Keypoints.synthetic(2 * n, 64, seed=3)
    targets: Any = sample.targets
    images = sample.images.reshape(n, 2, 64, 64, 3).transpose(0, 2, 1, 3, 4).reshape(n, 64, 128, 3)
    aside = torch.tensor([0.0, 64.0]).repeat(n)
    points = targets.points + torch.stack([aside, torch.zeros(2 * n)], 1)[:, None]
    sizes, counts = torch.tensor([[64, 128]] * n), torch.full((n,), 2)
    objects = Keypoints.of(sizes, counts, points, targets.visibility, FIGURE)
    ids = [f"{i}.png" for i in range(n)]
    return Dataset("two", "toy", ids, Arrays(images), replace(objects, **changes), Classes(("figure",)))


def test_each_object_is_an_item_and_images_stay_together() -> None:
    crops = KeypointTask.recast(two_in_each(10), {})
    assert crops.ids[:3] == ["0.png@1", "0.png@2", "1.png@1"]
    assert crops.targets_as(Keypoints).counts.tolist() == [1] * 20
    parts = split(crops, seed=1).assignment
    assert (parts[::2] == parts[1::2]).all()
    assert len(set(parts)) == 3
    assert "20 objects are cut out of 10 images" in crops.messages[-1]


def test_points_lie_on_the_same_pixels_of_the_crop() -> None:
    """The head is one bright pixel of the figure: it is where the crop says."""
    data = two_in_each()
    crops = KeypointTask.recast(data, BOX)
    before, after = data.targets_as(Keypoints), crops.targets_as(Keypoints)
    for m, i in enumerate(before.image.tolist()):
        image, crop = data.pixels.read(i), crops.pixels.read(m)
        assert crop.shape[:2] == tuple(after.sizes[m].tolist())
        for (x, y), (u, v) in zip(before.points[m].tolist(), after.points[m].tolist(), strict=True):
            assert np.array_equal(crop[int(v), int(u)], image[int(y), int(x)])


@settings(max_examples=40, deadline=None)
@given(numbers)
def test_a_crop_is_a_quarter_larger_than_the_box_and_shifted_by_whole_pixels(xy: list[float]) -> None:
    """Nothing is scaled or clipped, also where the crop reaches beyond the image, which is gray there."""
    x, y, wide, high = xy[0], xy[1], 1 + xy[2] / 2, 1 + xy[3] / 2
    boxes = torch.tensor([[x, y, x + wide, y + high]])
    points = torch.tensor([[[x, y], [x + wide, y + high], [x + wide / 3, y], [x - 30, y]]])
    targets = Keypoints(
        counts=torch.tensor([1]), sizes=torch.tensor([[48, 64]]), boxes=boxes, labels=torch.zeros(1).long(),
        points=points, visibility=torch.full((1, 4), VISIBLE), skeleton=FIGURE,
    )  # fmt: skip
    image = np.full((1, 48, 64, 3), 200, dtype=np.uint8)
    crops = KeypointTask.recast(Dataset("one", "toy", ["a"], Arrays(image), targets), BOX)
    found = crops.targets_as(Keypoints)
    shift = (targets.points - found.points)[0]
    assert torch.allclose(shift, shift.round(), atol=1e-4)
    assert torch.allclose(shift, shift[:1].expand(4, 2), atol=1e-4), "all points by the same, none clipped"
    assert torch.allclose(found.boxes[:, 2:] - found.boxes[:, :2], torch.tensor([[wide, high]]), atol=1e-4)
    height, width = found.sizes[0].tolist()
    assert 0 <= width - 1.25 * wide < 2.01
    assert 0 <= height - 1.25 * high < 2.01
    crop, (dx, dy) = crops.pixels.read(0), shift[0].round().long().tolist()
    columns, rows = np.arange(width) + dx, np.arange(height) + dy
    shown = ((columns >= 0) & (columns < 64))[None] & ((rows >= 0) & (rows < 48))[:, None]
    assert (crop[shown] == 200).all()
    assert (crop[~shown] == 114).all()


def test_what_gives_no_item_is_said() -> None:
    data = two_in_each(4)
    targets = data.targets_as(Keypoints)
    crowd, visibility, boxes = torch.zeros(8, dtype=torch.bool), targets.visibility.clone(), targets.boxes
    crowd[0], visibility[2:4], boxes = True, 0, boxes.clone()
    boxes[5] = boxes[5, [0, 1, 0, 3]]
    odd = replace(data, targets=replace(targets, crowd=crowd, visibility=visibility, boxes=boxes))
    crops = KeypointTask.recast(odd, {})
    assert crops.ids == ["0.png@2", "2.png@1", "3.png@1", "3.png@2"]
    for words in (
        "1 images give none",
        "1 crowds",
        "2 objects without a labeled point",
        "1 objects whose box",
    ):
        assert words in crops.messages[-1]
    with pytest.raises(DataError, match="no object can be cut out"):
        KeypointTask.recast(two_in_each(2, crowd=torch.ones(4, dtype=torch.bool)), {})


def test_a_model_sees_other_data_as_it_saw_its_own() -> None:
    data = two_in_each(2)
    for whole in ({"crop": "image"}, {"items": "images"}):
        with pytest.raises(DataError, match=r"2 of 2 images hold several objects .*--crop box"):
            KeypointTask.recast(data, whole)
    one = replace(data, targets=data.targets_as(Keypoints).select(torch.tensor([True, False] * 2)))
    assert KeypointTask.recast(one, {}) is one
    for cut in (BOX, {"items": "objects"}):
        assert len(KeypointTask.recast(one, cut)) == 2
        assert KeypointTask.recast(one, cut).pixels is not one.pixels


def write_coco(data: Dataset, folder: Path) -> Path:
    """A file of COCO with its images beside it; every other object is a dog, the others cats."""
    folder.mkdir(parents=True)
    targets = data.targets_as(Keypoints)
    rows = []
    for m, i in enumerate(targets.image.tolist()):
        (x1, y1, x2, y2), points = targets.boxes[m].tolist(), targets.points[m].tolist()
        flat = [value for x, y in points for value in (x, y, 2)]
        rows.append({"id": m + 1, "image_id": i, "category_id": 1 + m % 2, "bbox": [x1, y1, x2 - x1, y2 - y1],
                     "area": (x2 - x1) * (y2 - y1), "iscrowd": 0, "keypoints": flat,
                     "num_keypoints": 4})  # fmt: skip
    images = []
    for i, name in enumerate(data.ids):
        Image.fromarray(data.pixels.read(i)).save(folder / name)
        images.append({"id": i, "file_name": name, "width": 128, "height": 64})
    categories = [{"id": k, "name": name, "keypoints": list(FIGURE.names), "skeleton": []}
                  for k, name in enumerate(("cat", "dog"), 1)]  # fmt: skip
    content = {"images": images, "annotations": rows, "categories": categories}
    (folder / "figures.json").write_text(json.dumps(content))
    return folder / "figures.json"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("figures")
    file = write_coco(two_in_each(24), folder / "figures")
    return sl.train(str(file), size=32, epochs=2, out=folder / "run")


@pytest.fixture(scope="module")
def detector(run: Any) -> Path:
    data = run.record.arguments["data"]
    return Path(sl.train(data, task="detect", size=32, epochs=1, out=run.path.parent / "boxes").path)


def test_the_report_calls_it_an_oracle_of_boxes(run: Any, tmp_path: Path) -> None:
    results, report = run.results, (run.path / "report.html").read_text()
    assert any("oracle of boxes" in sentence for sentence in results.conclusions)
    assert results.n % 2 == 0
    assert run.record.model_config.to_json()["items"] == "objects"
    assert "oracle of boxes" in report
    assert "48 objects are cut out of 24 images" in report
    again = sl.evaluate(run.path)
    for name, score in results.scores.items():
        assert again.scores[name].value == pytest.approx(score.value, nan_ok=True)
    other = sl.evaluate(run.path, str(write_coco(two_in_each(3), tmp_path / "others")))
    assert other.n == 6
    assert any("oracle of boxes" in sentence for sentence in other.conclusions)


def test_without_boxes_a_model_of_crops_answers_nothing(run: Any, detector: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot predict: .*--boxes DETECT_RUN"):
        sl.load(run.path)
    with pytest.raises(UsageError, match="is shown whole images and takes no boxes"):
        sl.load(detector, boxes=detector)
    with pytest.raises(UsageError, match="cannot predict"):
        sl.load(run.path, boxes=run.path)


def test_detected_objects_are_placed_in_the_image(
    run: Any, detector: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With the annotated boxes in place of detected ones, the answer is that of evaluation, in pixels of the
    image; a box of low score is left out, and an image without a box has no object."""
    predictor: Any = sl.load(run.path, boxes=detector)
    data = open_data(run.record.arguments["data"])
    ids, crops, _ = run.predictions("test")
    image = ids[0].rpartition("@")[0]
    i = list(data.ids).index(image)
    boxes = data.targets[i].boxes.repeat(2, 1)
    scores = torch.tensor([1.0, 0.5, 0.0, 0.0])

    def found(sources: Any, batch_size: int) -> Any:
        for batch in sources.batches(batch_size):
            for item in batch:
                keep = torch.ones(4, dtype=torch.bool) if item.id.endswith(Path(image).name) else scores > 2
                sizes, labels = torch.tensor([[64, 128]]), torch.zeros(4).long()
                objects = Instances(torch.tensor([4]), sizes, boxes, labels, scores)
                yield Answer(item, Outcome(item.id, objects.select(keep), {}))

    monkeypatch.setattr(predictor.detector, "answers", found)
    folder = Path(run.record.arguments["data"]).parent
    other = next(name for name in data.ids if name != image)
    whole, nothing = predictor.predict([str(folder / image), str(folder / other)])
    assert nothing.prediction.counts.tolist() == [0]
    assert whole.prediction.counts.tolist() == [2]
    assert torch.equal(whole.prediction.boxes, boxes[:2])
    for k in range(2):
        crop = crops[ids.index(f"{image}@{k + 1}")]
        corner = (boxes[k, :2] - (boxes[k, 2:] - boxes[k, :2]) / 8).floor()
        assert torch.allclose(whole.prediction.points[k], crop.points[0] + corner, atol=0.02)
        assert torch.allclose(whole.prediction.scores[k], crop.scores[0] * scores[k], atol=1e-4)
    assert sl.predict(run.path, [str(folder)], boxes=detector, out=tmp_path / "points.json").total == 24
    scored = sl.evaluate(tmp_path / "points.json", run.record.arguments["data"], task="keypoints")
    assert scored.n == 24, "images as they are, without an oracle"
    assert any("all objects (cat, dog) count as 'object'" in text for text in scored.conclusions)


def test_an_exported_file_takes_crops_and_says_so(
    run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file is checked on validation crops, and answers a crop as evaluation does, in its pixels."""
    exported = sl.export(run.path, to="onnx", out=tmp_path / "points.onnx")
    assert exported.gate is not None
    assert exported.gate.passed
    assert exported.gate.n == len(run.predictions("val")[0])
    assert "takes crops of one object each: its box, 1.25 times" in capsys.readouterr().err
    ids, crops, _ = run.predictions("val")
    data = KeypointTask.recast(open_data(run.record.arguments["data"]), {"items": "objects"})
    i = list(data.ids).index(ids[0])
    Image.fromarray(data.pixels.read(i)).save(tmp_path / "crop.png")
    assert runtime.main([str(exported.file), str(tmp_path / "crop.png"), "--json"]) == 0
    out, err = capsys.readouterr()
    assert CROPS in err
    document = json.loads(out)
    assert document["takes"] == CROPS
    row = document["rows"][0]
    for j, name in enumerate(FIGURE.names):
        assert [row[f"{name}_x"], row[f"{name}_y"]] == pytest.approx(crops[0].points[0, j].tolist(), abs=0.02)
    with pytest.raises(DataError, match=r"is a file\. .*sightline-run"):
        sl.load(exported.file, boxes=run.path)


def test_a_file_that_is_worse_on_crops_is_rejected(run: Any, tmp_path: Path) -> None:
    exported = sl.export(run.path, to="torch", out=tmp_path / "points.pt2", max_score_drop=-100)
    assert exported.exit_code == 1
    assert exported.file.name == "points.pt2.rejected"


def boxes_of(data: Dataset, file: Path, scores: bool, images: int = 24) -> Path:
    """Annotations of boxes beside the images, of the first images only, perhaps with scores."""
    content = json.loads((file.parent / "figures.json").read_text())
    content["images"] = content["images"][:images]
    content["annotations"] = [
        {k: v for k, v in row.items() if k in ("id", "image_id", "category_id", "bbox")}
        | ({"score": 0.25 + row["id"] % 2 / 2} if scores else {})
        for row in content["annotations"]
        if row["image_id"] < images
    ]
    file.write_text(json.dumps(content))
    return file


def test_boxes_of_a_file_give_the_points_of_evaluation(
    run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Annotated boxes of a file are what evaluation has; scores of boxes count, images without are said."""
    data = two_in_each(24)
    folder = write_coco(data, tmp_path / "images").parent
    plain, scored = boxes_of(data, folder / "a.json", False), boxes_of(data, folder / "b.json", True, 2)
    (folder / "figures.json").unlink()
    ids, crops, _ = run.predictions("test")
    image = ids[0].rpartition("@")[0]
    (outcome,) = sl.load(run.path, boxes=plain).predict(str(folder / image))
    found = outcome.prediction
    assert "a.json has no scores" in capsys.readouterr().err
    for k in range(2):
        crop, box = crops[ids.index(f"{image}@{k + 1}")], data.targets[int(image[:-4])].boxes[k]
        place = (found.boxes - box).abs().sum(1).argmin()
        corner = (box[:2] - (box[2:] - box[:2]) / 8).floor()
        assert torch.allclose(found.points[place], crop.points[0] + corner, atol=0.02)
        assert found.scores[place] == pytest.approx(float(crop.scores[0]), abs=1e-4)
    weighed = sl.load(run.path, boxes=scored)
    copies = tmp_path / "copies"
    shutil.copytree(folder, copies)
    outcomes = list(weighed.predict([str(copies / "0.png"), str(copies / "9.png")]))
    sure = next(sl.load(run.path, boxes=plain).predict(str(folder / "0.png"))).prediction
    assert sorted(outcomes[0].prediction.scores.tolist()) == pytest.approx(
        sorted(s * w for s, w in zip(sure.scores.tolist(), weights(sure, data), strict=True)), abs=1e-4
    )
    assert outcomes[1].prediction.counts.tolist() == [0]
    assert "1 images without a box have no object: 9.png" in capsys.readouterr().err


def weights(found: Keypoints, data: Dataset) -> list[float]:
    """Score of the box of each object of the first image, as `boxes_of` writes it."""
    first = data.targets[0].boxes
    return [0.75 if torch.allclose(box, first[0]) else 0.25 for box in found.boxes]


def test_results_as_coco_has_them_are_boxes_too(run: Any, tmp_path: Path) -> None:
    """A list of results beside its annotations."""
    file = write_coco(two_in_each(3), tmp_path / "images")
    rows = [{"image_id": 1, "category_id": 1, "bbox": [2, 3, 30, 40], "score": 0.5}]
    (file.parent / "results.json").write_text(json.dumps(rows))
    predictor = sl.load(run.path, boxes=file.parent / "results.json")
    none, one = predictor.predict([str(file.parent / f"{i}.png") for i in range(2)])
    assert none.prediction.counts.tolist() == [0]
    assert one.prediction.boxes.tolist() == [[2, 3, 32, 43]]
    shutil.copy(file, file.parent / "more.json")
    assert sl.load(run.path, boxes=file.parent / "results.json").detector.names == ["cat", "dog"]
    content = json.loads(file.read_text())
    content["images"][1]["file_name"] = "2.png"
    (file.parent / "more.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"are ids in .*figures\.json and in .*more\.json, of other images"):
        sl.load(run.path, boxes=file.parent / "results.json")


def test_detected_people_of_coco(data_folder: Callable[[str], Path]) -> None:
    """A results file beside two files of annotations; most results are of other images."""
    folder = data_folder("coco_mini")
    boxes = GivenBoxes(folder / "test_coco_det_AP_H_56.json")
    found = [a.outcome.prediction for a in boxes.answers(Sources([str(folder / "images")]), 1)]
    rows = json.loads((folder / "test_coco_det_AP_H_56.json").read_text())
    assert sum(len(one.labels) for one in found) == sum(row["image_id"] in IMAGES for row in rows)
    assert all(one.scores.diff().max() <= 0 for one in found)


def test_boxes_that_do_not_fit_are_refused(run: Any, tmp_path: Path) -> None:
    file = write_coco(two_in_each(3), tmp_path / "images")
    predictor = sl.load(run.path, boxes=file)
    other = tmp_path / "other"
    other.mkdir()
    Image.new("RGB", (64, 64)).save(other / "1.png")
    Image.new("RGB", (128, 64)).save(other / "strange.png")
    with pytest.raises(UsageError, match=r"names none of the 1 images: not strange\.png, but 0\.png"):
        list(predictor.predict(str(other / "strange.png")))
    (outcome,) = predictor.predict(str(other / "1.png"))
    assert "has 64x64 pixels, but its boxes are of 128x64" in outcome.error
    with pytest.raises(UsageError, match="has boxes of image files, and 0 is none"):
        list(predictor.predict(np.zeros((64, 128, 3), dtype=np.uint8)))
    content = json.loads(file.read_text())
    content["categories"] = [{"id": 1, "name": "tree"}, {"id": 2, "name": "house"}]
    file.write_text(json.dumps(content))
    with pytest.raises(
        UsageError, match=r"has 2 classes \(tree, house\), but the points are those of cat, dog"
    ):
        sl.load(run.path, boxes=file)
    for row in content["annotations"]:
        row["score"] = 3
    file.write_text(json.dumps(content))
    with pytest.raises(DataError, match="score outside of 0 to 1"):
        sl.load(run.path, boxes=file)


def test_points_of_several_classes_are_scored_alike() -> None:
    """A model places points and tells no classes apart: right points are right in each class."""
    labels = torch.tensor([0, 1] * 4)
    data = replace(two_in_each(4, labels=labels), classes=Classes(("cat", "dog")))
    crops = KeypointTask.recast(data, {})
    assert crops.classes == Classes(("object",))
    assert any("(cat, dog) count as 'object'" in text for text in crops.messages)
    target = crops.targets_as(Keypoints)
    stated = replace(target, labels=torch.zeros_like(target.labels)).as_prediction(1)
    metric = Pck(0.2)
    values = metric.values(metric.sample_statistics(stated, target), np.ones((1, len(target))))
    assert values.tolist() == [1]
    again = KeypointTask.recast(data, {"items": "objects", "merged": ["cat", "dog"]})
    assert again.classes == crops.classes
    assert KeypointTask.recast(data, {"items": "objects", "merged": []}).classes == data.classes


def test_people_of_coco(data_folder: Callable[[str], Path]) -> None:
    crops = KeypointTask.recast(
        open_data(str(data_folder("coco_mini") / "test_coco.json"), target_type="keypoints"), {}
    )
    assert (len(crops), len(set(crops.groups))) == (12, 4)
    assert "2 objects without a labeled point" in crops.messages[-1]
    for i, (height, width) in enumerate(crops.targets_as(Keypoints).sizes.tolist()):
        assert crops.pixels.read(i).shape == (height, width, 3)
