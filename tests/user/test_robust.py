"""`train --robust`: it trains for what it promises, refuses what would void it, and resumes exactly."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

import sightline as sl
from sightline.attacks import Ball
from sightline.core.run import Run
from sightline.core.sample import Batch
from sightline.core.targets.label import ClassLabels
from sightline.errors import Interrupted, UsageError
from sightline.inference.model_folder import restore
from sightline.runtime.session import Session
from sightline.training.robust import Collapse, Robust


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """400 digits of 8 x 8 as PNG files, a folder per class."""
    root = tmp_path_factory.mktemp("robust") / "digits"
    data = load_digits()
    for i in range(400):
        folder = root / str(data.target[i])
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray((data.images[i] * 15.9).astype("uint8")).save(folder / f"{i}.png")
    rows = [f"digits/{data.target[i]}/{i}.png,{i / 7}" for i in range(30)]
    (root.parent / "numbers.csv").write_text("\n".join(["path,number", *rows]), encoding="utf-8")
    return root


OPTIONS: dict[str, Any] = {"model": "lenet5", "size": 16, "augment": "none", "batch_size": 32, "epochs": 5,
                           "robust": "linf:0.1", "accept": ("near-duplicates-across-splits",)}  # fmt: skip


@pytest.fixture(scope="module")
def run(digits: Path) -> Run:
    """A run with a promise."""
    return sl.train(str(digits), out=digits.parent / "run", **OPTIONS)


def test_weights_are_chosen_by_an_attack_that_is_logged(run: Run) -> None:
    events = list(run.events())
    assert len(events) == OPTIONS["epochs"]
    assert all(e["val_score"] == e["val_pgd"] for e in events)
    assert all(0 <= e["val_pgd"] < e["val_accuracy"] for e in events[2:])
    best = run.checkpoint("best")
    assert best is not None
    chosen = next(e for e in events if e["epoch"] == best[1]["epoch"])
    assert chosen["val_pgd"] == max(e["val_pgd"] for e in events)
    text = " ".join(run.results.conclusions)
    assert "Trained to withstand linf:0.1" in text
    assert f"{chosen['val_pgd']:.1%}" in text


def test_the_promise_is_in_the_run_and_in_exported_files(run: Run) -> None:
    promise = {"robust": "linf:0.1"}
    card = json.loads((run.path / "model" / "model.json").read_text(encoding="utf-8"))
    assert card["model_config"]["promises"] == promise
    assert restore(run.path)[0].settings["promises"] == promise
    assert Session(sl.export(run.path).file).card["model_config"]["promises"] == promise


def test_a_run_that_was_stopped_ends_with_the_same_weights(
    run: Run, digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[int] = []
    whole = Robust.attacked

    def stopped(self: Robust, *rest: Any) -> Batch:
        steps.append(1)
        if len(steps) == 21:  # in the middle of the third epoch
            signal.raise_signal(signal.SIGTERM)
        return whole(self, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(Robust, "attacked", stopped)
        with pytest.raises(Interrupted):
            sl.train(str(digits), out=tmp_path / "again", **OPTIONS)
    again = sl.train(str(digits), resume=tmp_path / "again")
    assert again.record.status == "done"
    first, second = (r.path / "model" / "model.safetensors" for r in (run, again))
    assert first.read_bytes() == second.read_bytes()
    assert [e["val_pgd"] for e in run.events()] == [e["val_pgd"] for e in again.events()]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"robust": "linf:8"}, "Did you mean linf:8/255?"),
        ({"robust": "patch:0.1"}, "against linf or l2"),
        ({"mixup": 0.2}, "--mixup cannot be together"),
        ({"cutmix": 1.0}, "--cutmix cannot be together"),
        ({"monitor": "loss"}, "--monitor loss cannot be together"),
        ({"teacher": "run"}, "--teacher cannot be together"),
        ({"model": "baseline:linear", "epochs": None, "augment": None, "batch_size": None}, "no effect"),
    ],
)
def test_what_would_void_the_promise_is_refused(
    run: Run, digits: Path, tmp_path: Path, options: dict[str, Any], words: str
) -> None:
    given = {k: v for k, v in {**OPTIONS, **options}.items() if v is not None}
    if "teacher" in given:
        given["teacher"] = run.path
    with pytest.raises(UsageError, match="--robust") as error:
        sl.train(str(digits), out=tmp_path / "refused", **given)
    assert words in str(error.value)
    assert not (tmp_path / "refused").exists()


def test_other_tasks_and_searches_are_refused(digits: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="one class each; the data give"):
        sl.train(str(digits.parent / "numbers.csv"), robust="linf:8/255", out=tmp_path / "regress")
    pytest.importorskip("optuna")
    with pytest.raises(UsageError, match="a search goes by"):
        sl.tune(str(digits), robust="linf:8/255", trials=1, out=tmp_path / "search")


def test_a_batch_is_attacked_inside_the_ball_and_the_model_stays_as_it_is(run: Run) -> None:
    model = restore(run.path)[0].train()
    before = {k: v.clone() for k, v in model.named_parameters()}
    images = torch.randint(0, 256, (8, 1, 16, 16), dtype=torch.uint8)
    batch = Batch(images, ClassLabels(torch.arange(8)), [])
    ball = Ball("linf", 0.1)
    with torch.autocast("cpu", torch.bfloat16):
        first, again = (
            Robust(ball).attacked(model, batch, torch.Generator().manual_seed(3), "all").images
            for _ in range(2)
        )
    assert torch.equal(first, again)
    assert first.dtype == torch.float32
    assert 0.099 < float((first - images / 255).abs().max()) <= 0.1 + 1e-6
    assert 0 <= float(first.min()) <= float(first.max()) <= 1
    assert model.training
    assert all(torch.equal(v, before[k]) and v.grad is None for k, v in model.named_parameters())


@pytest.mark.parametrize(
    ("fgsm", "pgd", "best", "stops"),
    [
        (0.90, 0.05, 0.40, True),  # only one step is withstood any more
        (0.40, 0.35, 0.40, False),
        (0.10, 0.08, 0.40, False),  # it learns nothing, which is not that fault
        (0.12, 0.03, 0.06, False),  # the first epochs
    ],
)
def test_training_stops_when_it_collapses(
    fgsm: float, pgd: float, best: float, stops: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    training: Any = SimpleNamespace(best=(best, -1.0), best_epoch=3)
    assert Collapse().epoch(training, {"val_fgsm": fgsm, "val_pgd": pgd}) == stops
    assert ("catastrophic overfitting" in capsys.readouterr().err) == stops
