"""Predictions for anything that has pixels, in the pixels of what is stored, in every form."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from sightline.commands.predict import predict
from sightline.errors import MissingExtra, UnknownName, UsageError
from sightline.inference import filters, promptable
from sightline.inference.summary import Predicted
from tests.unit.commands.finder import predictor
from tests.unit.data.films import HEIGHT, SIDE, WIDTH, cut, film, still


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Predicted]:
    """The verb, with a model that finds orange squares."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(promptable, "ModelPredictor", lambda path, device, views=1: predictor())
    return lambda *sources, **options: predict(Path("model"), list(sources), **options)


def photos(root: Path, *lefts: int | None) -> Path:
    """Images of twice the model's size, with the square at 2 * left, or without."""
    root.mkdir(parents=True, exist_ok=True)
    for i, x in enumerate(lefts):
        image = still(0 if x is None else x, i)
        if x is None:
            image[:] = image[:1]
        Image.fromarray(image.repeat(2, 0).repeat(2, 1)).save(root / f"{i}.png")
    return root


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize(
    ("resize", "stored", "wanted"),
    [
        ("letterbox", (100, 200), (50, 25, 150, 75)),
        ("letterbox", (200, 100), (25, 75, 75, 125)),
        ("stretch", (100, 200), (50, 37.5, 150, 62.5)),
        ("crop", (100, 200), (75, 37.5, 125, 62.5)),
        ("letterbox", (64, 64), (16, 24, 48, 40)),
    ],
)
def test_boxes_come_back_in_the_pixels_of_the_array(
    resize: str, stored: tuple[int, int], wanted: tuple[float, ...]
) -> None:
    says = [16.0, 24, 48, 40] if stored != (200, 100) else [24.0, 24, 40, 40]
    (outcome,) = predictor((64, 64), resize, says=says).predict(np.zeros((*stored, 3), np.uint8))
    assert outcome.prediction.boxes[0].tolist() == pytest.approx(wanted, abs=1e-3)
    assert tuple(outcome.prediction.sizes[0].tolist()) == stored


