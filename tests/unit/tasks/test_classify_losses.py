"""What training minimises with each pair of its options, against the same worked out image by image."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from sightline.core.sample import Batch
from sightline.core.targets.label import ClassLabels
from sightline.models.linear_probe import multilabel_head
from sightline.tasks.classify.models.net import Net

LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.0, 0.3, -2.0], [1.0, 1.5, 0.0], [-1.0, 0.0, 3.0]])
TRUTH = torch.tensor([0, 2, 1, 1])
SOFT = torch.tensor([[0.7, 0.3, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [0.5, 0.5, 0.0]])
LABELS = torch.tensor(
    [[True, False, False], [False, False, True], [True, True, False], [False, False, False]]
)

pairs = pytest.mark.parametrize(
    ("weights", "smoothing", "mixed"),
    list(itertools.product(([1.0, 1.0, 1.0], [0.2, 1.0, 9.0]), (0.0, 0.1), (False, True))),
)


def network(multi: bool, weights: list[float], smoothing: float) -> Net:
    settings = {
        "backbone": "mlp", "backbone_options": {}, "classes": ["a", "b", "c"], "class_ids": [0, 1, 2],
        "channels": 3, "size": [4, 4], "mean": [0.5] * 3, "std": [0.25] * 3, "multilabel": multi,
        "class_weights": weights, "label_smoothing": smoothing, "temperature": 1.0,
    }  # fmt: skip
    return Net(settings).train()


def loss(model: Net, target: ClassLabels) -> float:
    batch = Batch(torch.zeros(4, 3, 4, 4), target, list("abcd"))
    return float(model.loss(batch, torch.Generator(), outputs={"logits": LOGITS})["loss"])


@pairs
def test_one_label(weights: list[float], smoothing: float, mixed: bool) -> None:
    """A mixed image is its two images by their shares; an image counts with the weight of its true class."""
    shares = SOFT if mixed else torch.nn.functional.one_hot(TRUTH, 3)
    total = weight = 0.0
    for row, share in zip(LOGITS.tolist(), shares.tolist(), strict=True):
        log_p = [v - math.log(sum(map(math.exp, row))) for v in row]
        for k, part in enumerate(share):
            spread = -sum(log_p) / 3
            total += part * weights[k] * ((1 - smoothing) * -log_p[k] + smoothing * spread)
            weight += part * weights[k]
    target = ClassLabels(TRUTH, SOFT if mixed else None)
    assert loss(network(False, weights, smoothing), target) == pytest.approx(total / weight, rel=1e-5)


@pairs
def test_several_labels(weights: list[float], smoothing: float, mixed: bool) -> None:
    shares = SOFT if mixed else LABELS.float()
    total = 0.0
    for row, share in zip(LOGITS.tolist(), shares.tolist(), strict=True):
        for k, (value, part) in enumerate(zip(row, share, strict=True)):
            goal = part * (1 - smoothing) + smoothing / 2
            yes = 1 / (1 + math.exp(-value))
            total -= weights[k] * (goal * math.log(yes) + (1 - goal) * math.log(1 - yes))
    target = ClassLabels(LABELS, SOFT if mixed else None)
    assert loss(network(True, weights, smoothing), target) == pytest.approx(
        total / 4 / sum(weights), rel=1e-5
    )


def test_smoothing_does_not_make_the_rare_class_the_best_answer() -> None:
    """19 images of one class and one of another that look alike: with balanced weights both are even odds."""
    target = torch.tensor([0] * 19 + [1])
    model = network(False, [20 / 38, 10.0, 1.0], 0.2)
    logits = torch.zeros(20, 3, requires_grad=True)
    batch = Batch(torch.zeros(20, 3, 4, 4), ClassLabels(target), [str(i) for i in range(20)])
    model.loss(batch, torch.Generator(), outputs={"logits": logits})["loss"].backward()
    assert logits.grad is not None
    pull = logits.grad.sum(0)
    assert pull[0].item() == pytest.approx(pull[1].item(), abs=1e-6)


def test_class_weights_reach_the_fitted_head_of_several_labels() -> None:
    """The label with the greater weight may be fitted more closely: its penalty is as much weaker."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 5))
    y = np.stack([x[:, 0] + rng.normal(size=60) > 0, x[:, 1] + rng.normal(size=60) > 0], 1)
    alike = multilabel_head(x, y, x, y, [1.0, 1.0])
    apart = multilabel_head(x, y, x, y, [0.1, 1.9])
    assert alike.penalty == apart.penalty
    assert np.linalg.norm(apart.weight[1]) > np.linalg.norm(alike.weight[1])
    assert np.linalg.norm(apart.weight[0]) < np.linalg.norm(alike.weight[0])
    assert np.array_equal(multilabel_head(x, y, x, y, [3.0, 3.0]).weight, alike.weight)
