"""What is wrong is said: file or option, what was expected, what was found, and the way out."""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sightline.cli import main
from tests.user.conftest import draw_image, write_photos

QUICK = ("--model", "perceptron", "--epochs", "1", "--batch-size", "8")


def write_table(root: Path, rows: list[str], encoding: str = "utf-8") -> Path:
    (root / "images").mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for i in range(30):
        Image.fromarray(draw_image(i % 2, rng)).save(root / "images" / f"{i}.png")
    file = root / "labels.csv"
    file.write_text("\n".join(rows) + "\n", encoding=encoding)
    return file


def good_rows() -> list[str]:
    return ["path,price", *(f"images/{i}.png,{i * 1.5}" for i in range(30))]


def test_missing_folder(sightline: Callable) -> None:
    completed = sightline("train", "fotos/")
    assert completed.code in (2, 3)
    assert "fotos" in completed.err


def test_empty_folder(sightline: Callable, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    completed = sightline("train", "empty")
    assert completed.code == 3
    assert "empty" in completed.err


def test_one_class_only(sightline: Callable, tmp_path: Path) -> None:
    write_photos(tmp_path / "one", n=10, names=("cat",))
    completed = sightline("train", "one", *QUICK)
    assert completed.code == 3
    assert "class" in completed.err


def test_one_image_per_class(sightline: Callable, tmp_path: Path) -> None:
    write_photos(tmp_path / "few", n=2)
    completed = sightline("train", "few", *QUICK)
    assert completed.code == 3


@pytest.mark.parametrize(
    ("arguments", "found", "near"),
    [
        (("--model", "lenet"), "lenet", "lenet5"),
        (("--task", "clasify"), "clasify", "classify"),
        (("--epoch", "3"), "epoch", "epochs"),
        (("--optimizer", "adamm"), "adamm", "adam"),
        (("--label-smothing", "0.1"), "label", "label_smoothing"),
        (("--format", "foldr"), "foldr", "folder"),
    ],
)
def test_unknown_names_are_refused_with_the_nearest(
    sightline: Callable, photos: Path, arguments: tuple[str, ...], found: str, near: str
) -> None:
    completed = sightline("train", photos, *arguments)
    assert completed.code == 2
    assert found in completed.err
    assert near in completed.err.replace("-", "_")
    assert not Path("runs").exists()


def test_values_of_the_wrong_kind(sightline: Callable, photos: Path) -> None:
    for arguments in (
        ("--epochs", "many"),
        ("--time", "soon"),
        ("--cache", "big"),
        ("--schedule", "cosinus"),
    ):
        completed = sightline("train", photos, *arguments)
        assert completed.code == 2, arguments
        assert arguments[1] in completed.err


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("lr", -1),
        ("batch-size", 0),
        ("epochs", -1),
        ("warmup", 2),
        ("clip_grad", -1),
        ("size", -5),
        ("ema", 1.5),
        ("momentum", 5),
        ("label-smoothing", 2),
        ("mixup", -3),
        ("time", "0s"),
        ("patience", -1),
        ("unfreeze", 7),
    ],
)
def test_numbers_out_of_range(sightline: Callable, photos: Path, option: str, value: object) -> None:
    completed = sightline("train", photos, "--model", "perceptron", f"--{option}", value)
    assert completed.code == 2
    assert str(value) in completed.err
    assert not Path("runs").exists()


def test_table_without_the_column(sightline: Callable, tmp_path: Path) -> None:
    file = write_table(tmp_path, good_rows())
    completed = sightline("train", file, "--target", "prize")
    assert completed.code == 2
    assert "price" in completed.err


def test_table_with_missing_files_and_nan_and_duplicates(sightline: Callable, tmp_path: Path) -> None:
    rows = [*good_rows(), "images/99.png,3", "images/1.png,nan", "images/2.png,3.0"]
    completed = sightline("--json", "check", write_table(tmp_path, rows), "--target", "price")
    assert completed.code == 1
    names = {f["name"] for f in completed.json()["findings"]}
    assert len(names) >= 3
    assert "99.png" in completed.out


