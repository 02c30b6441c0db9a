"""Images of five bands of 16 bits: trained on, evaluated, predicted, exported, with their precision."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import sightline as sl
from sightline.errors import DataError, UsageError
from sightline.models import registry
from sightline.models.weights import embedded
from sightline.runtime.session import Session
from tests.unit.data.band_files import write_tiff

SIDE = 32
BASE, STEP = 20_000, 60
"""All that tells the classes apart lies within 60 of 65,536 levels: in 8 bits it would be gone."""


def scene(rng: np.random.Generator, k: int) -> tuple[np.ndarray, np.ndarray]:
    """(H, W, 5) uint16 with a square that is brighter in the fourth band (k = 1) or the fifth; its map."""
    image = (BASE + rng.integers(0, 20, (SIDE, SIDE, 5))).astype(np.uint16)
    top, left = rng.integers(0, SIDE - 16, 2)
    image[top : top + 16, left : left + 16, 4 - k] += STEP
    class_map = np.zeros((SIDE, SIDE), np.uint8)
    class_map[top : top + 16, left : left + 16] = 1
    return image, class_map


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, rng = tmp_path_factory.mktemp("bands"), np.random.default_rng(0)
    for i in range(60):
        place = folder / ("near", "far")[i % 2]
        place.mkdir(exist_ok=True)
        write_tiff(place / f"{i:02d}.tif", scene(rng, i % 2)[0], deflate=bool(i % 3))
    return folder


@pytest.fixture(scope="module")
def maps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, rng = tmp_path_factory.mktemp("maps"), np.random.default_rng(1)
    for name in ("images", "masks"):
        (folder / name).mkdir()
    for i in range(40):
        image, class_map = scene(rng, 0)
        write_tiff(folder / "images" / f"{i:02d}.tif", image)
        Image.fromarray(class_map).save(folder / "masks" / f"{i:02d}.png")
    return folder


@pytest.fixture(scope="module")
def classify(classes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "classify"
    sl.train(str(classes), out=out, epochs=8, size=SIDE, batch_size=8, device="cpu", pretrained="no", seed=1)
    return out


def test_the_fine_levels_tell_the_classes(classify: Path, classes: Path) -> None:
    results = json.loads((classify / "results.json").read_text())
    assert results["scores"]["accuracy"]["value"] >= 0.85
    record = json.loads((classify / "run.json").read_text())
    low, high = record["model_config"]["pixel_range"]
    assert BASE <= low < high <= BASE + STEP + 20
    assert (record["model_config"]["channels"], record["model_config"]["dtype"]) == (5, "float32")
    assert "5 bands" in record["decisions"]["input"]
    assert any("Nothing is cut off" in note for note in record["messages"])
    assert (classify / "report.html").is_file()


def test_it_is_evaluated_and_predicts_files_and_arrays(classify: Path, classes: Path) -> None:
    scores = sl.evaluate(classify, str(classes), split="all", device="cpu").scores
    assert scores["accuracy"].value >= 0.9
    image = scene(np.random.default_rng(9), 1)[0]
    model = sl.load(classify)
    (of_array,) = model.predict(image)
    assert of_array.row["label"] == "far"
    place = classes / "near" / "00.tif"
    outcomes = {o.id: o for o in model.predict([str(place), str(classes / "far" / "01.tif")])}
    assert [o.row["label"] for o in outcomes.values()] == ["near", "far"]


def test_other_images_are_refused_in_words(classify: Path, tmp_path: Path) -> None:
    Image.fromarray(np.zeros((SIDE, SIDE, 3), np.uint8)).save(tmp_path / "rgb.png")
    np.save(tmp_path / "four.npy", np.zeros((SIDE, SIDE, 4), np.uint16))
    for name, words in (("rgb.png", "5 bands"), ("four.npy", "4 bands")):
        (outcome,) = sl.load(classify).predict(str(tmp_path / name))
        assert words in outcome.error
    with pytest.raises(UsageError, match="of many bands"):
        list(sl.load(classify).predict(np.zeros((SIDE, SIDE), np.uint8)))


def test_it_is_exported_and_the_light_runtime_says_what_it_does_not_read(classify: Path) -> None:
    exported = sl.export(classify)
    assert exported.gate is not None
    assert exported.gate.passed
    with pytest.raises(DataError, match="images of more than 8 bits"):
        Session(exported.file)
    with pytest.raises(UsageError, match="5 channels"):
        sl.export(classify, include="preprocess")


def test_weights_of_three_colors_are_adapted_to_more_bands() -> None:
    if lack := embedded.trouble(embedded.DEFAULT):
        pytest.skip(lack)
    nets = [
        registry.create(embedded.DEFAULT, outputs=2, channels=n, size=(64, 64), pretrained="yes").eval()
        for n in (3, 6)
    ]
    gray = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        three, six = (net.features(gray.expand(-1, n, -1, -1)) for net, n in zip(nets, (3, 6), strict=True))
    torch.testing.assert_close(three, six, rtol=1e-4, atol=1e-4)  # where all bands are alike, so are the maps
    assert nets[1].pixels is None  # they are normalized by their own mean and deviation


def test_maps_of_classes_are_learnt_from_many_bands(maps: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    sl.train(
        str(maps), out=out, model="unet", backbone="own", epochs=6, size=SIDE, batch_size=4, lr=0.003,
        device="cpu", pretrained="no",
    )  # fmt: skip
    results = json.loads((out / "results.json").read_text())
    assert results["scores"]["mIoU"]["value"] >= 0.6
    summary = sl.predict(out, [str(maps / "images")], out=tmp_path / "maps", device="cpu")
    assert (summary.total, summary.errors) == (40, [])
    exported = sl.export(out)
    assert exported.gate is not None
    assert exported.gate.passed


@pytest.mark.parametrize("first", ["whole", "damaged"])
def test_files_of_another_type_of_numbers_are_told(first: str, tmp_path: Path) -> None:
    for i in range(8):
        place = tmp_path / ("near", "far")[i % 2]
        place.mkdir(exist_ok=True)
        np.save(place / f"{i}.npy", scene(np.random.default_rng(i), i % 2)[0])
    np.save(tmp_path / "near" / "other.npy", np.full((SIDE, SIDE, 5), 7, np.uint8))
    if first == "damaged":
        (tmp_path / "far" / "0.npy").write_bytes((tmp_path / "far" / "1.npy").read_bytes()[:40])
    (finding,) = [f for f in sl.check(str(tmp_path)).findings if f.name == "mismatched-files"]
    assert [item.partition(":")[0] for item in finding.items] == ["near/other.npy"]
    assert (
        "near/other.npy: holds numbers of type uint8; those of the first file are uint16" in finding.message
    )
    assert "same type of numbers" in finding.fix
