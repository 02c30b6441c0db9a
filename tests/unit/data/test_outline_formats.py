"""Objects with masks in the formats that hold them: what is drawn is read, and what is wrong is said."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from sightline.core.dataset import Classes, Dataset
from sightline.core.targets.bitmaps import CroppedMasks
from sightline.core.targets.outlines import InstanceMasks
from sightline.data.formats import FORMATS
from sightline.data.io.pixels import Arrays
from sightline.data.open import open_data
from sightline.data.parsing.options import ReadOptions
from sightline.errors import DataError
from sightline.ops.contours import fill, rle, rle_text
from tests.unit.data.box_samples import opened, problems, sure, write_image

WRITTEN = ("coco", "cvat", "label-studio", "yolo")
SQUARE = [5, 5, 15, 5, 15, 15, 5, 15]
CATS = [{"id": 0, "name": "cat"}, {"id": 7, "name": "dog"}]

_stacks = arrays(np.uint8, st.tuples(st.integers(0, 4), st.just(9), st.just(11)), elements=st.integers(0, 1))


@st.composite
def data_sets(draw: st.DrawFn) -> Dataset:
    """A few images with any masks: with holes, in parts, one over the other; each has a pixel."""
    stacks = draw(st.lists(_stacks, min_size=1, max_size=3))
    for stack in stacks:
        stack[:, draw(st.integers(0, 8)), draw(st.integers(0, 10))] = 1
    counts = torch.tensor([len(stack) for stack in stacks])
    total = int(counts.sum())
    crowd = torch.tensor(draw(st.lists(st.booleans(), min_size=total, max_size=total)), dtype=torch.bool)
    labels = torch.tensor(
        draw(st.lists(st.integers(0, 1), min_size=total, max_size=total)), dtype=torch.int64
    )
    sizes = torch.tensor([[9, 11]] * len(stacks))
    targets = InstanceMasks.of(sizes, counts, CroppedMasks.of(np.concatenate(stacks)), labels)
    if crowd.any():
        targets = InstanceMasks(
            counts, sizes, targets.boxes, labels, areas=targets.areas, crowd=crowd, masks=targets.masks
        )
    pixels = Arrays(np.zeros((len(stacks), 9, 11, 3), dtype=np.uint8))
    return Dataset(
        "made", "made", [f"p{i}" for i in range(len(stacks))], pixels, targets, Classes(("cat", "dog"))
    )


def dense(data: Dataset) -> dict[str, list[tuple[str, Any]]]:
    """Class name and mask (H, W) of each object, by the image's name without folder and ending."""
    assert isinstance(data.targets, InstanceMasks)
    assert data.classes is not None
    result = {}
    for i, item in enumerate(data.ids):
        first = data.targets[i]
        masks = first.bitmaps.dense(*first.sizes[0].tolist()).int().tolist()
        names = [data.classes.names[k] for k in first.labels.tolist()]
        result[Path(item).stem] = list(zip(names, masks, strict=True))
    return result


@pytest.mark.parametrize("format", WRITTEN)
@settings(max_examples=25, deadline=None)
@given(data=data_sets())
def test_masks_are_written_and_read_back_pixel_by_pixel(format: str, data: Dataset) -> None:
    module = FORMATS.load(format)
    with tempfile.TemporaryDirectory() as folder:
        place = module.write(data, Path(folder) / "new")
        assert module.sniff(str(place), ReadOptions(target_type="outlines")) > 0.95
        back = module.read(str(place), ReadOptions(target_type="outlines"))
        assert dense(back) == dense(data)
        assert not back.read_findings
        assert back.targets.area().tolist() == data.targets.area().tolist()
        assert back.targets.boxes.tolist() == data.targets.boxes.tolist()
        if format == "coco":
            assert (back.targets.crowd is None) == (data.targets.crowd is None)
            boxes = module.read(str(place), ReadOptions())
            assert boxes.target_type == "instances"
            assert boxes.targets.boxes.tolist() == data.targets.boxes.tolist()


