"""Annotations as labelme, VIA, Supervisely and CreateML write them: boxes, masks, classes and splits."""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sightline.data.io.encode import encode_png
from sightline.data.open import open_data
from sightline.errors import DataError, UnknownName
from tests.unit.data.box_samples import boxes, problems, write_image

SQUARE = [[4, 6], [20, 6], [20, 18], [4, 18]]


def dump(path: Path, data: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data))
    return path


def labelme(root: Path, *shapes: dict[str, Any], stem: str = "a", **more: Any) -> Path:
    """An image of 30 x 40 pixels with its JSON beside it."""
    write_image(root / f"{stem}.png")
    whole = [{"group_id": None, "flags": {}, **shape} for shape in shapes]
    entry = {"version": "5.4.1", "flags": {}, "shapes": whole, "imagePath": f"{stem}.png",
             "imageData": None, "imageHeight": 30, "imageWidth": 40, **more}  # fmt: skip
    dump(root / f"{stem}.json", entry)
    return root


def shape(kind: str, points: Any, label: str = "cat", **more: Any) -> dict[str, Any]:
    return {"label": label, "points": points, "shape_type": kind, **more}


def test_labelme_rectangles_in_any_order_circles_and_splits(tmp_path: Path) -> None:
    labelme(
        tmp_path / "train",
        shape("rectangle", [[20, 18], [4, 6]]),
        shape("circle", [[20, 15], [23, 19]], "dog"),
    )
    labelme(tmp_path / "val", shape("rectangle", [[4, 18], [20, 6]]), stem="b")
    data = open_data(tmp_path)
    assert data.format == "labelme"
    assert boxes(data) == {
        "a": [("cat", 4, 6, 20, 18), ("dog", 15, 10, 25, 20)],
        "b": [("cat", 4, 6, 20, 18)],
    }
    assert data.splits.tolist() == ["train", "val"]
    assert problems(data)["shapes-as-boxes"].items == ("train/a.json shape 2 (dog)",)


def test_labelme_polygons_masks_and_groups_are_masks(tmp_path: Path) -> None:
    mask = np.zeros((3, 4), dtype=np.uint8)
    mask[0, 1:] = 255
    code = base64.b64encode(encode_png(mask)).decode()
    parts = [[[25, 2], [27, 2], [27, 4], [25, 4]], [[30, 2], [32, 2], [32, 4], [30, 4]]]
    data = open_data(labelme(
        tmp_path, shape("polygon", SQUARE), shape("mask", [[8, 20], [11, 22]], "dog", mask=code),
        *(shape("polygon", part, "two", group_id=1) for part in parts),
    ))  # fmt: skip
    assert data.target_type == "outlines"
    assert data.targets.areas.tolist() == [192, 3, 8]
    assert boxes(data)["a"][1] == ("dog", 9, 20, 12, 21)
    assert not data.read_findings


def test_labelme_points_and_lines_stop_and_its_own_names_are_no_classes(tmp_path: Path) -> None:
    data = open_data(labelme(
        tmp_path, shape("rectangle", [[4, 6], [20, 18]]), shape("point", [[1, 1]]),
        shape("linestrip", [[1, 1], [5, 5]]), shape("polygon", SQUARE, "__ignore__"),
        shape("polygon", SQUARE, ""),
    ))  # fmt: skip
    assert boxes(data) == {"a": [("cat", 4, 6, 20, 18)]}
    reported = problems(data)
    assert reported["shapes-not-boxes"].items == (
        "a.json shape 2 (cat): a point",
        "a.json shape 3 (cat): a linestrip",
    )
    assert reported["boxes-missing"].items == ("a.json shape 5: no label",)
    assert any("__ignore__" in note for note in data.messages)


def test_labelme_images_elsewhere_and_only_inside_the_json(tmp_path: Path) -> None:
    box = shape("rectangle", [[4, 6], [20, 18]])
    labelme(tmp_path / "json", box, imagePath="..\\images\\a.png")
    (tmp_path / "json/a.png").unlink()
    write_image(tmp_path / "images/a.png")
    labelme(tmp_path / "json", box, stem="b", imageData="iVBORw0KGgo=")
    (tmp_path / "json/b.png").unlink()
    data = open_data(tmp_path)
    assert list(data.ids) == ["images/a.png"]
    reported = problems(data)
    assert reported["images-embedded"].items == ("json/b.json",)
    assert reported["images-embedded"].severity == reported["files-missing"].severity == "error"


