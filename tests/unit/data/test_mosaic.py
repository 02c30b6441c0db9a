"""Four images in one: the objects go where their pixels go."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sightline.core.sample import Batch
from sightline.core.targets.instances import Instances
from sightline.data.transforms.mosaic import mixup_boxes, mosaic, multiscale_resize


def drawn(n: int = 6, height: int = 96, width: int = 128, seed: int = 0) -> Batch:
    """One bright block in each image; the class is its number."""
    rng = np.random.default_rng(seed)
    images, boxes = torch.zeros(n, 3, height, width, dtype=torch.uint8), []
    for i, image in enumerate(images):
        x1, y1 = int(rng.integers(0, width - 40)), int(rng.integers(0, height - 40))
        x2, y2 = x1 + int(rng.integers(24, 40)), y1 + int(rng.integers(24, 40))
        image[:, y1:y2, x1:x2] = 40 * (i + 1)
        boxes.append([x1, y1, x2, y2])
    target = Instances(torch.ones(n, dtype=torch.int64), torch.tensor([[height, width]] * n),
                      torch.tensor(boxes).float(), torch.arange(n))  # fmt: skip
    return Batch(images, target, [str(i) for i in range(n)])


@pytest.mark.parametrize("seed", range(6))
def test_boxes_of_a_mosaic_hold_their_objects(seed: int) -> None:
    batch = drawn(seed=seed)
    result = mosaic(1.0)(batch, torch.Generator().manual_seed(seed))
    target: Instances = result.targets
    assert target.counts.sum() >= len(batch)
    for box, label, image in zip(target.boxes, target.labels.tolist(), target.image.tolist(), strict=True):
        x1, y1, x2, y2 = box.round().int().tolist()
        inside = result.images[image, 0, y1 + 1 : y2 - 1, x1 + 1 : x2 - 1].float()
        if inside.numel():
            assert (inside - 40 * (label + 1)).abs().mean() < 12
    # Whatever is bright lies in a box, but for cut remains that are too small to name.
    for i, image in enumerate(result.images[:, 0]):
        left = image.clone()
        for box in target[i].boxes:
            x1, y1, x2, y2 = box.round().int().tolist()
            left[max(y1 - 2, 0) : y2 + 2, max(x1 - 2, 0) : x2 + 2] = 0
        assert (left > 20).float().mean() < 0.02


def test_images_that_are_not_chosen_stay() -> None:
    batch = drawn()
    result = mosaic(0.0)(batch, torch.Generator().manual_seed(0))
    assert torch.equal(result.images, batch.images)
    half = mosaic(0.5)(batch, torch.Generator().manual_seed(0))
    same = [i for i in range(6) if torch.equal(half.images[i], batch.images[i])]
    assert 0 < len(same) < 6
    for i in same:
        assert half.targets[i].to_json() == batch.targets[i].to_json()


def test_another_size_moves_boxes_along() -> None:
    batch = drawn()
    for seed in range(5):
        result = multiscale_resize(0.5, 32)(batch, torch.Generator().manual_seed(seed))
        height, width = result.images.shape[-2:]
        assert height % 32 == width % 32 == 0
        scale = torch.tensor([width / 128, height / 96]).repeat(2)
        assert torch.allclose(result.targets.boxes, batch.targets.boxes * scale, atol=1e-3)


def test_blended_images_have_the_objects_of_both() -> None:
    batch = drawn()
    result = mixup_boxes(1.0)(batch, torch.Generator().manual_seed(1))
    assert result.targets.counts.tolist() == [2] * 6
    for i in range(6):
        labels, boxes = result.targets[i].labels.tolist(), result.targets[i].boxes.int().tolist()
        assert labels[0] == i
        for label, (x1, y1, x2, y2) in zip(labels, boxes, strict=True):
            assert result.images[i, 0, y1:y2, x1:x2].float().min() >= 0.4 * 40 * (label + 1) - 1
    assert torch.equal(batch.images, drawn().images)