def test_table_in_latin_1(sightline: Callable, tmp_path: Path) -> None:
    rows = ["path,class", *(f"images/{i}.png,{'größe' if i % 2 else 'länge'}" for i in range(30))]
    completed = sightline("check", write_table(tmp_path, rows, encoding="latin-1"))
    assert completed.code in (0, 1, 3)
    assert "Latin-1" in completed.err + completed.out or "größe" in completed.out


def test_class_folder_without_images(sightline: Callable, photos: Path) -> None:
    (photos / "dusk").mkdir()
    completed = sightline("check", photos)
    assert completed.code == 1
    assert "dusk" in completed.out


def test_label_in_test_that_train_never_saw(sightline: Callable, tmp_path: Path) -> None:
    write_photos(tmp_path / "d" / "train", n=20)
    write_photos(tmp_path / "d" / "test", n=9, names=("day", "night", "dawn"), seed=1)
    completed = sightline("train", "d", *QUICK)
    assert completed.code == 3
    assert "dawn" in completed.err


def test_output_folder_that_exists(sightline: Callable, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    completed = sightline("train", photos, "--out", "mine", *QUICK)
    assert completed.code == 2
    assert "--overwrite" in completed.err
    completed = sightline("train", photos, "--out", "mine", "--overwrite", *QUICK)
    assert completed.code == 2
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "precious"


@pytest.mark.skipif(os.name == "nt", reason="permissions")
def test_unwritable_output(sightline: Callable, photos: Path) -> None:
    completed = sightline("train", photos, "--out", "/proc/nowhere/run", *QUICK)
    assert completed.code != 0
    assert "/proc/nowhere" in completed.err


def test_full_disk_keeps_the_last_checkpoint(
    sightline: Callable, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sightline import storage

    real, calls = storage.save_file, []

    def full(tensors: object, file: object) -> None:
        calls.append(file)
        if len(calls) > 6:
            Path(str(file)).write_bytes(b"half")
            raise OSError(28, "No space left on device")
        real(tensors, file)

    monkeypatch.setattr(storage, "save_file", full)
    completed = sightline("train", photos, "--out", "run", *QUICK[:2], "--epochs", "9")
    assert completed.code == 1
    assert "No space left" in completed.err
    monkeypatch.setattr(storage, "save_file", real)
    completed = sightline("train", photos, "--resume", "run")
    assert completed.code == 0, completed.err
    assert "Resumed" in completed.err


def test_cuda_asked_for_and_absent(sightline: Callable, photos: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("CUDA is here")
    completed = sightline("train", photos, "--device", "cuda", *QUICK)
    assert completed.code == 2
    assert "--device cpu" in completed.err


def test_nan_loss_stops_and_names_the_batch(sightline: Callable, photos: Path) -> None:
    completed = sightline(
        "train",
        photos,
        "--out",
        "run",
        "--model",
        "mlp",
        "--optimizer",
        "sgd",
        "--lr",
        "1e30",
        "--clip-grad",
        "0",
        "--epochs",
        "30",
        "--batch-size",
        "8",
    )
    assert completed.code == 1
    assert "batch" in completed.err
    assert "--lr" in completed.err
    assert "Traceback" not in completed.err


def test_damaged_and_foreign_models(sightline: Callable, photos: Path, tmp_path: Path) -> None:
    assert sightline("train", photos, "--out", "run", *QUICK).code == 0
    weights = tmp_path / "run" / "model" / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    completed = sightline("predict", "run", photos)
    assert completed.code == 3
    assert "damaged" in completed.err
    weights.write_bytes(pickle.dumps({"a": 1}))
    completed = sightline("predict", "run", photos)
    assert completed.code == 3
    assert "pickle" in completed.err
    weights.write_bytes(whole)
    card = tmp_path / "run" / "model" / "model.json"
    card.write_text(card.read_text().replace('"format": 2', '"format": 99', 1))
    completed = sightline("predict", "run", photos)
    assert completed.code == 3
    assert "99" in completed.err
    facts = tmp_path / "run" / "run.json"
    facts.write_text(facts.read_text().replace('"format": 2', '"format": 99', 1))
    assert sightline("evaluate", "run").code == 3
    shutil.rmtree(tmp_path / "run" / "model")
    assert sightline("predict", "run", photos).code == 3


def test_pickled_weights_are_refused(sightline: Callable, photos: Path, tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1)}, tmp_path / "weights.pt")
    completed = sightline("train", photos, "--weights", "weights.pt", *QUICK)
    assert completed.code == 3
    assert "safetensors" in completed.err


def test_out_of_memory_says_which_batch_size(
    sightline: Callable, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sightline.tasks.classify.models.net import Net

    def hungry(*arguments: object, **keywords: object) -> None:
        raise RuntimeError(
            "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 1e18 bytes"
        )

    monkeypatch.setattr(Net, "loss", hungry)
    completed = sightline("train", photos, *QUICK)
    assert completed.code == 1
    assert "--batch-size 4" in completed.err


def test_resume_with_changed_data_is_refused(
    sightline: Callable, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sightline.training import session

    def broken(*arguments: object) -> None:
        raise RuntimeError("power cut")

    with monkeypatch.context() as patched:
        patched.setattr(session, "_tested", broken)
        with pytest.raises(RuntimeError):
            sightline("train", photos, "--out", "run", *QUICK)
    file = next(photos.rglob("*.png"))
    Image.fromarray(255 - np.asarray(Image.open(file))).save(file)
    completed = sightline("train", photos, "--resume", "run")
    assert completed.code == 3
    assert "changed" in completed.err


def test_predict_reports_bad_files_and_goes_on(sightline: Callable, photos: Path, tmp_path: Path) -> None:
    assert sightline("train", photos, "--out", "run", *QUICK).code == 0
    (photos / "day" / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    completed = sightline("predict", "run", photos, "--out", "p.csv")
    assert completed.code == 1
    assert "bad.png" in completed.err
    rows = (tmp_path / "p.csv").read_text().splitlines()
    assert len(rows) == 42
    assert sightline("predict", "run", "nothing-*.jpg").code == 2
    assert sightline("predict", "run", "https://example.com/a.jpg").code == 2


def test_json_says_an_error_on_stdout_in_any_encoding(
    sightline: Callable, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for command, code in (
        (("evaluate", "nothing"), 3),
        (("train", photos, "--epochs", "-1"), 2),
        (("such",), 2),
    ):
        completed = sightline("--json", *command)
        assert completed.code == code
        assert completed.json()["exit_code"] == code
        assert completed.json()["error"] in completed.err
    shutil.move(photos / "day", photos / "\u65e5")
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(io.BytesIO(), encoding="cp1252", write_through=True))
    with pytest.raises(SystemExit) as ended:
        main(["--json", "check", str(photos)])
    assert ended.value.code == 0
    text = sys.stdout.buffer.getvalue().decode("ascii")  # type: ignore[attr-defined]
    assert "\u65e5" in json.dumps(json.loads(text), ensure_ascii=False)


def test_a_run_that_broke_off_at_its_first_file_is_overwritten(
    sightline: Callable, photos: Path, tmp_path: Path
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/.run.json.77.tmp").write_text("{")
    assert sightline("train", photos, *QUICK, "--out", "run", "--overwrite").code == 0
    (tmp_path / "own").mkdir()
    (tmp_path / "own/letter.txt").write_text("dear")
    assert sightline("train", photos, *QUICK, "--out", "own", "--overwrite").code == 2
    assert (tmp_path / "own/letter.txt").is_file()


def test_freezing_what_nobody_has_trained_is_said(sightline: Callable, photos: Path) -> None:
    small = ("--model", "lenet5", "--size", 32, "--epochs", 1)
    completed = sightline("train", photos, *small, "--freeze", "backbone", "--out", "a")
    assert "keeps features as chance made them" in completed.err
    selected = sightline("train", photos, *small, "--freeze", "backbone", "--weights", "a", "--out", "b")
    assert "keeps features as chance made them" not in selected.err
