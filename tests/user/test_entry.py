"""Numbers and paths mean the same from the command line and from Python, and nothing is made to fit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import sightline as sl
from sightline.errors import UsageError
from tests.user.conftest import Said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("train", "digits", "--epochs", "1.5"), "--epochs must be a whole number. Received '1.5'."),
        (("train", "digits", "--patience", "0.4"), "--patience must be a whole number"),
        (("train", "digits", "--batch-size", "0.6"), "--batch-size must be a whole number"),
        (
            ("train", "digits", "--seed", "12345678901234567890"),
            "--seed must be 0 or more and at most 4294967295",
        ),
        (("train", "digits", "--seed", "-1"), "--seed must be 0 or more"),
        (("train", "digits", "--seed", "1e400"), "--seed must be a whole number"),
        (("predict", "run", "a.jpg", "--top", "0"), "--top must be 1 or more. Received 0."),
        (("predict", "run", "a.jpg", "--top", "-1"), "--top must be 1 or more"),
        (("predict", "run", "a.jpg", "--min-score", "nan"), "--min-score must be 0 or more and at most 1"),
        (("serve", "m.onnx", "--port", "99999"), "--port must be 0 or more and at most 65535"),
        (("serve", "m.onnx", "--max-batch-size", "2.5"), "--max-batch-size must be a whole number"),
    ],
)
def test_numbers_that_cannot_be_are_refused(
    sightline: Callable[..., Said], arguments: tuple[str, ...], words: str
) -> None:
    completed = sightline(*arguments)
    assert (completed.code, completed.out) == (2, "")
    assert words in completed.err


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: sl.train("digits", epochs=1.5), "--epochs must be a whole number. Received '1.5'."),
        (lambda: sl.train("digits", recipe=sl.Recipe(patience=0.4)), "--patience must be a whole number"),  # type: ignore[arg-type]
        (lambda: sl.train("digits", seed=10**19), "--seed must be 0 or more"),
        (lambda: sl.train("digits", seed=True, batch_size=True), "--seed must be a whole number"),
        (lambda: sl.predict("run", "a.jpg", top=-1), "--top must be 1 or more"),  # type: ignore[arg-type]
        (lambda: sl.serve(["m.onnx"], port=70000), "--port must be 0 or more"),
    ],
)
def test_python_refuses_the_same(call: Callable[[], Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        call()


def test_whole_numbers_may_be_written_with_a_point(sightline: Callable[..., Said]) -> None:
    completed = sightline("train", "digits", "--epochs", "1.0", "--model", "mlp", "--out", "a")
    assert completed.code == 0, completed.err
    assert sl.train("digits", epochs=1.0, model="mlp", out="b").record.recipe["epochs"] == 1


def test_a_tilde_is_the_home_folder_wherever_a_path_stands(
    sightline: Callable[..., Said], photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    photos.rename(tmp_path / "home" / "pics")
    completed = sightline("train", "~/pics", "--model", "mlp", "--epochs", 1, "--size", 16, "--out=~/runs/a")
    assert completed.code == 0, completed.err
    again = sl.train("~/pics", model="mlp", epochs=1, size=16, splits="~/runs/a", out="~/runs/b")
    assert again.path == tmp_path / "home/runs/b"
    completed = sightline("predict", "~/runs/a", "~/pics/*/*", "--out=~/p.csv")
    assert completed.code == 0, completed.err
    assert (tmp_path / "home/p.csv").is_file()
    assert len(list(sl.load("~/runs/a").predict("~/pics"))) > 0
    assert len(sl.open_data("~/pics")) > 0
    assert not (tmp_path / "~").exists()
    completed = sightline("check", "~nobody-is-called-this/pics")
    assert completed.code == 2
    assert "no home folder of ~nobody-is-called-this" in completed.err


def test_a_tilde_behind_the_name_of_a_model_or_program(
    sightline: Callable[..., Said], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    completed = sightline("serve", "street-1=~/none.onnx")
    assert f"{tmp_path / 'home/none.onnx'} is not there" in completed.err


@pytest.mark.parametrize("arguments", [("help",), ("help", "predict")])
def test_help_in_words(sightline: Callable[..., Said], arguments: tuple[str, ...]) -> None:
    completed = sightline(*arguments)
    assert completed.code == 0
    assert completed.out == sightline(*arguments[1:], "--help").out != ""


def test_the_version_by_a_letter(sightline: Callable[..., Said]) -> None:
    assert sightline("-v").out == sightline("--version").out == f"{sl.__version__}\n"
