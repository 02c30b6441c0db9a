"""An image-to-image model with nothing to train costs one task folder and a kind of target."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from torch.nn.functional import interpolate

import sightline as sl
from sightline.core.targets import target_type
from sightline.data.io.encode import encode_png
from sightline.data.io.images import decode
from sightline.data.open import open_data
from sightline.errors import UsageError
from tests.contracts import test_targets as promises

pytestmark = pytest.mark.usefixtures("plugins")


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.square(a.astype(float) - b.astype(float)).mean()))


@pytest.mark.parametrize("promise", [
    promises.test_a_kind_says_the_same_of_itself_in_both,
    promises.test_indexing_chooses_and_cat_is_its_inverse,
    promises.test_moving_nowhere_changes_nothing_and_back_is_the_inverse,
    promises.test_other_images_differ_and_an_image_does_not_differ_from_itself,
])  # fmt: skip
def test_the_kind_keeps_the_promises_of_all_kinds(promise: object) -> None:
    promise("image")  # type: ignore[operator]


def test_images_are_enlarged_scored_written_and_exported(tmp_path: Path) -> None:
    run = sl.train("shapes:60", task="upscale", out=tmp_path / "run")
    assert run.record.model_config.to_json()["size"] == [32, 32], "half of what is stored"
    score = run.results.scores["PSNR"]
    assert score.low < score.value < score.high
    assert sl.evaluate(run.path, out=tmp_path / "page.html").scores["PSNR"].value == score.value

    whole = open_data("shapes:1").pixels.read(0)
    half = whole.reshape(32, 2, 32, 2, 3).mean((1, 3)).round().astype(np.uint8)
    (tmp_path / "half.png").write_bytes(encode_png(half))
    sl.predict(run.path, [str(tmp_path / "half.png")], out=tmp_path / "large")
    written = decode(tmp_path / "large" / "half.png")
    assert written.shape == (64, 64, 3)
    repeated = half.repeat(2, 0).repeat(2, 1)
    assert psnr(written, whole) > psnr(repeated, whole), "better than pixels that are repeated"

    from sightline.runtime.session import Session

    exported = sl.export(run.path, to="onnx")
    (answer,) = Session(exported.file).predict([tmp_path / "half.png"])
    assert np.abs(answer.prediction.pixels.astype(int) - written).max() <= 1


def test_an_image_of_another_size_is_enlarged_to_twice_its_own(tmp_path: Path) -> None:
    run = sl.train("shapes:20", task="upscale", out=tmp_path / "run")
    (outcome,) = sl.load(run.path).predict(np.full((16, 48, 3), 90, np.uint8))
    assert (outcome.row["height"], outcome.row["width"]) == (32, 96)
    assert outcome.row["brightness"] == 90


def test_a_target_is_turned_with_its_image() -> None:
    import torch

    from sightline.core.sample import Batch
    from sightline.data.transforms.flips import flips

    images = torch.randint(0, 256, (8, 3, 6, 6), dtype=torch.uint8)
    large = interpolate(images, scale_factor=2)
    batch = Batch(images, target_type("image").of(large, times=2), [str(i) for i in range(8)])
    turned = flips((0, 1), 2)(batch, torch.Generator().manual_seed(1))
    assert not torch.equal(turned.images, images)
    assert torch.equal(turned.targets.dense(), interpolate(turned.images, scale_factor=2))


def test_epochs_would_have_no_effect(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--epochs 3 has no effect: model 'bicubic' has nothing to train"):
        sl.train("shapes:20", task="upscale", epochs=3, out=tmp_path / "run")