def coco(root: Path, *drawn: Any, size: tuple[int, int] = (30, 40), text: bool = False) -> Path:
    write_image(root / "a.png", *size)
    images = [{"id": 1, "file_name": "a.png", "height": size[0], "width": size[1]}]
    rows = [
        {"id": 10 + k, "image_id": 1, "category_id": 7, "bbox": [5, 5, 10, 10], "segmentation": segmentation}
        for k, segmentation in enumerate(drawn)
    ]
    path = root / "masks.json"
    path.write_text(json.dumps({"images": images, "annotations": rows, "categories": CATS}))
    return path


def outlined(format: str, source: Path) -> Dataset:
    return opened(format, source, target_type="outlines")


def areas(data: Dataset) -> list[float]:
    return [float(v) for v in data.targets.bitmaps.areas()]


def test_coco_polygons_and_run_lengths(tmp_path: Path) -> None:
    mask = np.zeros((30, 40), dtype=np.uint8)
    mask[3:9, 30:40] = 1
    plain = {"size": [30, 40], "counts": rle(mask)}
    short = {"size": [30, 40], "counts": rle_text(rle(mask))}
    parts = [SQUARE, [20, 20, 24, 20, 24, 24, 20, 24]]
    data = outlined("coco", coco(tmp_path, [SQUARE], parts, plain, short))
    assert areas(data) == [100, 116, 60, 60]
    assert data.targets.boxes.tolist()[1:3] == [[5, 5, 24, 24], [30, 3, 40, 9]]
    assert not data.read_findings
    assert opened("coco", tmp_path / "masks.json").target_type == "instances"


@pytest.mark.parametrize(
    ("drawn", "name", "severity"),
    [
        ([[5, 5, 9, 9]], "polygons-too-short", "warning"),
        ([], "instance-masks-missing", "error"),
        (None, "instance-masks-missing", "error"),
        ([[35, 5, 55, 5, 55, 15, 35, 15]], "instance-masks-outside", "warning"),
        ([[-30, 5, -20, 5, -20, 15]], "instance-masks-empty", "warning"),
        ([[5.1, 5.1, 5.2, 5.1, 5.2, 5.2]], "instance-masks-empty", "warning"),
        ([[5, 5, 15, 15, 15, 5, 5, 15]], "polygons-self-intersecting", "warning"),
        ([[5, 5, 15, 5, 15]], "polygons-broken", "error"),
        ([[5, 5, 15, 5, "x", 15]], "polygons-broken", "error"),
        ([["5", "5", "15", "5", "15", "15"]], "polygons-broken", "error"),
        ([5, 5, 15, 5, 15, 15], "polygons-broken", "error"),
        ("mask", "polygons-broken", "error"),
        ({"size": [30, 40], "counts": [10, 10]}, "polygons-broken", "error"),
        ({"size": [30, 40], "counts": [1190, -10, 20]}, "polygons-broken", "error"),
        ({"size": [30, 40], "counts": "0 0"}, "polygons-broken", "error"),
        ({"size": [30], "counts": []}, "polygons-broken", "error"),
        ({"counts": [1200]}, "polygons-broken", "error"),
        ({"size": [10**6, 10**6], "counts": [10**12]}, "polygons-broken", "error"),
        ({"size": [40, 30], "counts": [0, 1200]}, "mask-sizes-differ", "error"),
        ({"size": [30, 40], "counts": [1200]}, "instance-masks-empty", "warning"),
        ([[5, 5, 15, 5, 1e400, 15]], "boxes-not-finite", "error"),
        ([[5, 5, 15, 5, 9, 5]], "degenerate-boxes", "warning"),
    ],
)
def test_masks_that_are_not_right_are_said(tmp_path: Path, drawn: Any, name: str, severity: str) -> None:
    data = outlined("coco", coco(tmp_path, [SQUARE], drawn))
    reported = problems(data)
    assert list(reported) == [name]
    assert (reported[name].severity, reported[name].count) == (severity, 1)
    assert reported[name].items[0].startswith(("masks.json annotation 11", "a.png: 7"))
    selected = 2 if name in ("instance-masks-outside", "polygons-self-intersecting") else 1
    assert len(data.targets.labels) == selected
    assert areas(data)[0] == 100
    if name == "instance-masks-outside":
        assert data.targets.boxes.tolist()[1] == [35, 5, 40, 15]


