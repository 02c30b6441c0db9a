"""`evaluate` and `compare` with --task: predictions in files, made by any tool."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import sightline as sl
from sightline.core.targets.instances import Instances
from sightline.data.formats.yolo import write
from sightline.data.open import open_data
from sightline.errors import DataError, UsageError


@pytest.fixture(scope="module")
def boxes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight images with boxes, as YOLO."""
    return write(open_data("shapes:boxes:8"), tmp_path_factory.mktemp("data") / "truth")


def labels(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*.txt") if p.parent.name != folder.name)


def test_the_annotations_themselves_score_best_and_a_missing_box_is_missed(
    boxes: Path, tmp_path: Path
) -> None:
    results = sl.evaluate(boxes, str(boxes), task="detect", split="all")
    assert results.scores["mAP50-95"].value == pytest.approx(1)
    assert results.n == 8
    worse = shutil.copytree(boxes, tmp_path / "worse")
    lines = labels(worse)[0].read_text().splitlines()
    labels(worse)[0].write_text("\n".join(lines[1:]))
    scores = sl.evaluate(worse, str(boxes), task="detect", split="all", out=tmp_path / "page.html").scores
    assert 0.5 < scores["mAP50-95"].value < 1
    stored = json.loads((tmp_path / "page.json").read_text())
    assert stored["scores"]["mAP50-95"]["value"] == pytest.approx(scores["mAP50-95"].value)
    assert "predictions" in (tmp_path / "page.html").read_text()
    comparison = sl.compare(boxes, worse, data=str(boxes), task="detect")
    assert comparison.pairs[0].n == 8
    lost = 1 - scores["mAP50-95"].value
    assert comparison.pairs[0].lines["mAP50-95"].test.difference.value == pytest.approx(lost)


def test_what_cannot_be_paired_is_refused(boxes: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs annotations too"):
        sl.evaluate(boxes, task="detect")
    with pytest.raises(UsageError, match="goes with --task"):
        sl.compare(boxes, boxes, data=str(boxes))
    with pytest.raises(UsageError, match="two or more"):
        sl.compare(boxes, data=str(boxes), task="detect")
    fewer = shutil.copytree(boxes, tmp_path / "fewer")
    image = next(p for p in sorted(fewer.rglob("*")) if p.suffix in (".png", ".jpg"))
    labels(fewer)[0].unlink()
    image.unlink()
    with pytest.raises(DataError, match="1 of 8 annotated items have no prediction"):
        sl.evaluate(fewer, str(boxes), task="detect", split="all")


def coco(path: Path, names: list[str], objects: list[dict[str, Any]], points: tuple[str, ...] = ()) -> Path:
    """A file of COCO with images of 100 x 100 pixels beside it, and one category."""
    path.parent.mkdir(parents=True, exist_ok=True)
    images = [{"id": i, "file_name": name, "width": 100, "height": 100} for i, name in enumerate(names)]
    for name in names:
        (path.parent / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (100, 100)).save(path.parent / name)
    category = {"id": 1, "name": "thing"} | ({"keypoints": list(points)} if points else {})
    rows = [{"id": n, "category_id": 1, "iscrowd": 0, **row} for n, row in enumerate(objects, 1)]
    path.write_text(json.dumps({"images": images, "annotations": rows, "categories": [category]}))
    return path


def square(image: int, x: float, **more: Any) -> dict[str, Any]:
    return {"image_id": image, "bbox": [x, 10, 20, 20], "area": 400, **more}


def test_scores_of_objects_rank_them(tmp_path: Path) -> None:
    """A false box before each true one halves the precision, unless its score is lower."""
    names = ["a.jpg", "b.jpg"]
    truth = coco(tmp_path / "truth" / "all.json", names, [square(i, 10) for i in (0, 1)])
    both = [(i, x, score) for i in (0, 1) for x, score in ((60, 0.01), (10, 0.99))]
    scored = [square(i, x, score=score) for i, x, score in both]
    ranked = sl.evaluate(
        coco(tmp_path / "ranked" / "all.json", names, scored), str(truth), task="detect", split="all"
    )
    assert ranked.scores["mAP50-95"].value == pytest.approx(1)
    assert not any("no scores" in text for text in ranked.conclusions)
    bare = coco(tmp_path / "bare" / "all.json", names, [square(i, x) for i, x, _ in both])
    alike = sl.evaluate(bare, str(truth), task="detect", split="all")
    assert alike.scores["mAP50-95"].value == pytest.approx(0.5, abs=0.01)
    assert any(f"{bare} holds no scores" in text for text in alike.conclusions)
    comparison = sl.compare(bare, tmp_path / "ranked" / "all.json", data=str(truth), task="detect")
    assert any("holds no scores" in text for text in comparison.messages)
    assert open_data(truth).targets_as(Instances).scores is None
    assert open_data(tmp_path / "ranked" / "all.json").targets_as(Instances).scores is None


@pytest.mark.parametrize(
    ("scores", "words"), [((0.5, None), "1 of 2 .* have no score"), ((99, 3), "from 0 to 1")]
)
def test_scores_that_rank_nothing_are_refused(
    tmp_path: Path, scores: tuple[float | None, ...], words: str
) -> None:
    truth = coco(tmp_path / "truth" / "all.json", ["a.jpg"], [square(0, 10), square(0, 60)])
    rows = [square(0, x) | ({} if s is None else {"score": s}) for x, s in zip((10, 60), scores, strict=True)]
    with pytest.raises(DataError, match=words):
        sl.evaluate(coco(tmp_path / "mine" / "all.json", ["a.jpg"], rows), str(truth), task="detect")


def test_coco_results_score_as_in_pycocotools(data_folder: Callable[[str], Path], tmp_path: Path) -> None:
    """Detections of mmpose; expected: `COCOeval(truth, truth.loadRes(found), "bbox")` (2.0.11)."""
    root = data_folder("coco_mini")
    truth, found = root / "test_coco.json", root / "test_coco_det_AP_H_56.json"
    results = sl.evaluate(found, str(truth), task="detect", split="all")
    expected = {"mAP50-95": 0.789, "mAP50": 0.982, "mAP small": 0.650, "mAP medium": 0.767, "AR100": 0.843}
    assert {name: round(results.scores[name].value, 3) for name in expected} == expected
    with pytest.raises(DataError, match="results go with COCO annotations"):
        sl.evaluate(found, "shapes:boxes:4", task="detect", split="all")
    more = [
        *json.loads(found.read_text()),
        {"image_id": 1, "category_id": 1, "bbox": [1, 1, 9, 9], "score": 1},
    ]
    (tmp_path / "more.json").write_text(json.dumps(more))
    again = sl.evaluate(tmp_path / "more.json", str(truth), task="detect", split="all")
    assert again.scores["mAP50-95"].value == results.scores["mAP50-95"].value


def test_results_of_keypoints_have_no_visibility(data_folder: Callable[[str], Path], tmp_path: Path) -> None:
    """Some tools write the confidence of a point in its place; COCO reads neither."""
    truth = data_folder("coco_mini") / "test_coco.json"
    entries = [row for row in json.loads(truth.read_text())["annotations"] if row.get("num_keypoints")]
    found = [
        {k: row[k] for k in ("image_id", "category_id")}
        | {"score": 0.5, "keypoints": [0.37 if k % 3 == 2 else v for k, v in enumerate(row["keypoints"])]}
        for row in entries
    ]
    (tmp_path / "found.json").write_text(json.dumps(found))
    results = sl.evaluate(tmp_path / "found.json", str(truth), task="keypoints", split="all")
    assert results.scores["OKS AP"].value == pytest.approx(1)
    assert results.scores["point error"].value == pytest.approx(0)


def test_scores_of_yolo_and_of_masks(boxes: Path, tmp_path: Path) -> None:
    scored = shutil.copytree(boxes, tmp_path / "scored")
    for path in labels(scored):
        lines = path.read_text().splitlines()
        label, _, *size = lines[0].split()
        path.write_text("\n".join([f"{label} 0.02 {' '.join(size)} 0.1", *(f"{line} 0.9" for line in lines)]))
    results = sl.evaluate(scored, str(boxes), task="detect", split="all")
    assert results.scores["mAP50-95"].value == pytest.approx(1)
    square_at = {x: [[x, 10, x + 20, 10, x + 20, 30, x, 30]] for x in (10, 60)}
    truth = coco(tmp_path / "t" / "all.json", ["a.jpg"], [square(0, 10, segmentation=square_at[10])])
    rows = [square(0, x, segmentation=square_at[x], score=s) for x, s in ((60, 0.1), (10, 0.9))]
    masks = sl.evaluate(coco(tmp_path / "m" / "all.json", ["a.jpg"], rows), str(truth), task="instance")
    assert masks.scores["mask mAP50-95"].value == pytest.approx(1)


def test_scores_of_yolo_outlines_and_points(tmp_path: Path) -> None:
    """The score is the last number of a line, after corners or points as after a box."""
    corners = {x: f"{x} 0.1 {x + 0.2:g} 0.1 {x + 0.2:g} 0.3 {x} 0.3" for x in (0.1, 0.6)}
    points = {x: f"{x + 0.1:g} 0.2 0.2 0.2 {x} 0.1 2 {x + 0.2:g} 0.3 0.7" for x in (0.1, 0.6)}

    def written(name: str, lines: list[str], more: str = "") -> Path:
        folder = tmp_path / name
        for part in ("images", "labels"):
            (folder / part / "train").mkdir(parents=True)
        Image.new("RGB", (100, 100)).save(folder / "images" / "train" / "a.jpg")
        (folder / "labels" / "train" / "a.txt").write_text("\n".join(lines))
        (folder / "data.yaml").write_text(f"path: .\ntrain: images/train\nnames: [thing]\n{more}")
        return folder

    outlines = written("outlines", [f"0 {corners[0.1]}"])
    ranked = written("ranked", [f"0 {corners[0.6]} 0.1", f"0 {corners[0.1]} 0.9"])
    masks = sl.evaluate(ranked, str(outlines), task="instance", split="all")
    assert masks.scores["mask mAP50-95"].value == pytest.approx(1)
    kind = "kpt_shape: [2, 3]\n"
    posed = written("posed", [f"0 {points[0.1]}".replace("0.7", "2")], kind)
    placed = written("placed", [f"0 {points[0.6]} 0.1", f"0 {points[0.1]} 0.9"], kind)
    assert sl.evaluate(placed, str(posed), task="keypoints", split="all").scores[
        "OKS AP"
    ].value == pytest.approx(1)
    assert sl.evaluate(placed, str(posed), task="detect", split="all").scores[
        "mAP50-95"
    ].value == pytest.approx(1)


def test_points_are_compared_by_name(tmp_path: Path) -> None:
    """The same points in another order, or fewer, are refused; and objects keep their scores."""
    xy = {"nose": [10, 10, 2], "left_ear": [20, 15, 2], "tail": [30, 30, 2]}

    def posed(folder: str, order: list[str], shift: float = 0, **more: Any) -> Path:
        flat = [value + shift * (k < 2) for name in order for k, value in enumerate(xy[name])]
        rows = [square(0, 10, keypoints=flat, **more)]
        if shift:
            rows = [*rows, square(0, 10, keypoints=[v for name in order for v in xy[name]], score=0.9)]
        return coco(tmp_path / folder / "all.json", ["a.jpg"], rows, tuple(order))

    truth = posed("truth", [*xy])
    good = sl.evaluate(posed("ranked", [*xy], 40, score=0.1), str(truth), task="keypoints")
    assert good.scores["OKS AP"].value == pytest.approx(1)
    for order, words in (([*reversed(xy)], "in another order"), ([*xy][:2], "nose, left_ear in the pred")):
        with pytest.raises(DataError, match=f"the points are nose, left_ear, tail .*{words}"):
            sl.evaluate(posed(words[:4], order), str(truth), task="keypoints")


def test_each_prediction_serves_one_item(tmp_path: Path) -> None:
    """By the end of their names, one prediction would be that of two images, or two that of one."""
    twice, once = ["a/x.jpg", "b/x.jpg"], ["x.jpg"]
    both = coco(tmp_path / "both" / "all.json", twice, [square(0, 10), square(1, 60)])
    single = coco(tmp_path / "single" / "all.json", once, [square(0, 10)])
    other = coco(tmp_path / "other" / "all.json", ["c/x.jpg", "d/x.jpg"], [square(0, 10), square(1, 60)])
    plain = coco(tmp_path / "plain" / "all.json", ["x.jpg", "y.jpg"], [square(0, 10), square(1, 60)])
    with pytest.raises(DataError, match=r"2 annotated items share .*a/x.jpg, b/x.jpg"):
        sl.evaluate(single, str(both), task="detect", split="all")
    with pytest.raises(DataError, match=r"2 predictions share .*c/x.jpg, d/x.jpg"):
        sl.evaluate(other, str(plain), task="detect", split="all")
    assert sl.evaluate(both, str(both), task="detect", split="all").n == 2


def test_annotations_are_read_once(boxes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copies = [shutil.copytree(boxes, tmp_path / name) for name in ("first", "second", "third")]
    sl.compare(*copies, data=str(boxes), task="detect")
    assert capsys.readouterr().err.count("truth: Read as") == 1


GT = "".join(f"{f},{i},{10 * f},{50 * i},20,40,1,1,1\n" for f in range(1, 6) for i in (1, 2))


def test_tracks_of_another_tool(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth = tmp_path / "walk" / "gt"
    truth.mkdir(parents=True)
    (truth / "gt.txt").write_text(GT)
    (tmp_path / "mine.txt").write_text(GT.replace(",1,1,1\n", ",0.5,-1,-1,-1\n"))
    results = sl.evaluate(tmp_path / "mine.txt", str(truth / "gt.txt"), task="track")
    assert results.scores["HOTA"].value == pytest.approx(1)
    assert any("fewer than 10 blocks" in text for text in results.conclusions)
    zero = "".join(f"{int(line[0]) - 1}{line[1:]}\n" for line in GT.splitlines())
    (tmp_path / "zero.txt").write_text(zero)
    shifted = sl.evaluate(tmp_path / "zero.txt", str(truth.parent), task="track")
    assert shifted.scores["HOTA"].value == pytest.approx(1)
    assert "frames-from-zero" in capsys.readouterr().err
    (tmp_path / "long.txt").write_text(GT + "6,1,1,1,9,9,1,1,1\n")
    with pytest.raises(DataError, match="1 boxes lie after the last frame"):
        sl.evaluate(tmp_path / "long.txt", str(tmp_path / "walk"), task="track")


def test_scores_with_distractors_are_told_beside(tmp_path: Path) -> None:
    truth = tmp_path / "MOT17-02" / "gt"
    truth.mkdir(parents=True)
    (truth / "gt.txt").write_text(GT + "".join(f"{f},3,300,300,20,40,1,8,1\n" for f in range(1, 6)))
    (tmp_path / "mine.txt").write_text(GT + "".join(f"{f},7,300,300,20,40,1,1,1\n" for f in range(1, 6)))
    results = sl.evaluate(tmp_path / "mine.txt", str(truth.parent), task="track")
    assert results.scores["HOTA"].value == pytest.approx(1)
    assert any(text.startswith("With all classes as objects: HOTA") for text in results.conclusions)
