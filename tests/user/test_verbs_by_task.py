"""Every command on every kind of answer that lies in the image, through the command, on built-in data."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sightline.data.io.encode import encode_png
from sightline.data.open import open_data
from tests.unit.data.films import film
from tests.unit.tasks.instance.test_sam import small_sam

WAYS = {
    "detect": ("shapes:boxes:40", ("--model", "yolo-n", "--size", "64")),
    "semantic": ("shapes:masks:40", ("--model", "unet2015", "--variant", "small", "--size", "64")),
    "instance": ("shapes:outlines:40", ("--model", "yolo-n", "--size", "64")),
    "keypoints": ("shapes:keypoints:40", ("--size", "64")),
}


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A few scenes as files."""
    folder = tmp_path / "scenes"
    folder.mkdir()
    dataset = open_data("shapes:boxes:3")
    for i in range(3):
        (folder / f"{i}.png").write_bytes(encode_png(dataset.pixels.read(i)))
    return folder


@pytest.mark.parametrize("task", WAYS)
def test_the_whole_way(task: str, sightline: Callable, images: Path, tmp_path: Path) -> None:
    data, how = WAYS[task]
    quick = (data, *how, "--epochs", "1", "--batch-size", "8")
    checked = sightline("--json", "check", data).json()
    assert checked["n"] == 40
    for out, seed in (("a", "0"), ("b", "1")):
        completed = sightline(
            "train", *quick, "--seed", seed, "--out", out, *(("--splits", "a") if out == "b" else ())
        )
        assert completed.code == 0, completed.err
    assert f"task      {task}" in completed.err
    page = (tmp_path / "a/report.html").read_text(encoding="utf-8")
    assert "A sample of the images" in page
    again = sightline("--json", "evaluate", "a").json()["scores"]
    selected = json.loads((tmp_path / "a/results.json").read_text())["scores"]
    assert {k: s["value"] for k, s in again.items()} == pytest.approx(
        {k: s["value"] for k, s in selected.items()}, abs=1e-6, nan_ok=True
    )
    both = sightline("compare", "a", "b")
    assert both.code == 0, both.err
    for out in ("seen", "rows.csv", "rows.jsonl"):
        completed = sightline("predict", "a", images, "--out", out)
        assert completed.code == 0, completed.err
    assert len(list((tmp_path / "seen").glob("*.png"))) == 3
    assert len((tmp_path / "rows.jsonl").read_text().splitlines()) == 3
    tuned = sightline("tune", *quick, "--trials", "1", "--out", "tuned")
    assert tuned.code == 0, tuned.err


def test_class_maps_are_written_and_read_again(sightline: Callable, images: Path, tmp_path: Path) -> None:
    data, how = WAYS["semantic"]
    assert sightline("train", data, *how, "--epochs", "1", "--out", "run").code == 0
    assert sightline("predict", "run", images, "--out", "set/masks", "--to", "masks").code == 0
    (tmp_path / "set/images").mkdir()
    for file in images.iterdir():
        (tmp_path / "set/images" / file.name).write_bytes(file.read_bytes())
    (tmp_path / "set/masks/classes.json").rename(tmp_path / "set/classes.json")
    dataset = open_data(tmp_path / "set")
    assert dataset.target_type == "masks"
    assert dataset.classes is not None
    assert dataset.classes.names == open_data(data).classes.names
    with Image.open(tmp_path / "set/masks/0.png") as stored:
        assert (dataset.targets.map(0) == np.asarray(stored)).all()
    assert sightline("predict", "run", images, "--out", "set/masks", "--to", "masks").code == 2