def via(name: str, *regions: tuple[dict[str, Any], dict[str, Any]]) -> dict[str, Any]:
    rows = [{"shape_attributes": s, "region_attributes": r} for s, r in regions]
    return {f"{name}99": {"filename": name, "size": 99, "regions": rows, "file_attributes": {}}}


RECT = {"name": "rect", "x": 4, "y": 6, "width": 16, "height": 12}
RING = {"name": "polygon", "all_points_x": [4, 20, 20, 4], "all_points_y": [6, 6, 18, 18]}
ELLIPSE = {"name": "ellipse", "cx": 20, "cy": 15, "rx": 10, "ry": 5, "theta": np.pi / 2}


def test_via_export_project_and_csv_say_the_same(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png")
    write_image(tmp_path / "b.png")
    regions = [(RECT, {"species": "cat"}), (RING, {"species": "dog"}), (ELLIPSE, {"species": {"cat": True}})]
    entries = {**via("a.png", *regions), **via("b.png")}
    head = "filename,file_size,file_attributes,region_count,region_id,"
    head += "region_shape_attributes,region_attributes\n"
    cells = [[json.dumps(part).replace('"', '""') for part in region] for region in regions]
    rows = "".join(f'a.png,99,"{{}}",3,{k},"{s}","{r}"\n' for k, (s, r) in enumerate(cells))
    (tmp_path / "via.csv").write_text(head + rows + 'b.png,99,"{}",0,0,"{}","{}"\n')
    want = {"a": [("cat", 4, 6, 20, 18), ("dog", 4, 6, 20, 18), ("cat", 15, 5, 25, 25)], "b": []}
    for path in (
        tmp_path / "via.csv",
        dump(tmp_path / "via_region_data.json", entries),
        dump(tmp_path / "project.json", {"_via_settings": {}, "_via_img_metadata": entries}),
    ):
        data = open_data(path)
        result = boxes(data)
        assert data.format == "via"
        assert [b[0] for b in result["a"]] == [b[0] for b in want["a"]]
        assert np.allclose([b[1:] for b in result["a"]], [b[1:] for b in want["a"]], atol=1e-4)
        assert result["b"] == []
        assert problems(data)["shapes-as-boxes"].count == 2


def test_via_classes_and_lines(tmp_path: Path) -> None:
    write_image(tmp_path / "train/a.png")
    path = tmp_path / "train/via_region_data.json"
    line = {"name": "polyline", "all_points_x": [4, 20, 20], "all_points_y": [6, 6, 18]}
    dump(path, via("a.png", (RECT, {}), (line, {})))
    data = open_data(tmp_path)
    assert (data.classes.names, data.splits.tolist()) == (("object",), ["train"])
    assert problems(data)["shapes-not-boxes"].count == 1
    second = {"sort": "cat", "quality": "good"}
    dump(path, via("a.png", (RECT, second)))
    with pytest.raises(DataError, match="--target sort"):
        open_data(tmp_path)
    assert open_data(tmp_path, target="quality").classes.names == ("good",)
    with pytest.raises(UnknownName, match="sort"):
        open_data(tmp_path, target="sorte")
    dump(path, via("a.png", (RECT, {"class": "cat"}), (RECT, {"class": ""})))
    assert problems(open_data(tmp_path))["boxes-missing"].items == ("a.png region 1: no class",)


def supervisely(root: Path, *objects: dict[str, Any], part: str = "ds0", stem: str = "a") -> Path:
    write_image(root / part / "img" / f"{stem}.png")
    entry = {"size": {"height": 30, "width": 40}, "tags": [], "objects": list(objects)}
    dump(root / part / "ann" / f"{stem}.png.json", entry)
    titles = [{"title": name, "shape": "any", "id": k} for k, name in ((7, "dog"), (9, "cat"))]
    dump(root / "meta.json", {"classes": titles, "tags": []})
    return root


def test_supervisely_rectangles_polygons_with_holes_and_bitmaps(tmp_path: Path) -> None:
    hole = [[8, 10], [12, 10], [12, 14], [8, 14]]
    ring = {
        "classTitle": "cat",
        "geometryType": "polygon",
        "points": {"exterior": SQUARE, "interior": [hole]},
    }
    mask = np.zeros((3, 4), dtype=np.uint8)
    mask[0, 1:] = 1
    code = base64.b64encode(zlib.compress(encode_png(mask))).decode()
    bitmap = {"classId": 7, "geometryType": "bitmap", "bitmap": {"data": code, "origin": [8, 20]}}
    data = open_data(supervisely(tmp_path, ring, bitmap, part="train"))
    assert data.format == "supervisely"
    assert data.targets.areas.tolist() == [192 - 16, 3]
    assert boxes(data) == {"a": [("cat", 4, 6, 20, 18), ("dog", 9, 20, 12, 21)]}
    assert data.classes.names == ("dog", "cat")
    assert data.splits.tolist() == ["train"]
    rectangle = {"classTitle": "cat", "geometryType": "rectangle",
                 "points": {"exterior": [[4, 6], [20, 18]], "interior": []}}  # fmt: skip
    graph = {"classTitle": "cat", "geometryType": "graph", "nodes": {}}
    broken = {**bitmap, "bitmap": {"data": code[:12], "origin": [8, 20]}}
    data = open_data(supervisely(tmp_path, rectangle, ring, graph, broken, part="train"))
    assert boxes(data) == {"a": [("cat", 4, 6, 20, 18)] * 2}
    reported = problems(data)
    assert reported["shapes-not-boxes"].items == ("train/ann/a.png.json object 3 (cat): a graph",)
    assert reported["polygons-broken"].severity == "error"


def createml(root: Path, *entries: tuple[str, Any]) -> Path:
    for name, _ in entries:
        write_image(root / name)
    dump(root / "_annotations.createml.json", [{"image": n, "annotations": a} for n, a in entries])
    return root


def test_createml_counts_boxes_from_their_middle(tmp_path: Path) -> None:
    box = {"label": "cat", "coordinates": {"x": 12, "y": 12, "width": 16, "height": 12}}
    createml(tmp_path / "train", ("a.png", [box]), ("b.png", []))
    createml(tmp_path / "valid", ("c.png", [{**box, "label": "dog"}]))
    data = open_data(tmp_path)
    assert data.format == "createml"
    assert boxes(data) == {"a": [("cat", 4, 6, 20, 18)], "b": [], "c": [("dog", 4, 6, 20, 18)]}
    assert data.splits.tolist() == ["train", "train", "val"]
    broken = {"label": "cat", "coordinates": {"x": 12, "y": 12, "width": "16"}}
    data = open_data(createml(tmp_path / "other", ("a.png", [box, broken])))
    assert problems(data)["entries-broken"].severity == "error"


def test_createml_labels_without_a_place_are_classes_of_images(tmp_path: Path) -> None:
    data = open_data(createml(tmp_path / "one", ("a.png", "cat"), ("b.png", [{"label": "dog"}])))
    assert (data.target_type, data.targets.value.tolist(), data.classes.names) == (
        "label",
        [0, 1],
        ("cat", "dog"),
    )
    box = {"label": "cat", "coordinates": {"x": 12, "y": 12, "width": 16, "height": 12}}
    with pytest.raises(DataError, match=r"without coordinates \(b.png\)"):
        open_data(createml(tmp_path / "two", ("a.png", [box]), ("b.png", [{"label": "dog"}])))


def test_datumaro_boxes_outlines_and_labels(tmp_path: Path) -> None:
    write_image(tmp_path / "images/train/a.png")
    box = {"id": 0, "type": "bbox", "label_id": 1, "group": 0, "bbox": [4, 6, 16, 12]}
    ring = {
        "id": 1,
        "type": "polygon",
        "label_id": 0,
        "group": 3,
        "points": [float(v) for p in SQUARE for v in p],
    }
    double = {**box, "id": 2, "label_id": 0, "group": 3}
    line = {**ring, "id": 4, "type": "polyline", "group": 0}
    data = {"info": {}, "categories": {"label": {"labels": [{"name": "dog"}, {"name": "cat"}]}}}

    def opened(*annotations: dict[str, Any], **options: Any) -> Any:
        item = {"id": "a", "annotations": list(annotations), "image": {"path": "a.png", "size": [30, 40]}}
        dump(tmp_path / "annotations/train.json", {**data, "items": [item]})
        return open_data(tmp_path, **options)

    result = opened(box, ring, double, line)
    assert (result.format, result.splits.tolist()) == ("datumaro", ["train"])
    assert boxes(result) == {"a": [("cat", 4, 6, 20, 18), ("dog", 4, 6, 20, 18)]}
    assert problems(result)["shapes-not-boxes"].items == ("a.png annotation 4 (dog): a polyline",)
    masks = opened(ring, double, target_type="outlines")
    assert masks.targets.areas.tolist() == [192]
    assert not masks.read_findings
    labels = opened({"type": "label", "label_id": 1})
    assert (labels.target_type, labels.classes.names) == ("label", ("cat",))
