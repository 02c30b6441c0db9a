"""Smaller models: learnt from a teacher, and with channels taken away."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import sightline as sl
from sightline.core.run import Run
from sightline.storage import read_tensors

QUICK = ("--epochs", "1", "--size", "32")


def train(sightline: Callable, *words: object, code: int = 0) -> str:
    completed = sightline("train", *words)
    assert completed.code == code, completed.err
    return str(completed.err)


def test_what_a_teacher_says_is_learnt_without_the_targets(sightline: Callable, tmp_path: Path) -> None:
    """With all of the loss the teacher's, a student agrees with it: its mistakes are learnt too."""
    train(sightline, "digits", "--model", "lenet5", "--epochs", "2", "--out", "teacher")
    err = train(sightline, "digits", "--model", "lenet5", "--epochs", "2", "--teacher", "teacher",
                "--distill", "1", "--out", "student")  # fmt: skip
    assert "teacher: lenet5; 100% of the loss is the distance to what it says" in err
    run = Run.open("student")
    first = next(run.events())
    assert first["train_loss"] == pytest.approx(first["train_taught"])
    assert first["train_target"] > 0
    assert len(run.record.teacher["weights"]) == 64
    ids, theirs, _ = Run.open("teacher").predictions("test")
    same, default, _ = run.predictions("test")
    assert ids == same
    assert float((theirs.value == default.value).float().mean()) > 0.7  # chance: 0.1
    assert not any("teacher" in name for name in read_tensors(tmp_path / "student/model/model.safetensors"))


def test_a_teacher_that_does_not_fit_is_refused(sightline: Callable, tmp_path: Path) -> None:
    train(sightline, "shapes:one:60", "--model", "lenet5", *QUICK, "--out", "teacher")
    shapes = ("--model", "lenet5", *QUICK, "--teacher", "teacher", "--out", "student")
    for data, says in (("shapes:count:60", "was trained for task 'classify', this is 'regress'"),
                       ("shapes:multi:60", "was made for other several labels"),
                       ("digits", "was made for other classes")):  # fmt: skip
        assert says in train(sightline, data, *shapes, code=2)
    outputs = train(sightline, "shapes:one:60", *shapes, "--seed", "1", code=2)
    assert "images held out here" in outputs
    assert "--splits" in outputs
    assert "name it: --teacher" in train(sightline, "digits", "--distill", "0.5", code=2).lower()
    assert "holds no model" in train(sightline, "digits", "--teacher", tmp_path / "none", code=3)
    assert "--folds" in train(sightline, "shapes:one:60", *shapes, "--folds", "3", code=2)
    assert not (tmp_path / "student").exists()
    train(sightline, "shapes:one:60", *shapes, "--seed", "1", "--splits", "teacher")


def test_outputs_of_other_sizes_are_no_teacher(sightline: Callable, tmp_path: Path) -> None:
    boxes = ("shapes:boxes:20", "--model", "yolo-n", "--epochs", "1", "--batch-size", "4")
    train(sightline, *boxes, "--size", "64", "--out", "teacher")
    outputs = train(sightline, *boxes, "--size", "96", "--teacher", "teacher", "--out", "student", code=2)
    assert "cannot be compared" in outputs
    assert "--size" in outputs
    assert not (tmp_path / "student").exists()


def test_a_pruned_run_is_a_run_like_others(sightline: Callable, tmp_path: Path) -> None:
    """Smaller, resumed bit for bit (with a teacher and mixed images), exported, pruned again."""
    train(sightline, "shapes:one:60", "--model", "resnet-small", "--width", "8", *QUICK, "--out", "whole")
    outputs = train(sightline, "shapes:one:60", "--weights", "whole", "--prune", "0.5", "--teacher", "whole",
                 "--mixup", "0.3", "--epochs", "2", "--out", "pruned")  # fmt: skip
    taken = Run.open("pruned").record.pruned
    assert taken["text"] in outputs
    assert taken["parameters"][1] < 0.4 * taken["parameters"][0]
    tensors = read_tensors(tmp_path / "pruned/model/model.safetensors")
    assert Run.open("pruned").results.metadata["cost"]["parameters"] == taken["parameters"][1]
    assert json.loads((tmp_path / "pruned/model/model.json").read_text())["model_config"]["size"] == [32, 32]

    broken = tmp_path / "broken"  # as it was after the first epoch
    shutil.copytree(tmp_path / "pruned", broken)
    shutil.rmtree(max((broken / "checkpoints").glob("last-*")))
    shutil.rmtree(broken / "model")
    Run.open(broken).update(status="interrupted")
    assert "Resumed at epoch 2" in train(sightline, "shapes:one:60", "--resume", "broken")
    again = read_tensors(broken / "model/model.safetensors")
    assert all(torch.equal(again[name], tensors[name]) for name in tensors)

    image = np.zeros((1, 32, 32, 3), dtype=np.uint8)
    assert len(list(sl.load(tmp_path / "pruned").predict(image))) == 1
    assert sightline("evaluate", "pruned", "--split", "val").code == 0
    assert "total" in sightline("inspect", "pruned").out
    train(sightline, "shapes:one:60", "--weights", "pruned", "--prune", "0.2", *QUICK, "--out", "thin")
    assert Run.open("thin").record.pruned["parameters"][0] == taken["parameters"][1]
    pytest.importorskip("onnxscript", reason="the extra 'onnx' is not installed")
    exported = sightline("export", "pruned", "--max-score-drop", "5")
    assert exported.code == 0, exported.err


def test_what_cannot_be_pruned_is_refused(sightline: Callable, tmp_path: Path) -> None:
    train(sightline, "shapes:one:60", "--model", "perceptron", *QUICK, "--out", "whole")
    prune = ("shapes:one:60", "--weights", "whole", "--out", "thin", "--prune")
    assert "cannot be pruned" in train(sightline, *prune, "0.3", code=2)
    assert "below 1" in train(sightline, *prune, "1", code=2)
    assert "leave out --model" in train(sightline, *prune, "0.3", "--model", "lenet5", code=2).lower()
    assert "--weights RUN" in train(sightline, "shapes:one:60", "--prune", "0.3", code=2)
    assert not (tmp_path / "thin").exists()