def test_run_lengths_that_do_not_add_up_are_said_with_annotation_and_sums(tmp_path: Path) -> None:
    data = outlined("coco", coco(tmp_path, [SQUARE], {"size": [30, 40], "counts": [10, 10]}))
    (item,) = problems(data)["polygons-broken"].items
    assert item == (
        "masks.json annotation 11 (run-length code: the run lengths add up to 20, not to 30 x 40 = 1,200)"
    )


def test_a_short_ring_leaves_the_others_of_its_object(tmp_path: Path) -> None:
    data = outlined("coco", coco(tmp_path, [SQUARE, [1, 1, 2, 2]]))
    assert areas(data) == [100]
    assert list(problems(data)) == ["polygons-too-short"]


def test_json_that_is_cut_or_has_no_masks(tmp_path: Path) -> None:
    path = coco(tmp_path, [SQUARE])
    path.write_text(path.read_text()[:-60])
    with pytest.raises(DataError, match=r"masks\.json: the file is cut off"):
        outlined("coco", path)
    with pytest.raises(DataError, match="none of the 2 annotations has a segmentation"):
        outlined("coco", coco(tmp_path, None, []))


def test_an_image_without_objects(tmp_path: Path) -> None:
    data = outlined("coco", coco(tmp_path))
    assert data.target_type == "outlines"
    assert data.targets.counts.tolist() == [0]
    assert dense(data) == {"a": []}