@pytest.mark.parametrize("ending", ["jpg", "png", "webp"])
def test_boxes_come_back_in_the_pixels_of_the_file(ending: str, tmp_path: Path) -> None:
    """A JPEG is decoded at an eighth of its size here, and all are turned by EXIF."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (1000, 2000)).save(tmp_path / f"a.{ending}", exif=exif)
    (outcome,) = predictor((64, 64), says=[16.0, 24, 48, 40]).predict(tmp_path / f"a.{ending}")
    assert outcome.prediction.sizes.tolist() == [[1000, 2000]]
    assert outcome.prediction.boxes[0].tolist() == pytest.approx((500, 250, 1500, 750), abs=1e-3)


def test_the_square_is_found_where_it_is(tmp_path: Path) -> None:
    for outcome, x in zip(predictor().predict(photos(tmp_path / "p", 5, 40, 90)), (10, 80, 180), strict=True):
        wanted = (x, 60, x + 2 * SIDE, 60 + 2 * SIDE)
        assert outcome.prediction.boxes[0].tolist() == pytest.approx(wanted, abs=2)


def test_arrays_of_several_sizes() -> None:
    arrays = [np.zeros((30, 40, 3), np.uint8), np.zeros((50, 20, 3), np.uint8)]
    outcomes = list(predictor().predict(arrays))
    assert [o.id for o in outcomes] == ["0", "1"]
    assert [o.prediction.sizes[0].tolist() for o in outcomes] == [[30, 40], [50, 20]]
    assert [o.id for o in predictor().predict(np.zeros((3, 30, 40, 1), np.uint8))] == ["0", "1", "2"]


def test_a_table_has_a_row_for_each_object(run: Callable[..., Any], tmp_path: Path) -> None:
    photos(tmp_path / "p", 5, None, 40)
    (tmp_path / "p" / "bad.png").write_bytes(b"nothing")
    result = run("p", out=Path("o.csv"))
    assert (result.total, result.without, result.exit_code) == (4, 1, 1)
    table = rows(tmp_path / "o.csv")
    assert list(table[0]) == ["path", "class", "score", "x1", "y1", "x2", "y2", "error"]
    assert [Path(r["path"]).name for r in table] == ["0.png", "2.png", "bad.png"]
    assert {r["class"] for r in table} == {"square", ""}
    assert float(table[1]["x1"]) == pytest.approx(80, abs=2)
    assert table[2]["error"]


def test_weak_boxes_and_other_classes_are_hidden(run: Callable[..., Any], tmp_path: Path) -> None:
    photos(tmp_path / "p", 5, None)
    run("p", out=Path("all.csv"), min_score=0.05)
    assert [r["class"] for r in rows(tmp_path / "all.csv")] == ["square", "anything", "anything"]
    run("p", out=Path("one.csv"), min_score=0.05, classes=["anything"])
    assert [r["class"] for r in rows(tmp_path / "one.csv")] == ["anything", "anything"]
    run("p", out=Path("none.csv"), min_score=0.95)
    assert rows(tmp_path / "none.csv") == []
    assert (tmp_path / "none.csv").read_text().startswith("path,class,")
    with pytest.raises(UnknownName, match="square"):
        run("p", classes=["sqare"])
    with pytest.raises(UsageError, match="min-score"):
        run("p", min_score=50)


def test_json_lines_hold_every_image_and_every_box_on_request(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    run(photos(tmp_path / "p", 5, None), out=Path("o.jsonl"), min_score=0.0)
    lines = [json.loads(line) for line in (tmp_path / "o.jsonl").read_text().splitlines()]
    assert [line["objects"] for line in lines] == [2, 1]
    assert lines[0]["boxes"][0]["class"] == "square"
    run(tmp_path / "p", out=Path("o.jsonl"), min_score=0.5)
    lines = [json.loads(line) for line in (tmp_path / "o.jsonl").read_text().splitlines()]
    assert [(line["objects"], len(line["boxes"])) for line in lines] == [(1, 1), (0, 0)]


def test_objects_are_counted_alike_in_every_door(run: Callable[..., Any], tmp_path: Path) -> None:
    """The weak box that the model sees everywhere is no object; a form to measure with has it even so."""
    photos(tmp_path / "p", 5, None)
    assert [row["objects"] for row in run("p").rows] == [1, 0]
    assert len(run("p", out=Path("o.csv")).rows) == 2
    assert len(rows(tmp_path / "o.csv")) == 1
    run("p", out=Path("o.jsonl"))
    lines = [json.loads(line) for line in (tmp_path / "o.jsonl").read_text().splitlines()]
    assert [(line["objects"], len(line["boxes"])) for line in lines] == [(1, 1), (0, 0)]
    assert [row["objects"] for row in run("p", out=Path("o.json")).rows] == [1, 0]
    assert len(json.loads((tmp_path / "o.json").read_text())["annotations"]) == 3
    for requested, counts in ((None, [1, 0]), (0.0, [2, 1]), (0.95, [0, 0])):
        result = list(predictor().predict(tmp_path / "p", min_score=requested))
        assert [first.row["objects"] for first in result] == counts
        assert [len(first.prediction.labels) for first in result] == counts


def test_coco(run: Callable[..., Any], tmp_path: Path) -> None:
    photos(tmp_path / "p" / "a", 5, None)
    photos(tmp_path / "p" / "b", 40)
    run("p", out=Path("o.json"))
    result = json.loads((tmp_path / "o.json").read_text())
    assert result["categories"] == [{"id": 7, "name": "square"}, {"id": 3, "name": "anything"}]
    assert [i["file_name"] for i in result["images"]] == ["a/0.png", "a/1.png", "b/0.png"]
    assert {(i["width"], i["height"]) for i in result["images"]} == {(2 * WIDTH, 2 * HEIGHT)}
    assert len({a["id"] for a in result["annotations"]}) == len(result["annotations"]) == 5
    square = [a for a in result["annotations"] if a["category_id"] == 7]
    assert [a["image_id"] for a in square] == [1, 3]
    assert square[0]["bbox"] == pytest.approx([10, 60, 40, 40], abs=3)
    assert square[0]["score"] == pytest.approx(0.9)
    assert square[0]["area"] == pytest.approx(square[0]["bbox"][2] * square[0]["bbox"][3], abs=0.01)
    assert Path(result["info"]["folder"]) == tmp_path / "p"


def test_yolo(run: Callable[..., Any], tmp_path: Path) -> None:
    photos(tmp_path / "set" / "images" / "a", 5, None)
    run("set/images", out=Path("set/labels"), to="yolo")
    label, *numbers = (tmp_path / "set/labels/a/0.txt").read_text().split()
    assert label == "0"
    cx, cy, w, h = map(float, numbers)
    wanted = (30 / 2 / WIDTH, 80 / 2 / HEIGHT, SIDE / WIDTH, SIDE / HEIGHT)
    assert (cx, cy, w, h) == pytest.approx(wanted, abs=0.02)
    assert (tmp_path / "set/labels/a/1.txt").read_text() == ""
    card = (tmp_path / "set/labels/data.yaml").read_text()
    assert yaml.safe_load(card) == {
        "path": str(tmp_path / "set"), "train": "images", "names": {0: "square", 1: "anything"},
    }  # fmt: skip


def test_labels_that_are_there_are_not_overwritten(run: Callable[..., Any], tmp_path: Path) -> None:
    photos(tmp_path / "p", 5, 6)
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels/1.txt").write_text("target")
    with pytest.raises(UsageError, match="annotations"):
        run("p", out=Path("labels"), to="yolo")
    assert [f.name for f in (tmp_path / "labels").iterdir()] == ["1.txt"]
    Image.new("RGB", (9, 9)).save(tmp_path / "p" / "1.jpg")
    with pytest.raises(UsageError, match="share"):
        run("p", out=Path("other"), to="yolo")


def test_a_film_is_images_with_a_number(run: Callable[..., Any], tmp_path: Path) -> None:
    film(tmp_path / "film.mp4")
    result = run("film.mp4", out=Path("o.csv"))
    assert (result.total, result.errors) == (60, [])
    table = rows(tmp_path / "o.csv")
    assert [r["path"] for r in table] == [f"film.mp4#{i:06d}" for i in range(60)]
    assert [float(r["seconds"]) for r in table] == pytest.approx([i / 25 for i in range(60)], abs=1e-3)
    for i, row in enumerate(table):
        assert float(row["x1"]) == pytest.approx(i, abs=2)
        assert float(row["x2"]) == pytest.approx(i + SIDE, abs=2)


def test_a_damaged_film_gives_its_frames_and_an_error(run: Callable[..., Any], tmp_path: Path) -> None:
    cut(film(tmp_path / "film.mkv"))
    photos(tmp_path / "p", 3)
    result = run("film-cut.mkv", "p", out=Path("o.jsonl"))
    assert result.exit_code == 1
    lines = [json.loads(line) for line in (tmp_path / "o.jsonl").read_text().splitlines()]
    frames = [line for line in lines if "#" in line["path"] and "error" not in line]
    (broken,) = [line for line in lines if "error" in line]
    assert 5 < len(frames) < 55
    assert broken["path"] == f"film-cut.mkv#{len(frames):06d}"
    assert f"ends after {len(frames)} frames of about 60" in broken["error"]
    assert lines[-1]["path"].endswith("0.png")
    (tmp_path / "text.mp4").write_text("no film")
    assert run("text.mp4").errors[0][0] == "text.mp4"


def test_annotated_images_and_films(run: Callable[..., Any], tmp_path: Path) -> None:
    from sightline.data.io.video import Video

    photos(tmp_path / "p", 5, None)
    film(tmp_path / "p" / "film.mkv", 10)
    run("p", out=Path("drawn"))
    assert sorted(f.name for f in (tmp_path / "drawn").iterdir()) == ["0.png", "1.png", "film.mp4"]
    drawn = np.asarray(Image.open(tmp_path / "drawn/0.png"))
    stored = np.asarray(Image.open(tmp_path / "p/0.png"))
    assert drawn.shape == stored.shape
    assert (drawn != stored).any(2)[100, 8:12].any()
    assert np.array_equal(np.asarray(Image.open(tmp_path / "drawn/1.png")),
                          np.asarray(Image.open(tmp_path / "p/1.png")))  # fmt: skip
    video = Video(tmp_path / "drawn/film.mp4")
    assert video.facts.fps == pytest.approx(25)
    assert (video.facts.width, video.facts.height) == (2 * WIDTH, 2 * HEIGHT)  # too narrow for words
    assert len(list(video)) == 10


def test_drawn_images_keep_the_folders_of_their_sources(run: Callable[..., Any], tmp_path: Path) -> None:
    photos(tmp_path / "s" / "a", 5)
    photos(tmp_path / "s" / "b", 40)
    Image.new("RGB", (9, 9)).save(tmp_path / "s" / "b" / "0.bmp")
    film(tmp_path / "s" / "b" / "film.mkv", 3)
    run("s", out=Path("drawn"))
    result = sorted(str(f.relative_to(tmp_path / "drawn")) for f in (tmp_path / "drawn").rglob("*.*"))
    assert result == ["a/0.png", "b/0.bmp.png", "b/0.png.png", "b/film.mp4"]
    run("s/a", "s/b/0.png", out=Path("two"))
    assert (tmp_path / "two/a/0.png").read_bytes() == (tmp_path / "drawn/a/0.png").read_bytes()
    assert (tmp_path / "two/b/0.png").is_file()


def test_objects_are_cut_out_by_class(run: Callable[..., Any], tmp_path: Path) -> None:
    photos(tmp_path / "s" / "a", 5, None)
    photos(tmp_path / "s" / "b", 40)
    run("s", out=Path("o.csv"), crops=Path("cut"))
    result = sorted(str(f.relative_to(tmp_path / "cut")) for f in (tmp_path / "cut").rglob("*.png"))
    assert result == ["square/a/0-1.png", "square/b/0-1.png"]
    with Image.open(tmp_path / "cut/square/b/0-1.png") as crop:
        assert crop.size == pytest.approx((2 * SIDE, 2 * SIDE), abs=4)
        red, _, blue = np.asarray(crop.convert("RGB"))[SIDE, SIDE].tolist()
        assert red - blue > 100  # orange
    with pytest.raises(UsageError, match="cut is not empty"):
        run("s", crops=Path("cut"))


def test_drawings_of_two_models_are_never_mixed(run: Callable[..., Any], tmp_path: Path) -> None:
    photos(tmp_path / "p", 5)
    run("p", out=Path("drawn"))
    before = (tmp_path / "drawn/0.png").read_bytes()
    with pytest.raises(UsageError, match=r"drawn is not empty.*new folder"):
        run("p", out=Path("drawn"), min_score=0.0)
    assert [f.name for f in (tmp_path / "drawn").iterdir()] == ["0.png"]
    assert (tmp_path / "drawn/0.png").read_bytes() == before


def test_what_is_left_out_is_said(
    run: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos(tmp_path / "p", 5)
    for name in ("a.txt", "b.txt", "c.json", ".DS_Store", "._0.png", ".ipynb_checkpoints/0-checkpoint.png"):
        (tmp_path / "p" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "p" / name).write_text("x")
    result = run("p")
    assert (result.total, result.exit_code, result.hidden) == (1, 0, 3)
    assert result.left_out == {".txt": 2, ".json": 1}
    assert "3 files that are no images were left out (2 .txt, 1 .json)" in capsys.readouterr().err
    assert result.to_json()["left_out"] == {".txt": 2, ".json": 1}


def test_films_without_the_library(
    run: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    photos(tmp_path / "p", 5)
    (tmp_path / "p" / "film.mp4").write_bytes(b"\0\0\0\x18ftypisom")
    monkeypatch.setitem(sys.modules, "av", None)
    assert run("p").total == 1
    assert "sightline[video]" in capsys.readouterr().err
    for source in ("p/film.mp4", "p/*", "0", "rtsp://camera/1"):
        with pytest.raises(MissingExtra):
            run(source)


def test_addresses_and_webcams(run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    for address in ("https://example.com/a.jpg", "http://camera/film", "ftp://a/b.mp4", "s3://bucket/a.jpg"):
        with pytest.raises(UsageError, match="address"):
            run(address)
    pytest.importorskip("av", reason="PyAV (extra 'video') is not installed")
    with pytest.raises(UsageError, match="OFFLINE"):
        run("http://camera/film", allow_http=True)
    with pytest.raises(UsageError, match="Webcam 97"):
        run("97")


def test_ctrl_c_ends_a_camera_and_keeps_what_is_there(
    run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A film stands in for the camera."""
    from sightline.inference import sources as _sources

    whole = film(tmp_path / "film.mp4")

    class Camera(_sources.Video):
        def __init__(self, source: str) -> None:
            super().__init__(whole)
            self.name, self.live = "webcam-0", True

    batches = []
    selected = filters.apply_filter

    def stopped(*arguments: Any) -> Any:
        batches.append(1)
        if len(batches) > 5:
            raise KeyboardInterrupt
        return selected(*arguments)

    monkeypatch.setattr(_sources, "Video", Camera)
    monkeypatch.setattr(filters, "apply_filter", stopped)
    result = run("0", out=Path("o.json"), min_score=0.0)
    assert (result.total, result.exit_code) == (5, 0)
    assert len(json.loads((tmp_path / "o.json").read_text())["images"]) == 5
    batches.clear()
    run("0", out=Path("drawn"))
    assert len(list(_sources.Video.__mro__[1](tmp_path / "drawn/webcam-0.mp4"))) == 5
    batches.clear()
    with pytest.raises(KeyboardInterrupt):
        run("film.mp4")