def test_tiles_of_large_images(sightline: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, how = WAYS["semantic"]
    assert sightline("train", data, *how, "--tile-size", "64", "--epochs", "1", "--out", "run").code == 0
    rng = np.random.default_rng(0)
    large = Image.fromarray(rng.integers(0, 255, (300, 410, 3), dtype=np.uint8))
    large.save(tmp_path / "large.tif")
    assert sightline("predict", "run", "large.tif", "--out", "maps", "--to", "masks").code == 0
    with Image.open(tmp_path / "maps/large.png") as stored:
        assert stored.size == (410, 300)
        as_whole = np.asarray(stored)
    # Read block by block, it may have more pixels than are decoded at once; and the same is found in it.
    monkeypatch.setattr("sightline.data.io.regions.LARGE", 1)
    monkeypatch.setattr("sightline.data.io.tiff._BAND", 50_000)
    monkeypatch.setenv("SIGHTLINE_MAX_PIXELS", "60000")
    assert sightline("predict", "run", "large.tif", "--out", "parts", "--to", "masks").code == 0
    with Image.open(tmp_path / "parts/large.png") as stored:
        assert np.array_equal(np.asarray(stored), as_whole)
    drawn = sightline("predict", "run", "large.tif", "--out", "drawn")
    assert drawn.code == 0
    assert "no image was drawn, it is 410 x 300 = 123,000 pixels" in drawn.err
    large.save(tmp_path / "torn.tif", compression="tiff_lzw")
    data_of_it = (tmp_path / "torn.tif").read_bytes()
    (tmp_path / "torn.tif").write_bytes(data_of_it[:8] + bytes(20_000) + data_of_it[20_008:])
    torn = sightline("predict", "run", "torn.tif", "--out", "torn.csv")
    assert torn.code == 1
    assert "torn.tif: has a damaged block 0" in torn.err


def test_pages_and_frames_are_images_with_a_number(sightline: Callable, tmp_path: Path) -> None:
    data, how = WAYS["semantic"]
    assert sightline("train", data, *how, "--epochs", "1", "--out", "run").code == 0
    first, *others = [Image.fromarray(open_data(data).pixels.read(i)) for i in range(3)]
    first.save(tmp_path / "stack.tif", save_all=True, append_images=others)
    first.save(tmp_path / "one.png")
    others[1].save(tmp_path / "three.png")
    completed = sightline(
        "predict", "run", "stack.tif", "one.png", "three.png", "--out", "maps", "--to", "masks"
    )
    assert completed.code == 0, completed.err
    maps = {file.name: np.asarray(Image.open(file)) for file in (tmp_path / "maps").glob("*.png")}
    assert set(maps) == {*(f"stack.tif#{k:06d}.png" for k in range(3)), "one.png", "three.png"}
    assert np.array_equal(maps["stack.tif#000000.png"], maps["one.png"])
    assert np.array_equal(maps["stack.tif#000002.png"], maps["three.png"])
    film(tmp_path / "drive.mp4", 4)
    completed = sightline("predict", "run", "drive.mp4", "--out", "frames", "--to", "masks")
    assert completed.code == 0, completed.err
    assert len(list((tmp_path / "frames").glob("drive.mp4#*.png"))) == 4
    assert sightline("predict", "run", "drive.mp4", "stack.tif", "--out", "seen").code == 0
    assert {file.name for file in (tmp_path / "seen").iterdir()} == {
        "drive.mp4",
        *(f"stack.tif#{k:06d}.png" for k in range(3)),
    }


def test_masks_of_objects_go_out_as_coco_codes(sightline: Callable, images: Path, tmp_path: Path) -> None:
    data, how = WAYS["instance"]
    short = ("--epochs", "6", "--batch-size", "4", "--conf", "0.001")  # masks are empty at first
    assert sightline("train", data, *how, *short, "--out", "run").code == 0
    completed = sightline("predict", "run", images, "--out", "found.json", "--min-score", "0")
    assert completed.code == 0, completed.err
    result = json.loads((tmp_path / "found.json").read_text())
    assert result["annotations"]
    for entry in result["annotations"]:
        assert entry["segmentation"]["size"] == [result["images"][0]["height"], result["images"][0]["width"]]
        assert entry["area"] >= 0


def test_a_prompt_cuts_out_what_it_means(sightline: Callable, images: Path, tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="the extra 'transformers' is not installed")
    small_sam().save_pretrained(tmp_path / "tiny")
    (images / "broken.png").write_bytes(b"no image")
    ask = ("predict", "sam:tiny", images, "--out", "cut.json")
    completed = sightline(*ask, "--prompt", "box 5,5,60,60; point 40,50")
    assert completed.code == 1, completed.err
    assert "broken.png" in completed.err
    result = json.loads((tmp_path / "cut.json").read_text())
    assert [c["name"] for c in result["categories"]] == ["point 40,50", "box 5,5,60,60"]
    assert len(result["images"]) == 3
    assert sightline(*ask).code == 2
    assert sightline(*ask, "--prompt", "circle 5").code == 2
    assert sightline("predict", "nothing-here", images, "--prompt", "point 4,5").code == 2
