"""explain: what a user sees of it, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import sightline as sl
from sightline.explanation.images import explain_images
from tests.user.conftest import Said, draw_image, write_photos


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that tells day from night, and its photos beside it."""
    folder = tmp_path_factory.mktemp("explain")
    photos = write_photos(folder / "photos", n=80)
    recipe = sl.Recipe(epochs=4, batch_size=16, size="32")
    run = sl.train(str(photos), model="cnn-tiny", out=folder / "run", recipe=recipe, resize="letterbox")
    return Path(run)


def photo(folder: Path, kind: int = 0, size: tuple[int, int] = (40, 24)) -> Path:
    """An image beside the data, wider than high."""
    image = Image.fromarray(draw_image(kind, np.random.default_rng(9))).resize(size)
    image.save(folder / "new.png")
    return folder / "new.png"


def test_a_line_a_page_a_map_and_a_record(
    trained: Path, sightline: Callable[..., Said], tmp_path: Path
) -> None:
    file = photo(tmp_path)
    done = sightline("explain", trained, file, "--out", "maps")
    assert done.code == 0
    assert "new.png" in done.out
    page = (tmp_path / "maps" / "explain.html").read_text()
    assert "predicted" in page
    assert "mosaics" in page
    record = json.loads((tmp_path / "maps" / "explain.json").read_text())
    assert [test["passed"] for test in record["tests"]] != [None] * 3
    (row,) = record["maps"]
    heat = np.load(tmp_path / "maps" / row["map"])
    assert heat.dtype == np.float16
    assert heat.shape[1] / heat.shape[0] == pytest.approx(40 / 24, rel=0.06), "the letterbox must be cut off"
    assert np.abs(heat).max() <= 1


def test_the_bright_half_is_what_the_prediction_rests_on(trained: Path, tmp_path: Path) -> None:
    result = explain_images(
        trained, [str(photo(tmp_path))], "occlusion", "predicted", "no", tmp_path / "m", "cpu"
    )
    row = result.rows[0]
    assert row["statement"].startswith("day")
    assert result.method == "occlusion"
    assert row["strength"] > 0


def test_a_wrong_answer_gets_two_maps(trained: Path, tmp_path: Path) -> None:
    """The image of a day that looks like a night, in the run's own data."""
    file = trained.parent / "photos" / "day" / "000.png"
    before = file.read_bytes()
    result = explain_images(trained, [str(file)], None, "target", "no", tmp_path / "m", "cpu")
    assert result.rows[0]["about"] == "target"
    assert result.rows[0]["statement"].startswith("day")
    assert file.read_bytes() == before


def test_about_the_runner_up_and_a_class(trained: Path, tmp_path: Path) -> None:
    file = str(photo(tmp_path))
    names = []
    for about in ("predicted", "runner-up", "night"):
        result = explain_images(trained, [file], "gradient", about, "no", tmp_path / "m", "cpu")
        names.append(result.rows[0]["statement"].split()[0])
    assert names == ["day", "night", "night"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--method", "layer-cam"), ("layer-cam", "layercam")),
        (("--about", "nite"), ("nite", "night")),
        (("--about", "box:1"), ("object", "--about CLASS")),
        (("--about", "target"), ("target", "run's own data")),
        (("--require", "trust", "--tests", "no"), ("--require trust", "--tests no")),
    ],
)
def test_what_cannot_be_explained_is_refused(
    trained: Path,
    sightline: Callable[..., Said],
    tmp_path: Path,
    arguments: tuple[str, ...],
    words: tuple[str, ...],
) -> None:
    done = sightline("explain", trained, photo(tmp_path), *arguments)
    assert done.code == 2
    assert all(word in done.err for word in words), done.err


def test_trust_can_be_required(trained: Path, sightline: Callable[..., Said], tmp_path: Path) -> None:
    """The exit code follows the tests on the page; a method that ignores the class fails one of them."""
    done = sightline("explain", trained, photo(tmp_path), "--require", "trust", "--out", "maps")
    record = json.loads((tmp_path / "maps" / "explain.json").read_text())
    passed = [test["passed"] for test in record["tests"]]
    assert done.code == (0 if True in passed and False not in passed else 1)
    assert f"trust: {'holds' if done.code == 0 else 'NOT shown'}" in done.out
    for blind in ((), ("--require", "trust")):
        done = sightline("explain", trained, "new.png", "--method", "eigen-cam", *blind, "--out", "maps")
        assert done.code == len(blind) // 2
        assert "FAILED another class" in done.out
        assert ("trust: NOT shown" in done.out) == bool(blind)


def test_without_images_the_network_is_shown(
    trained: Path, sightline: Callable[..., Said], tmp_path: Path
) -> None:
    done = sightline("explain", trained)
    assert done.code == 0
    page = (trained / "explain" / "network.html").read_text()
    record = json.loads((trained / "explain" / "network.json").read_text())
    assert list(record["views"]) == ["filters", "activations", "maximization", "prototypes", "dead-units"]
    assert set(record["views"]["maximization"]["scores"]) == {"day", "night"}
    assert {"day", "night"} == set(record["views"]["prototypes"]["classes"])
    assert all(name in done.out for name in record["views"])
    assert page.count("<h2") == 5
    refused = sightline("explain", trained, "--method", "rise", "--require", "trust")
    assert refused.code == 2
    assert "--method, --require need images" in refused.err


def test_an_image_that_cannot_be_read_does_not_stop_the_others(
    trained: Path, sightline: Callable[..., Said], tmp_path: Path
) -> None:
    (tmp_path / "broken.png").write_bytes(b"no image")
    done = sightline("explain", trained, "broken.png", photo(tmp_path), "--tests", "no", "--out", "maps")
    assert done.code == 0
    assert "broken.png  not explained" in done.out


def test_an_image_of_one_pixel_and_a_gray_one(
    trained: Path, sightline: Callable[..., Said], tmp_path: Path
) -> None:
    Image.new("RGB", (1, 1)).save(tmp_path / "dot.png")
    Image.new("L", (30, 30), 80).save(tmp_path / "gray.png")
    done = sightline("explain", trained, "dot.png", "gray.png", "--tests", "no", "--out", "maps")
    assert done.code == 0
    assert len(json.loads((tmp_path / "maps" / "explain.json").read_text())["maps"]) == 2


def test_an_exported_file_is_explained_without_gradients(
    trained: Path, sightline: Callable[..., Said], tmp_path: Path
) -> None:
    assert sightline("export", trained, "--to", "onnx").code == 0
    (file,) = (trained / "export").glob("*.onnx")
    image = photo(tmp_path)
    refused = sightline("explain", file, image, "--method", "layercam")
    assert refused.code == 2
    assert "occlusion" in refused.err
    assert "rise" in refused.err
    whole = sightline("explain", file)
    assert whole.code == 2
    assert "Name the run" in whole.err
    done = sightline("explain", file, image, "--tests", "no", "--out", "maps", "--json")
    assert done.code == 0
    assert done.json()["method"] == "occlusion"
    run = explain_images(trained, [str(image)], "occlusion", "predicted", "no", tmp_path / "run", "cpu")
    name = run.rows[0]["map"]
    maps = [np.load(tmp_path / folder / name).astype(float) for folder in ("maps", "run")]
    assert np.corrcoef(maps[0].ravel(), maps[1].ravel())[0, 1] > 0.99


def test_files_of_something_else_are_refused(sightline: Callable[..., Said], tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"x")
    done = sightline("explain", "model.onnx", photo(tmp_path))
    assert done.code == 3
    assert "no ONNX file" in done.err