def test_three_thousand_objects_in_an_image(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    shape = np.stack([np.cos(turn), np.sin(turn)], 1)
    drawn = [[(rng.uniform(20, 980, 2) + shape * rng.uniform(4, 15)).ravel().tolist()] for _ in range(3000)]
    path = coco(tmp_path, *drawn, size=(1000, 1000))
    began = time.process_time()
    data = outlined("coco", path)
    assert time.process_time() - began < 60  # a guard against what grows with the image; 2 s are usual
    assert data.targets.counts.tolist() == [3000]
    assert min(areas(data)) > 30


def yolo(root: Path, text: str) -> Path:
    write_image(root / "images/a.png")
    (root / "labels").mkdir()
    (root / "labels/a.txt").write_text(text)
    (root / "data.yaml").write_text("train: images\nnames: [cat, dog]\n")
    return root


def test_yolo_polygons(tmp_path: Path) -> None:
    square = " ".join(f"{x / 40} {y / 30}" for x, y in np.reshape(SQUARE, (-1, 2)))
    lines = [f"1 {square}", "0 0.5 0.5 0.1 0.1", "1 0.1 0.1 0.5 0.5 0.1 0.5 0.9", "0 0.1 x 0.5 0.5 0.1 0.5",
             "0 5 5 15 5 15 15", "", "0 0 0 1 0 1 1 0 1"]  # fmt: skip
    data = outlined("yolo", yolo(tmp_path, "\n".join(lines)))
    assert areas(data) == [100, 1200]
    assert data.targets.labels.tolist() == [1, 0]
    reported = problems(data)
    assert reported["lines-with-boxes"].items == ("labels/a.txt line 2",)
    assert reported["lines-broken"].count == 2
    assert "polygon" in reported["lines-broken"].message
    assert reported["lines-in-pixels"].count == 1
    assert len(reported) == 3
    assert problems(opened("yolo", tmp_path))["shapes-as-boxes"].count == 2


def test_cvat_polygons_and_masks(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png")
    shapes = [
        '<polygon label="cat" points="5,5;15,5;15,15;5,15" occluded="1"/>',
        '<mask label="dog" rle="1, 2, 1, 2" left="30" top="20" width="3" height="2"/>',
        '<box label="dog" xtl="1" ytl="1" xbr="5" ybr="5"/>',
        '<polygon label="cat" points="5,5;15"/>',
        '<mask label="dog" rle="1, 2" left="30" top="20" width="3" height="2"/>',
        '<mask label="dog" rle="x" left="30" top="20" width="3" height="2"/>',
        '<mask label="dog" rle="6" left="30" top="20" width="3"/>',
        '<mask label="dog" rle="0, 6" left="38" top="20" width="3" height="2"/>',
    ]
    image = '<image id="0" name="a.png" width="40" height="30">'
    text = f"<annotations>{image}{''.join(shapes)}</image></annotations>"
    (tmp_path / "annotations.xml").write_text(text)
    data = outlined("cvat", tmp_path)
    masks = dense(data)["a"]
    assert [(name, int(np.sum(mask))) for name, mask in masks] == [("cat", 100), ("dog", 4), ("dog", 4)]
    assert np.argwhere(masks[1][1]).tolist() == [[20, 31], [20, 32], [21, 31], [21, 32]]
    reported = problems(data)
    assert reported["polygons-broken"].count == 4
    assert "a.png mask 5 (dog): the run lengths add up to 3" in reported["polygons-broken"].items[1]
    assert reported["shapes-not-polygons"].items == ("a.png box 3 (dog): a box",)
    assert reported["instance-masks-outside"].items == ("a.png mask 8 (dog)",)
    assert problems(opened("cvat", tmp_path))["shapes-as-boxes"].count == 3


def brush(mask: np.ndarray) -> list[int]:
    """Brush code of a mask, by the published layout: runs of 2 to 16 and single words."""
    flat = np.repeat(mask.ravel() * 255, 4)
    bits = f"{len(flat):032b}{7:05b}{2:04b}{3:04b}{7:04b}{15:04b}"
    ends = [*(np.flatnonzero(np.diff(flat)) + 1).tolist(), len(flat)]
    at = 0
    for end in ends:
        while at < end:
            run = min(16, end - at)
            repeated = run != 4  # runs of four are written word by word, to have both
            words = f"{flat[at]:08b}" * (1 if repeated else run)
            bits += f"{int(repeated)}01{run - 1:04b}{words}"
            at += run
    bits += "0" * (-len(bits) % 8)
    return [int(bits[i : i + 8], 2) for i in range(0, len(bits), 8)]


def test_label_studio_polygons_and_brushes(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png")
    mask = np.zeros((30, 40), dtype=np.uint8)
    mask[3:9, 30:40], mask[20, 7] = 1, 1
    code = brush(mask)
    sized = {"original_width": 40, "original_height": 30, "image_rotation": 0}
    points = [[x / 0.4, y / 0.3] for x, y in np.reshape(SQUARE, (-1, 2))]
    values = [
        ("polygonlabels", {"points": points, "polygonlabels": ["cat", "dog"], "closed": True}),
        ("brushlabels", {"format": "rle", "rle": code, "brushlabels": ["dog"]}),
        ("brushlabels", {"format": "rle", "rle": code[:40], "brushlabels": ["dog"]}),
        ("brushlabels", {"format": "rle", "rle": [0, 0, 0, 9, 1, 2, 3, 4], "brushlabels": ["dog"]}),
        ("brushlabels", {"format": "rle", "rle": "x", "brushlabels": ["dog"]}),
        ("polygonlabels", {"points": [[1, 2], [3]], "polygonlabels": ["cat"]}),
        ("polygonlabels", {"points": points, "polygonlabels": []}),
        ("rectanglelabels", {"x": 1, "y": 1, "width": 9, "height": 9, "rectanglelabels": ["cat"]}),
    ]
    results = [{"id": f"r{k}", "type": t, "value": v, **sized} for k, (t, v) in enumerate(values)]
    results.append({**results[0], "id": "turned", "image_rotation": 90})
    tasks = [{"id": 1, "data": {"image": "a.png"}, "annotations": [{"id": 1, "result": results}]}]
    path = tmp_path / "tasks.json"
    path.write_text(json.dumps(tasks))
    data = outlined("label-studio", path)
    masks = dense(data)["a"]
    assert [(name, int(np.sum(m))) for name, m in masks] == [("cat", 100), ("dog", 100), ("dog", 61)]
    assert masks[2][1] == mask.tolist()
    reported = problems(data)
    assert [item.split(":")[0] for item in reported["polygons-broken"].items] == [
        f"a.png result {name}" for name in ("r2", "r3", "r4", "r5", "r6", "turned")
    ]
    assert "cut off" in reported["polygons-broken"].items[0]
    assert "4,800" in reported["polygons-broken"].items[1]
    assert reported["shapes-not-polygons"].items == ("a.png result r7: a box",)


def nuclei(root: Path, ids: list[str], split: str = "") -> Path:
    """The layout of the Data Science Bowl: two objects an image."""
    for name in ids:
        write_image(root / f"{name}/images/{name}.png")
        for k in range(2):
            mask = np.zeros((30, 40), dtype=np.uint8)
            mask[5 + 8 * k : 10 + 8 * k, 3:9] = 255
            png(root / f"{name}/masks/{k}.png", mask)
    if split:
        (root / f"{split}.txt").write_text("\n".join(ids))
    return root


def png(path: Path, values: np.ndarray, palette: list[int] | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(values)
    if palette is not None:
        image.putpalette(palette)
    image.save(path)


def test_one_mask_file_an_object(tmp_path: Path) -> None:
    root = nuclei(nuclei(tmp_path, ["a", "b"], "train"), ["c"], "test")
    nuclei(tmp_path, ["not-listed"])
    data = open_data(root)
    assert (data.format, data.target_type) == ("instance-masks", "outlines")
    splits = {Path(i).stem: s for i, s in zip(data.ids, data.splits, strict=True)}
    assert splits == {"a": "train", "b": "train", "c": "test"}
    assert data.targets.boxes.tolist() == [[3, 5, 9, 10], [3, 13, 9, 18]] * 3
    assert list(problems(data)) == ["images-not-listed"]
    boxes = open_data(root, target_type="instances")
    assert boxes.target_type == "instances"
    assert boxes.targets.boxes.tolist() == data.targets.boxes.tolist()
    maps = open_data(root, target_type="masks", format="instance-masks")
    assert maps.classes == Classes(("background", "object"))
    assert (maps.targets.map(0) > 0).sum() == 60
    assert sure("instance-masks", tmp_path / "a") == 0


def test_mask_files_that_are_not_right(tmp_path: Path) -> None:
    root = nuclei(tmp_path, list("abcdef"), "train")
    gray = np.zeros((30, 40), dtype=np.uint8)
    gray[3:9, 3:9], gray[4:8, 4:8] = 90, 200
    png(root / "a/masks/grey.png", gray)
    png(root / "a/masks/one.png", np.minimum(gray, 1))
    png(root / "b/masks/empty.png", gray * 0)
    png(root / "b/masks/other.png", gray.T.copy())
    (root / "c/masks/cut.png").write_bytes((root / "c/masks/0.png").read_bytes()[:60])
    for file in (root / "d/masks").iterdir():
        file.unlink()
    for file in (*(root / "e/masks").iterdir(), root / "e/masks"):
        file.unlink() if file.is_file() else file.rmdir()
    write_image(root / "f/images/second.png")
    (root / "test.txt").write_text("gone\n")
    data = open_data(root)
    counts = {Path(i).stem: n for i, n in zip(data.ids, data.targets.counts.tolist(), strict=True)}
    assert counts == {"a": 4, "b": 2, "c": 2, "d": 0}
    assert areas(data)[2:4] == [16, 36]
    reported = problems(data)
    assert reported["masks-not-binary"].items == ("a/masks/grey.png", "b/masks/other.png")
    assert reported["instance-masks-empty"].items == ("b/masks/empty.png",)
    assert reported["mask-sizes-differ"].items == ("b/masks/other.png ((40, 30) in an image of (30, 40))",)
    assert "c/masks/cut.png" in reported["annotations-broken"].items[0]
    assert reported["annotations-missing"].items == ("e/images/e.png",)
    assert reported["entries-broken"].items == ("f",)
    assert reported["files-missing"].items == ("gone",)


def test_maps_of_object_numbers(tmp_path: Path) -> None:
    numbers = np.zeros((300, 400), dtype=np.uint16)
    for k in range(3000):
        y, x = divmod(k, 80)
        numbers[7 * y : 7 * y + 5, 5 * x : 5 * x + 3] = k + 1
    write_image(tmp_path / "images/train/a.png", 300, 400)
    write_image(tmp_path / "images/val/b.png")
    png(tmp_path / "masks/train/a.png", numbers)
    assert sure("instance-masks", tmp_path) == 0
    data = open_data(tmp_path, format="instance-masks")
    assert data.targets.counts.tolist() == [3000]
    assert set(areas(data)) == {15.0}
    assert data.splits.tolist() == ["train"]
    assert problems(data)["annotations-missing"].items == ("images/val/b.png",)
    with pytest.raises(DataError, match="no images with masks"):
        opened("instance-masks", tmp_path / "images")


@pytest.mark.parametrize("colored", [False, True])
def test_voc_maps_of_objects_and_classes(tmp_path: Path, colored: bool) -> None:
    colors = np.zeros((256, 3), dtype=np.uint8)
    colors[[1, 2, 12, 15, 255]] = [128, 0, 0], [0, 128, 0], [64, 0, 128], [192, 128, 128], [224, 224, 192]
    objects, classes = np.zeros((2, 30, 40), dtype=np.uint8)
    objects[2:8, 2:8], objects[10:14, 5:9], objects[2:8, 8] = 1, 2, 255
    classes[2:8, 2:8], classes[10:14, 5:9], classes[2:8, 8] = 12, 15, 255
    write_image(tmp_path / "JPEGImages/a.png")
    for folder, values in (("SegmentationObject", objects), ("SegmentationClass", classes)):
        shown = colors[values] if colored else values
        png(tmp_path / folder / "a.png", shown, None if colored else colors.ravel().tolist())
    (tmp_path / "ImageSets/Segmentation").mkdir(parents=True)
    (tmp_path / "ImageSets/Segmentation/val.txt").write_text("a\nb\n")
    data = open_data(tmp_path, target_type="outlines")
    assert data.format == "voc-objects"
    result = {(name, int(np.sum(mask))) for name, mask in dense(data)["a"]}
    assert result == {("dog", 36), ("person", 16)}
    assert data.classes is not None
    assert (len(data.classes), data.classes.ids[0], data.splits.tolist()) == (20, 1, ["val"])
    assert problems(data)["annotations-missing"].items == ("b",)
    (tmp_path / "labelmap.txt").write_text(
        "# label:color_rgb:parts:actions\nhund:64,0,128::\nbackground:0,0,0::\n"
    )
    if colored:
        renamed = open_data(tmp_path, target_type="outlines")
        assert [name for name, _ in dense(renamed)["a"]] == ["hund"]
        assert "object 32768 has no class" in problems(renamed)["annotations-broken"].items[0]


def test_nuclei(data_folder: Callable[[str], Path]) -> None:
    data = open_data(data_folder("dsb2018_nuclei"))
    assert data.format == "instance-masks"
    assert (len(data), len(data.targets.labels)) == (72, 2667)
    assert {s: int((data.splits == s).sum()) for s in ("train", "test")} == {"train": 54, "test": 18}
    assert not data.read_findings


def test_real_coco_masks_are_those_of_pycocotools(data_folder: Callable[[str], Path]) -> None:
    theirs = pytest.importorskip("pycocotools.coco")
    path = data_folder("coco_mini") / "test_coco.json"
    data = outlined("coco", path)
    judge = theirs.COCO(str(path))
    expected: dict[str, list[Any]] = {}
    for entry in judge.dataset["annotations"]:
        name = Path(judge.imgs[entry["image_id"]]["file_name"]).stem
        expected.setdefault(name, []).append(judge.annToMask(entry).tolist())
    result = {name: [mask for _, mask in masks] for name, masks in dense(data).items() if masks}
    assert result == expected
    assert len(data.targets.labels) == 14


def test_a_mask_is_that_of_the_fill_of_its_polygon(tmp_path: Path) -> None:
    points = np.array([[3.3, 4.1], [30.2, 2.7], [25.9, 28.4], [9.4, 21.6]])
    data = outlined("coco", coco(tmp_path, [points.ravel().tolist()]))
    assert areas(data) == [float(fill([points], 30, 40)[2].sum())]
