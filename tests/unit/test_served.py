"""What is attacked is what is served: resizing and normalization lie inside, on every way to the input."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from sightline.audits import robust
from sightline.audits._budget import Budget
from sightline.audits._case import Part
from sightline.audits._planted import with_model
from sightline.audits._served import PIXELS, Served
from sightline.core.targets.label import ClassLabels


def brightest(images: Tensor) -> Tensor:
    """Three logits of (B, C, H, W) images: of the left, the middle and the right part, far from linear."""
    parts = images.mean(1).tensor_split(3, 2)
    return torch.stack([30 * (part**2).mean((1, 2)) for part in parts], 1)


def case_of(stored: tuple[int, ...], resize: str, channels: int, n: int = 8) -> Any:
    images = np.random.default_rng(0).integers(0, 256, (n, *stored), dtype=np.uint8)
    case = with_model(images, np.zeros(n, dtype=np.int64), brightest)
    for settings in {id(s): s for s in (case.settings, case.model.settings)}.values():
        settings |= {
            "resize": resize,
            "channels": channels,
            "mean": [0.5] * channels,
            "std": [0.25] * channels,
        }
    case.model.mean, case.model.std = case.model.mean[:, :channels], case.model.std[:, :channels]
    return case


@pytest.mark.parametrize("resize", ["stretch", "crop", "letterbox"])
@pytest.mark.parametrize(("stored", "channels"), [((40, 25, 3), 3), ((11, 30, 3), 1), ((16, 16, 1), 3)])
def test_the_attacked_function_is_the_served_one(stored: tuple[int, ...], resize: str, channels: int) -> None:
    case = case_of(stored, resize, channels)
    served = Served(case)
    images = torch.from_numpy(np.stack([served.read(case.part, i) for i in range(8)])).movedim(-1, 1)
    assert images.shape[2:] == stored[:2]
    attacked = served.victim(images.float() / 255).softmax(1)
    assert float((attacked - case.part.prediction.scores).abs().max()) < 0.02  # rounding to 8 bits in between
    assert torch.equal(served.classes(images), case.part.prediction.value)
    gradient = served.victim.gradient(images.float() / 255, served.classes(images), lambda x, y: x[:, 0])[2]
    assert bool((gradient != 0).any())


def test_a_large_image_is_attacked_at_the_size_of_the_input() -> None:
    case = case_of((600, 500, 3), "stretch", 3, n=1)
    assert PIXELS < 600 * 500
    assert Served(case).read(case.part, 0).shape == (16, 16, 3)


def test_several_labels_an_image_are_not_attacked() -> None:
    case = robust.clean(0)
    labels = ClassLabels(torch.ones(len(case.part), 3, dtype=torch.bool))
    case.part = Part("val", replace(case.part.dataset, targets=labels), labels)
    verdict = robust.run(case, Budget(100))
    assert verdict.level == "skipped"
    assert "several classes an image" in verdict.sentence


def test_a_model_without_gradients_is_attacked_by_the_black_box_alone() -> None:
    case = robust.plant(0)
    model: Any = case.model
    rule = model.rule
    model.rule = lambda images: rule(images).detach()
    verdict = robust.run(case, Budget(20))
    assert robust.UPPER in verdict.sentence
    assert "robust.pgd" not in verdict.scores
    assert not verdict.settings["gradients"]
    assert verdict.level == "broken"
    assert verdict.scores["robust.best"].value < 0.1
