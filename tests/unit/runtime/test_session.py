"""Exported files are opened, judged, and run over images of all kinds; nothing is lost on the way."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from PIL import Image, ImageOps

from sightline.data.io.images import decode
from sightline.data.loading.preprocess import resize_to_input
from sightline.errors import DataError, UnreadableImage, UsageError
from sightline.runtime import onnx_file
from sightline.runtime.inputs.base import SIDE
from sightline.runtime.session import Item, Session
from tests.unit.runtime import exported

KINDS = ("label", "number", "masks", "instances", "outlines")


def random_image(height: int = 60, width: int = 90, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (6, 9, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height)))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_answers(kind: str, tmp_path: Path) -> None:
    session = Session(exported.write(tmp_path / "m.onnx", kind), threads=1)
    Image.fromarray(random_image()).save(tmp_path / "a.png")
    first, second = session.predict([tmp_path / "a.png", random_image(48, 64)])
    assert (first.id, second.id, first.error, second.error) == (str(tmp_path / "a.png"), "1", "", "")
    assert json.loads(json.dumps(first.row)) == first.row != {}
    assert first.prediction.kind == kind
    if kind in ("instances", "outlines"):
        assert first.prediction.boxes.max() > 64  # in the pixels of the image, not of the input
        assert [*first.prediction.labels[:2]] == [0, 1]  # the second car is the first one again
    if kind == "masks":
        assert first.prediction.map.shape == (60, 90)


def test_the_range_of_values_that_a_model_was_trained_with_is_kept(tmp_path: Path) -> None:
    deep = np.random.default_rng(0).integers(500, 3900, (48, 64)).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    Image.fromarray(np.rint(deep * (255 / 4095)).astype(np.uint8)).save(tmp_path / "plain.png")
    session = Session(exported.write(tmp_path / "m.onnx", "number", pixel_range=[0, 4095]), threads=1)
    first, second = session.predict([tmp_path / "deep.png", tmp_path / "plain.png"])
    assert first.row == second.row
    assert 50 < min(first.row.values()) < 200
    with pytest.raises(DataError, match="'pixel_range' is"):
        Session(exported.write(tmp_path / "w.onnx", "number", pixel_range=[4095, 0]), threads=1)


def test_a_batch_says_what_single_images_do(tmp_path: Path) -> None:
    session = Session(exported.write(tmp_path / "m.onnx", "instances"), threads=1)
    images = [random_image(40 + i, 50, i) for i in range(5)]
    alone = [answer.row for first in images for answer in session.predict([first])]
    assert [answer.row for answer in session.predict(images, batch_size=3)] == alone


def test_bad_files_are_answers_and_the_rest_goes_on(tmp_path: Path) -> None:
    session = Session(exported.write(tmp_path / "m.onnx", "label"), threads=1)
    Image.fromarray(random_image()).save(tmp_path / "a.jpg")
    data = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(data[: len(data) // 2])
    (tmp_path / "text.png").write_text("no image")
    sources: list[Any] = [tmp_path / name for name in ("cut.jpg", "a.jpg", "text.png", "none.png")]
    sources += [data, b"", Item("film.mp4#000003", None, error="is cut off")]
    result = list(session.predict(sources, batch_size=4))
    assert [bool(answer.error) for answer in result] == [True, False, True, True, False, True, True]
    assert "is cut off" in result[0].error
    assert "plain text" in result[2].error
    assert "cannot be opened" in result[3].error
    assert result[6].id == "film.mp4#000003"
    assert result[1].row == result[4].row


def modes() -> dict[str, tuple[Image.Image, dict[str, Any]]]:
    """Images that are easily read wrongly, and how they are saved."""
    rgb = Image.fromarray(random_image(33, 57, 3))
    deep = Image.fromarray(np.arange(33 * 57, dtype=np.uint16).reshape(33, 57) * 30)
    turned = Image.Exif()
    turned[0x0112] = 6
    return {
        "cmyk.jpg": (rgb.convert("CMYK"), {}),
        "grey.jpg": (rgb.convert("L"), {}),
        "large.jpg": (rgb.resize((400, 300)), {"quality": 90}),
        "sixteen.png": (deep, {}),
        "sixteen.tif": (deep, {}),
        "turned.jpg": (rgb, {"exif": turned}),
        "clear.png": (rgb.convert("RGBA").rotate(20), {}),
        "palette.gif": (rgb.quantize(16), {}),
    }


@pytest.mark.parametrize("name", modes())
@pytest.mark.parametrize("resize", ["stretch", "crop", "letterbox", "rect"])
def test_images_are_seen_as_by_the_toolkit(name: str, resize: Any, tmp_path: Path) -> None:
    session = Session(exported.write(tmp_path / "m.onnx", "label", resize=resize), threads=1)
    image, options = modes()[name]
    image.save(tmp_path / name, **options)
    prepared = session.prepare(tmp_path / name)
    whole = decode(tmp_path / name)
    wanted = resize_to_input(
        decode(tmp_path / name, at_least=exported.SIZE, resize=resize), exported.SIZE, resize, 3
    )
    assert np.array_equal(prepared.pixels, wanted.transpose(2, 0, 1))
    assert prepared.stored == whole.shape[:2]
    assert np.array_equal(session.prepare((tmp_path / name).read_bytes()).pixels, prepared.pixels)
    if name == "turned.jpg":
        assert prepared.stored == ImageOps.exif_transpose(image).size[::-1] or prepared.stored == (57, 33)


def test_pixels_do_not_hang_on_simplejpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(random_image(300, 400)).save(tmp_path / "a.jpg", quality=85)
    with_it = decode(tmp_path / "a.jpg")
    monkeypatch.setattr("sightline.data.io.images.decode_jpeg", None)
    assert np.array_equal(decode(tmp_path / "a.jpg"), with_it)


def damaged(tmp_path: Path) -> dict[str, tuple[bytes, str]]:
    """Files that are refused, and what is said."""
    good = exported.write(tmp_path / "m.onnx", "instances").read_bytes()
    card, tiled = exported.card("instances"), exported.card("label", tile_size=64)

    def with_card(text: str) -> bytes:
        result = exported.model("instances")
        onnx.helper.set_model_props(result, {"sightline": text})
        return bytes(result.SerializeToString())

    def saying(**other: Any) -> bytes:
        return with_card(json.dumps({**card, **other}))

    return {
        "empty": (b"", "is no ONNX file"),
        "png": (b"\x89PNG\r\n\x1a\n" + bytes(99), "is no ONNX file"),
        "half": (good[: len(good) // 2], "is cut off or damaged"),
        "a byte short": (good[:-1], "is cut off or damaged"),
        "no card": (exported.model("instances").SerializeToString(), "holds no card"),
        "no JSON": (with_card("{"), "damaged card"),
        "a list": (with_card("[]"), "damaged card"),
        "newer": (saying(format=3), "is of format 3; this runtime reads up to 2"),
        "older": (saying(format=1), "is of format 1; this runtime reads format 2"),
        "no settings": (saying(model_config=None), "'model_config' is None"),
        "another kind": (saying(prediction="mesh"), "predicts 'mesh'"),
        "outside": (saying(include="none"), "--include none"),
        "no side": (saying(model_config={**card["model_config"], "tile_size": -8}), "its 'tile_size' is -8"),
        "tiles": (with_card(json.dumps(tiled)), "predicts 'label' by tiles"),
        "no size": (saying(model_config={**card["model_config"], "size": [0, 3]}), "its 'size' is [0, 3]"),
        "no conf": (saying(model_config={**card["model_config"], "conf": None}), "its 'conf' is None"),
        "another size": (
            saying(model_config={**card["model_config"], "size": [64, 64]}),
            "should take 'images'",
        ),
        "another net": (saying(prediction="masks"), "gives no 'classes'"),
    }


@pytest.mark.parametrize("name", [
    "empty", "png", "half", "a byte short", "no card", "no JSON", "a list", "newer", "older", "no settings",
    "another kind", "outside", "no side", "tiles", "no size", "no conf", "another size", "another net",
])  # fmt: skip
def test_damaged_files_are_refused_in_words(name: str, tmp_path: Path) -> None:
    data, words = damaged(tmp_path)[name]
    (tmp_path / "x.onnx").write_bytes(data)
    with pytest.raises(DataError) as message:
        Session(tmp_path / "x.onnx")
    assert words in str(message.value)
    assert "x.onnx" in str(message.value)


def test_every_cut_is_told(tmp_path: Path) -> None:
    data = exported.write(tmp_path / "m.onnx", "label").read_bytes()
    for length in range(len(data)):
        with pytest.raises(DataError):
            onnx_file.card(data[:length], "m.onnx")


@pytest.mark.parametrize("where", ["../secret.bin", "/etc/passwd", "weights.bin"])
@pytest.mark.parametrize("include", [False, True])
def test_no_other_file_is_opened(where: str, include: bool, tmp_path: Path) -> None:
    """Weights in another file are refused, in the graph and in a graph within a node."""
    result = exported.model("label")
    (tmp_path / "secret.bin").write_bytes(bytes(16))
    tensor = result.graph.initializer[0]
    if include:
        branch = onnx.helper.make_graph([], "branch", [], [], [onnx.TensorProto()])
        tensor = branch.initializer[0]
        tensor.CopyFrom(result.graph.initializer[0])
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", where
    if include:
        result.graph.node.append(
            onnx.helper.make_node("If", ["c"], ["o"], then_branch=branch, else_branch=branch)
        )
    onnx.helper.set_model_props(result, {"sightline": json.dumps(exported.card("label"))})
    (tmp_path / "x.onnx").write_bytes(result.SerializeToString())
    with pytest.raises(DataError, match="in other files"):
        Session(tmp_path / "x.onnx")


def test_wrong_use_is_told(tmp_path: Path) -> None:
    file = exported.write(tmp_path / "m.onnx", "label")
    session = Session(file)
    for wrong in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 2), np.uint8), np.zeros((4, 4, 3))):
        with pytest.raises(UsageError, match="uint8"):
            session.prepare(wrong)
    with pytest.raises(UsageError, match="threads"):
        Session(file, threads=-1)
    with pytest.raises(UsageError, match="no provider 'Abacus'"):
        Session(file, providers=["Abacus"])
    with pytest.raises(UsageError, match="batch_size"):
        list(session.predict([], batch_size=0))
    with pytest.raises(DataError, match="cannot be opened"):
        Session(tmp_path / "none.onnx")


def test_bombs_are_refused_before_they_are_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGHTLINE_MAX_PIXELS", "1000")
    Image.fromarray(random_image()).save(tmp_path / "a.png")
    session = Session(exported.write(tmp_path / "m.onnx", "label"))
    with pytest.raises(UnreadableImage, match="more than the limit"):
        session.prepare(tmp_path / "a.png")


def test_what_lies_behind_the_first_image_is_not_looked_at(tmp_path: Path) -> None:
    """Else a file of a million pages would take seconds."""
    session = Session(exported.write(tmp_path / "m.onnx", "label"))
    out = io.BytesIO()
    Image.fromarray(random_image()).save(
        out, "TIFF", save_all=True, append_images=[Image.fromarray(random_image())]
    )
    data = bytearray(out.getvalue())
    first = int.from_bytes(data[4:8], "little")
    link = first + 2 + 12 * int.from_bytes(data[first : first + 2], "little")
    data[link : link + 4] = (10).to_bytes(4, "little")  # where no table of contents is
    (answer,) = session.predict([bytes(data)])
    assert answer.error == ""
    assert answer.row


def test_threads_are_refused(tmp_path: Path) -> None:
    session = Session(exported.write(tmp_path / "m.onnx", "label"))
    out = io.BytesIO()
    Image.new("1", (1, SIDE + 1)).save(out, "PNG")
    for source in (out.getvalue(), np.zeros((1, SIDE + 1, 1), np.uint8)):
        with pytest.raises(UnreadableImage, match="Cut it in pieces"):
            session.prepare(source)


def test_numbers_that_are_none_are_errors(tmp_path: Path) -> None:
    session = Session(exported.write(tmp_path / "m.onnx", "number"))
    good, bad = session.read({"value": np.array([[1, 2, 3], [1, np.nan, 3]], dtype=np.float32)}, [(9, 9)] * 2)
    assert good.row == {"red": 1.0, "green": 2.0, "blue": 3.0}
    assert "NaN" in bad.error
    assert bad.row == {}


def test_one_image_needs_no_list_and_what_is_none_is_named(tmp_path: Path) -> None:
    session = Session(exported.write(tmp_path / "m.onnx", "label"), threads=1)
    Image.fromarray(random_image()).save(tmp_path / "a.png")
    named = str(tmp_path / "a.png")
    (wanted,) = session.predict([named])
    for first in (named, Path(named), Path(named).read_bytes(), random_image()):
        (outputs,) = session.predict(first)
        assert outputs.row == wanted.row
    for odd in (3, None, Image.fromarray(random_image()), [random_image()]):
        with pytest.raises(UsageError, match=f"Received {type(odd).__name__}"):
            list(session.predict([odd]))


def test_objects_count_from_the_thresholds_of_their_class_on(tmp_path: Path) -> None:
    """Which were chosen on the validation images, and travel in the file."""
    bright = np.full((48, 64, 3), 255, np.uint8)
    file = exported.write(tmp_path / "m.onnx", "instances", thresholds=[0.95, 0.55, 0.25])
    (outputs,) = Session(file, threads=1).predict([bright])
    assert (outputs.row["objects"], outputs.row["found"]) == (1, "1 bus")
    (all_of_them,) = Session(file, threads=1, min_score=0.0).predict([bright])
    assert all_of_them.row["found"] == "1 car, 1 bus, 1 dog"
    plain = exported.write(tmp_path / "p.onnx", "instances")
    (without,) = Session(plain, threads=1).predict([bright])
    assert without.row["found"] == "1 car, 1 bus"  # from 0.25 on where none was chosen


@pytest.mark.parametrize("kind", ["instances", "outlines"])
@pytest.mark.parametrize("cuts", [None, [0.3, 0.6, 0.9]])
def test_objects_that_are_not_wanted_change_no_other(kind: str, cuts: Any, tmp_path: Path) -> None:
    more = {} if cuts is None else {"cuts": cuts}
    file = exported.write(tmp_path / "m.onnx", kind, **more)
    (whole,) = Session(file, threads=1, min_score=0.0).predict([random_image()])
    scores = sorted(set(whole.prediction.scores.tolist()))
    for score in (0.0, *scores, 0.7, 1.0):
        wanted = whole.prediction.least(score)
        (outputs,) = Session(file, threads=1, min_score=score).predict([random_image()])
        for name in ("boxes", "labels", "scores"):
            assert np.array_equal(getattr(outputs.prediction, name), getattr(wanted, name))
        assert len(outputs.prediction.parts) == len(wanted.parts)
        assert outputs.row["objects"] == len(wanted.labels)
