"""Embeddings as a user has them: trained on people, scored on others, searched, verified, exported."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import sightline as sl
from sightline.errors import DataError, UsageError
from sightline.runtime.session import Session

PEOPLE, IMAGES, SIDE = 14, 6, 16


def write_people(root: Path, people: int = PEOPLE, seed: int = 0, prefix: str = "p") -> Path:
    """A folder for each person: a pattern of 4 x 4 colored cells, with noise and other brightness each "
    "time."""
    rng = np.random.default_rng(seed)
    for p in range(people):
        pattern = rng.integers(40, 200, (4, 4, 3)).repeat(SIDE // 4, 0).repeat(SIDE // 4, 1)
        (root / f"{prefix}{p:02d}").mkdir(parents=True)
        for i in range(IMAGES):
            image = pattern * rng.uniform(0.7, 1.25) + rng.normal(0, 12, pattern.shape)
            Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(root / f"{prefix}{p:02d}/{i}.png")
    return root


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos of people, photos of others, and a run."""
    root = tmp_path_factory.mktemp("people")
    write_people(root / "faces")
    write_people(root / "others", 4, seed=7, prefix="q")
    sl.train(
        root / "faces", task="embed", epochs=4, far=0.1, dimensions=16, backbone="mlp", batch_size=12,
        pretrained="no", augment="light", out=root / "run", size=SIDE, workers=0,
    )  # fmt: skip
    return root


def test_people_of_the_test_are_in_no_other_part_and_the_threshold_is_told(place: Path) -> None:
    splits = json.loads((place / "run/splits.json").read_text())
    people = {part: {item.split("/")[0] for item in items} for part, items in splits.items()}
    assert not people["train"] & people["test"]
    assert not people["val"] & (people["train"] | people["test"])
    assert min(len(people["val"]), len(people["test"])) >= 2
    results = json.loads((place / "run/results.json").read_text())
    assert list(results["scores"]) == ["TAR@FAR", "EER", "AUC", "rank-1", "recall@5", "mAP"]
    assert results["scores"]["AUC"]["value"] > 0.8
    assert results["scores"]["AUC"]["n"] == len(people["test"])
    assert {"chance", "pixels", "eigenfaces", "hog"} <= set(results["baselines"])
    assert results["baselines"]["chance"]["AUC"]["value"] < 0.8
    assert any("open-set" in text for text in results["conclusions"])
    assert "a false accept rate of 0.1" in results["metadata"]["calibration"]
    page = (place / "run/report.html").read_text(encoding="utf-8")
    for title in ("Scores of pairs", "ROC", "At the threshold", "Closest images of two identities"):
        assert title in page
    scored = sl.evaluate(place / "run", str(place / "others"), out=place / "others.html")
    assert scored.n == 4 * IMAGES
    assert scored.scores["AUC"].n == 4


def test_an_exported_file_gives_the_same_vectors(place: Path) -> None:
    files = sorted((place / "others/q00").glob("*.png"))
    rows = [outcome.row for outcome in sl.load(place / "run").predict([str(f) for f in files])]
    assert np.linalg.norm([rows[0][f"e{k}"] for k in range(16)]) == pytest.approx(1, abs=1e-4)
    exported = sl.export(place / "run", to="onnx")
    for answer, row in zip(Session(exported.file).predict(files), rows, strict=True):
        assert answer.row == pytest.approx(row, abs=1e-4)


def test_what_asks_for_classes_says_that_there_are_none(place: Path, tmp_path: Path) -> None:
    explained = sl.explain(place / "run", [str(place / "faces/p00/0.png")], out=tmp_path / "maps")
    (trial, *_) = explained.trials
    assert trial.result == "not measured: the model gives no class"
    with pytest.raises(UsageError, match="models that give a class"):
        sl.train(place / "faces", task="embed", robust="linf:2/255", pretrained="no", out=tmp_path / "x")


def test_index_is_kept_up_to_date_and_search_finds_the_person(
    place: Path, tmp_path: Path, sightline: Callable[..., Any]
) -> None:
    gallery, out = tmp_path / "gallery", tmp_path / "gallery.idx"
    shutil.copytree(place / "others", gallery)
    query = shutil.move(gallery / "q01/0.png", tmp_path / "who.png")
    made = sightline("--json", "index", place / "run", gallery, "--out", out).json()
    assert (made["added"], made["kept"], made["removed"]) == (4 * IMAGES - 1, 0, [])
    rows = sightline("--json", "search", out, query, "--top", "3").json()["rows"]
    assert [row["rank"] for row in rows] == [1, 2, 3]
    assert Path(rows[0]["path"]).parent.name == "q01"
    assert rows[0]["cosine"] >= rows[1]["cosine"] >= rows[2]["cosine"]
    assert isinstance(rows[0]["same"], bool)

    shutil.copy(gallery / "q00/1.png", gallery / "q00/copy.png")
    (gallery / "q02/0.png").unlink()
    assert "gone" in sightline("search", out, gallery / "q02/1.png", "--top", "23").out
    again = sl.index(place / "run", str(gallery), out=out)
    assert (again.added, again.kept) == (1, 4 * IMAGES - 2)
    assert again.removed == [str(gallery / "q02/0.png")]
    copies = sl.search(out, duplicates=True, min_cosine=0.9999).rows
    assert {Path(copies[0]["first"]).name, Path(copies[0]["second"]).name} == {"1.png", "copy.png"}

    other = sl.train(place / "faces", task="classify", model="perceptron", epochs=1, out=tmp_path / "other")
    with pytest.raises(UsageError, match="vectors of another model"):
        sl.index(other.path, str(gallery), out=out)
    sl.index(other.path, str(gallery), out=tmp_path / "classes.idx")
    with pytest.raises(UsageError, match=r"--min-cosine 0\.95"):
        sl.search(tmp_path / "classes.idx", duplicates=True)
    assert sl.search(tmp_path / "classes.idx", [str(query)], top=1).rows[0]["rank"] == 1
    vectors = next(out.glob("vectors-*.safetensors"))
    vectors.write_bytes(vectors.read_bytes()[:-3])
    with pytest.raises(DataError, match=r"damaged .* Make it again"):
        sl.search(out, [str(query)])


def write_pairs(root: Path, header: str = "") -> Path:
    """Pairs of the people of a folder, half of them genuine, in two folds."""
    lines = [header] if header else []
    for p in range(4):
        lines += [f"{p % 2} q0{p}/{i}.png q0{p}/{i + 1}.png 1" for i in range(4)]
        lines += [f"{p % 2} q0{p}/{i}.png q0{(p + 1) % 4}/{i}.png 0" for i in range(4)]
    (root / "pairs.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return root / "pairs.txt"


def test_pairs_are_verified_at_the_rate_that_is_asked_for(
    place: Path, tmp_path: Path, sightline: Callable[..., Any]
) -> None:
    pairs = write_pairs(place / "others")
    result = sightline("--json", "predict", place / "run", "--pairs", pairs, "--far", "0.2", "--out", "p.csv")
    assert result.code == 0, result.err
    scores = result.json()["scores"]
    assert set(scores) == {
        "true accept rate",
        "false accept rate",
        "accuracy",
        "EER",
        "AUC",
        "accuracy of folds",
    }
    assert scores["AUC"] > 0.8
    assert len((tmp_path / "p.csv").read_text().splitlines()) == 33
    listed = place / "others/table.csv"
    listed.write_text(pairs.read_text().replace(" ", ","), encoding="utf-8")
    assert sl.predict(place / "run", pairs=listed).to_json()["scores"]["EER"] == scores["EER"]

    lfw = tmp_path / "lfw"
    for p in range(3):
        (lfw / f"ann_{p}").mkdir(parents=True)
        for i in (1, 2):
            shutil.copy(place / f"others/q0{p}/{i}.png", lfw / f"ann_{p}/ann_{p}_{i:04d}.png")
    (tmp_path / "lfw.txt").write_text(
        "1\t2\nann_0\t1\t2\nann_1\t1\t2\nann_0\t1\tann_2\t2\nann_1\t1\tann_2\t1\n"
    )
    rows = sl.predict(place / "run", [str(lfw)], pairs=tmp_path / "lfw.txt").rows
    assert [row["same"] for row in rows] == [True, True, False, False]
    assert rows[2]["second"].endswith("ann_2_0002.png")


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("0 q00/0.png q00/9.png 1", r"1 files that are not there: .*9.png"),
        ("0 q00/0.png q00/0.png 1", r"with themselves \(line 1\)"),
        ("0 q00/0.png q00/1.png maybe", "line 1: .* is no pair"),
        ("", "holds no pairs"),
        ("1 2\nann 1 2 3 4", "no pair of LFW"),
    ],
)
def test_a_list_that_is_wrong_is_refused_with_its_line(place: Path, lines: str, says: str) -> None:
    (place / "others/wrong.txt").write_text(lines, encoding="utf-8")
    with pytest.raises(DataError, match=says):
        sl.predict(place / "run", pairs=place / "others/wrong.txt")


def test_what_pairs_cannot_tell_is_said(place: Path, sightline: Callable[..., Any]) -> None:
    (place / "others/one.txt").write_text("0 q00/0.png q00/1.png 1\n0 q01/0.png q01/2.png 1\n")
    result = sightline("--json", "predict", place / "run", "--pairs", place / "others/one.txt")
    assert set(result.json()["scores"]) == {"true accept rate"}
    assert "All pairs are of one kind" in result.err
    finer = sightline("predict", place / "run", "--pairs", place / "others/one.txt", "--far", "0.0001")
    assert finer.code == 2
    assert "needs 30,000 impostor pairs" in finer.err
    assert "for --pairs" in sightline("predict", place / "run", "a.png", "--far", "0.1").err
    assert "Name images to predict" in sightline("predict", place / "run").err
    trained = json.loads((place / "run/splits.json").read_text())["train"]
    (place / "faces/old.txt").write_text(f"0 {trained[0]} {trained[1]} 1\n")
    with pytest.raises(DataError, match="trained or validated on"):
        sl.predict(place / "run", pairs=place / "faces/old.txt")


def test_data_without_open_identities_are_refused(tmp_path: Path) -> None:
    def refused(folder: str, says: str, **options: Any) -> None:
        with pytest.raises((DataError, UsageError), match=says):
            sl.train(
                tmp_path / folder, task="embed", epochs=1, pretrained="no", out=tmp_path / "x", **options
            )

    write_people(tmp_path / "single", 1)
    refused("single", "single-class")
    write_people(tmp_path / "alone", 6)
    for file in (tmp_path / "alone").rglob("[1-9].png"):
        file.unlink()
    refused("alone", "identities-without-pairs")
    write_people(tmp_path / "five", 5)
    refused("five", "the val part has 1 of 5 identities")
    write_people(tmp_path / "split/train", 6)
    shutil.copytree(tmp_path / "split/train", tmp_path / "split/test")
    for part, images in (("train", "[3-5].png"), ("test", "[0-2].png")):
        for file in (tmp_path / "split" / part).rglob(images):
            file.unlink()
    refused("split", "identities-across-splits")
    rows = [f"single/p00/{i}.png,p{i % 2}|q{i % 3}" for i in range(IMAGES)]
    (tmp_path / "several.csv").write_text("\n".join(["path,identity", *rows]) + "\n")
    refused("several.csv", "one identity for each image")
