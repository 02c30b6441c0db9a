"""Two networks that take turns cost one task folder: images like digits, drawn from noise, without labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import sightline as sl
from sightline.errors import UsageError
from tests.proofs._extend import with_tasks


@pytest.fixture(autouse=True)
def tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    with_tasks(Path(__file__).parent / "tasks", monkeypatch)


def test_it_learns_to_draw_and_draws_again_from_the_file(tmp_path: Path) -> None:
    run = sl.train("digits", task="drawing", epochs=12, out=tmp_path / "run")
    events = list(run.events())
    losses = {k for k in events[0] if k.startswith("train_")}
    assert losses == {f"train_discriminator/{n}" for n in ("loss", "real", "fake")} | {"train_generator/loss"}
    distances = [e["val_Frechet distance"] for e in events]
    assert min(distances) < 0.6 * distances[0]
    score = run.results.scores["Frechet distance"]
    assert score.low < score.value < score.high
    assert "those of the data are left aside" in " ".join(run.record.decisions.values())

    noise = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 1), dtype=np.uint8)
    drawn = np.array([outcome.row["pixels"] for outcome in sl.load(tmp_path / "run").predict(noise)])
    assert drawn.shape == (40, 64)
    assert np.unique(drawn, axis=0).shape[0] == 40
    edge, middle = drawn.reshape(-1, 8, 8)[:, :, 0].mean(), drawn.reshape(-1, 8, 8)[:, 2:6, 3:5].mean()
    assert edge < 0.1 < 0.3 < middle  # as digits are
    again = sl.evaluate(str(tmp_path / "run"), out=tmp_path / "report.html")
    assert again.scores["Frechet distance"].value == pytest.approx(score.value)


def test_a_teacher_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--probe True has no effect: model 'dcgan' is trained in turns"):
        sl.train("digits", task="drawing", probe=True, out=tmp_path / "run")
