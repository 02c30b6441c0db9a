"""`train --fair`: the worst group gets better, it chooses the weights, and a stopped run resumes exactly."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

import sightline as sl
from sightline.core.run import Run
from sightline.core.sample import Batch
from sightline.core.targets.label import ClassLabels
from sightline.devices import Devices
from sightline.errors import Interrupted, UnknownName, UsageError
from sightline.inference.model_folder import restore
from sightline.training.fair import GroupDro, Groups

OPTIONS: dict[str, Any] = {
    "target": "label", "model": "lenet5", "size": 16, "augment": "none", "epochs": 4, "batch_size": 32,
    "accept": ("near-duplicates-across-splits", "duplicates-across-splits", "conflicting-labels"),
}  # fmt: skip


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1,000 digits, red or green: high ones (5 and more) are red in 93 %, low ones green in 93 %."""
    root = tmp_path_factory.mktemp("fair")
    (root / "images").mkdir()
    digits, rng = load_digits(), np.random.default_rng(0)
    rows = ["path,label,color,site,number"]
    for i in range(1000):
        high = bool(digits.target[i] >= 5)
        red = high == (rng.random() < 0.93)
        pixels = np.zeros((8, 8, 3), np.uint8)
        pixels[..., 0 if red else 1] = digits.images[i] * 15.9
        Image.fromarray(pixels).save(root / "images" / f"{i:04d}.png")
        color = "red" if red else "green"
        rows.append(f"images/{i:04d}.png,{'high' if high else 'low'},{color},A,{i}")
    (root / "labels.csv").write_text("\n".join(rows), encoding="utf-8")
    return root / "labels.csv"


@pytest.fixture(scope="module")
def fair(table: Path) -> Run:
    """A run with group DRO."""
    return sl.train(str(table), fair="dro", group="color", out=table.parent / "fair", **OPTIONS)


def _of_rare_groups(run: Run, table: Path) -> float:
    """Share of right answers in the test images whose color does not go with their class."""
    ids, prediction, target = run.predictions("test")
    lines = [line.split(",") for line in table.read_text(encoding="utf-8").splitlines()[1:]]
    rare = {path for path, label, color, *_ in lines if (label == "high") != (color == "red")}
    where = torch.tensor([item in rare for item in ids])
    assert where.sum() >= 5
    return float((prediction.value == target.value)[where].double().mean())


def test_the_worst_group_gets_better_and_chooses_the_weights(fair: Run, table: Path) -> None:
    plain = sl.train(str(table), out=table.parent / "plain", **OPTIONS)
    assert _of_rare_groups(fair, table) > _of_rare_groups(plain, table) + 0.2
    assert all(e["val_score"] == e["val_worst"] <= e["val_accuracy"] for e in fair.events())
    best = fair.checkpoint("best")
    assert best is not None
    assert max(e["val_worst"] for e in fair.events()) == fair_event(fair, best[1]["epoch"])["val_worst"]
    assert any('the worst, "color' in text for text in fair.results.conclusions)
    page = (fair.path / "report.html").read_text(encoding="utf-8")
    assert "color green, high" in page


def fair_event(run: Run, epoch: int) -> dict[str, Any]:
    return next(e for e in run.events() if e["epoch"] == epoch)


def test_a_stopped_run_ends_with_the_same_weights(
    fair: Run, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[int] = []
    whole = GroupDro.losses

    def stopped(self: GroupDro, *rest: Any) -> dict[str, torch.Tensor]:
        steps.append(1)
        if len(steps) == 30:
            signal.raise_signal(signal.SIGTERM)
        return whole(self, *rest)

    again = table.parent / "again"
    with monkeypatch.context() as patch:
        patch.setattr(GroupDro, "losses", stopped)
        with pytest.raises(Interrupted):
            sl.train(str(table), fair="dro", group="color", out=again, **OPTIONS)
    sl.train(str(table), resume=again)
    first, second = (p / "model" / "model.safetensors" for p in (fair.path, again))
    assert first.read_bytes() == second.read_bytes()


def test_the_last_layer_is_fitted_on_groups_alike(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = sl.train(str(table), fair="last-layer", group="color", out=tmp_path / "run", **OPTIONS)
    said = capsys.readouterr().err
    assert "worst group on validation" in said
    best = run.checkpoint("best")
    assert best is not None
    trained, kept = best[0]["model"], restore(run.path)[0].state_dict()
    changed = {name for name in trained if not torch.equal(trained[name], kept[name])}
    assert bool(changed) == said.rstrip().endswith("kept") or "after: kept" in said
    assert all("head" in name for name in changed)


def test_worse_groups_count_the_more_and_the_state_is_complete(fair: Run) -> None:
    model = restore(fair.path)[0].train()
    groups = Groups(("a", "b"), {"1": 0, "2": 0, "3": 1})
    dro = GroupDro(groups, Devices(torch.device("cpu")))
    images = torch.zeros(3, 3, 16, 16)
    logits = model(images)["logits"]
    likely = int(logits[0].argmax())
    batch = Batch(images, ClassLabels(torch.tensor([likely, likely, 1 - likely])), ["1", "2", "3"])
    rng = torch.Generator().manual_seed(0)
    first = dro.losses(model, batch, rng, "all")
    assert dro.weights[1] > dro.weights[0]
    assert dro.weights.sum() == pytest.approx(1)
    plain = model.loss(batch, rng, "all")["loss"]
    assert float(first["target"]) == pytest.approx(float(plain.detach()), rel=1e-5)
    assert float(first["loss"].detach()) > float(plain.detach())  # the rare group is the worse one
    other = GroupDro(groups, Devices(torch.device("cpu")))
    other.restore(dro.state())
    assert other.weights.tolist() == dro.weights.tolist()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"fair": "dro"}, "--group color or site or number"),
        ({"group": "color"}, "names the groups of --fair"),
        ({"fair": "dro", "group": "site"}, "has 1 values"),
        ({"fair": "dro", "group": "number"}, "has 1,000 values"),
        ({"fair": "dro", "group": "color", "mixup": 0.2}, "--mixup cannot be together"),
        ({"fair": "balanced", "group": "color", "sampler": "balanced"}, "--sampler balanced cannot"),
        ({"fair": "balanced", "group": "color", "monitor": "loss"}, "--monitor loss cannot"),
        ({"fair": "balanced", "group": "color", "robust": "linf:8/255"}, "--robust cannot"),
    ],
)
def test_what_contradicts_groups_is_refused(
    table: Path, tmp_path: Path, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError) as error:
        sl.train(str(table), out=tmp_path / "refused", **{**OPTIONS, **options})
    assert words in str(error.value)
    assert not (tmp_path / "refused").exists()


def test_an_unknown_column_is_named_with_the_nearest(table: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="color"):
        sl.train(str(table), fair="dro", group="colour", out=tmp_path / "refused", **OPTIONS)