def test_frames_of_a_large_film_are_not_all_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sightline.inference import sources as _sources

    film(tmp_path / "film.mp4")
    monkeypatch.setattr(_sources, "QUEUE_BYTES", 3 * HEIGHT * WIDTH * 3)
    sizes = [len(batch) for batch in _sources.Sources(tmp_path / "film.mp4").batches(64)]
    assert sizes == [3] * 20


def test_forms_are_told_by_the_ending_or_by_name(run: Callable[..., Any], tmp_path: Path) -> None:
    photos(tmp_path / "p", 5)
    run("p", out=Path("table.txt"), to="csv")
    assert rows(tmp_path / "table.txt")
    with pytest.raises(UsageError, match=r"\.json, \.csv, \.mp4, \.jsonl, \.txt"):
        run("p", out=Path("table.xlsx"))
    with pytest.raises(UsageError, match="--out"):
        run("p", to="csv")
    with pytest.raises(UsageError, match=r"images, .*csv, "):
        run("p", out=Path("o"), to="vox")


def test_a_model_without_boxes_refuses_what_is_for_boxes(
    run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    label = predictor()
    label.task = SimpleNamespace(card=SimpleNamespace(prediction_type="label"))  # type: ignore[assignment]
    monkeypatch.setattr(promptable, "ModelPredictor", lambda path, device, views=1: label)
    photos(tmp_path / "p", 5)
    for options in (
        {"out": Path("o.json")},
        {"min_score": 0.5},
        {"classes": ["square"]},
        {"crops": Path("c")},
    ):
        with pytest.raises(UsageError, match=r"boxes|objects"):
            run("p", **options)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no disk that is always full")
@pytest.mark.parametrize("name", ["p.csv", "p.jsonl", "p.json"])
def test_a_full_disk_is_told_with_the_file(name: str, run: Callable[..., Any], tmp_path: Path) -> None:
    photos(tmp_path / "p", 5)
    (tmp_path / name).symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left") as message:
        run("p", out=Path(name))
    assert message.value.filename == name


def test_twelve_bits_are_drawn_by_the_range_of_the_run_and_what_lies_beyond_it_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ramp = np.linspace(0, 4095, 96 * 128).reshape(96, 128)
    for name, values in {"a": ramp, "b": ramp * 2, "c": ramp * 3}.items():
        Image.fromarray(values.astype(np.uint16)).save(tmp_path / f"{name}.png")
    ranged = predictor(pixel_range=[0, 4095], says=[16.0, 24, 48, 40])
    monkeypatch.setattr(promptable, "ModelPredictor", lambda path, device, views=1: ranged)
    predict(Path("model"), [str(tmp_path)], out=tmp_path / "drawn")
    drawn = np.asarray(Image.open(tmp_path / "drawn/a.png"))
    assert drawn[-20:].mean() > 150  # as the model sees it, and not black
    outputs = capsys.readouterr().err
    assert "2 images hold values from 0 to 12285, which were cut" in outputs
    assert outputs.count("were cut to the range of the training, 0 to 4095") == 1
    list(ranged.predict([(ramp * 3).astype(np.uint16), ramp.astype(np.uint16)]))
    assert "1 images hold values from 0 to 12285" in capsys.readouterr().err
