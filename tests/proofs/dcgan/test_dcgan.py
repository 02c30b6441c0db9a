"""Two networks that take turns cost one task folder: images like digits, drawn from noise, without labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sightline as sl
from sightline.errors import UsageError

pytestmark = pytest.mark.usefixtures("plugins")
BORROWS = ("bicubic",)  # the kind of target "image"


def test_it_learns_to_draw_and_draws_again_from_the_file(tmp_path: Path) -> None:
    run = sl.train("digits", task="drawing", epochs=10, out=tmp_path / "run")
    events = list(run.events())
    losses = {k for k in events[0] if k.startswith("train_")}
    assert losses == {f"train_discriminator/{n}" for n in ("loss", "real", "fake")} | {"train_generator/loss"}
    distances = [e["val_Frechet distance"] for e in events]
    assert min(distances) < 0.6 * distances[0]
    score = run.results.scores["Frechet distance"]
    assert score.low < score.value < score.high
    assert "those of the data are left aside" in " ".join(run.record.decisions.values())

    outcomes = list(sl.load(tmp_path / "run").predict("40"))
    drawn = np.stack([outcome.prediction.pixels[0][0].numpy() for outcome in outcomes])
    assert drawn.shape == (40, 8, 8)
    assert np.unique(drawn.reshape(40, -1), axis=0).shape[0] == 40
    assert drawn[:, :, 0].mean() < 25 < 75 < drawn[:, 2:6, 3:5].mean()  # as digits are
    sl.predict(tmp_path / "run", ["3"], out=tmp_path / "drawings")
    assert len(list((tmp_path / "drawings").glob("*.png"))) == 3
    again = sl.evaluate(str(tmp_path / "run"), out=tmp_path / "report.html")
    assert again.scores["Frechet distance"].value == pytest.approx(score.value)


def test_what_has_no_effect_in_turns_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--probe True has no effect: model 'dcgan' is trained in turns"):
        sl.train("digits", task="drawing", probe=True, out=tmp_path / "run")


@pytest.mark.parametrize("option", [{"size": 16}, {"resize": "crop"}, {"augment": "light"}, {"hflip": "yes"}])
def test_what_has_no_effect_on_noise_is_refused(option: dict[str, Any], tmp_path: Path) -> None:
    (name, value), *_ = option.items()
    with pytest.raises(UsageError, match=f"--{name} {value} has no effect: the task takes a draw of noise"):
        sl.train("digits", task="drawing", out=tmp_path / "run", **option)
    assert not (tmp_path / "run").exists()
