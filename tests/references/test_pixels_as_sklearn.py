"""Our metrics of class maps against scikit-learn's on all pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from sightline.core.targets.masks import IGNORE_INDEX, SemanticMasks
from sightline.metrics import METRICS
from sightline.metrics.pixels import confusion


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), classes=st.integers(1, 6), images=st.integers(1, 5))
def test_all_pixels_at_once(seed: int, classes: int, images: int) -> None:
    rng = np.random.default_rng(seed)
    shapes = [tuple(rng.integers(2, 9, 2)) for _ in range(images)]
    target = [np.where(rng.random(s) < 0.1, IGNORE_INDEX, rng.integers(0, classes, s)) for s in shapes]
    target[0][0, 0] = 0
    outputs = [np.where(rng.random(s) < 0.4, rng.integers(0, classes + 1, s), t % IGNORE_INDEX)
            for s, t in zip(shapes, target, strict=True)]  # fmt: skip
    y, p = (np.concatenate([m.ravel() for m in maps]) for maps in (target, outputs))
    y, p = y[y != IGNORE_INDEX], p[y != IGNORE_INDEX]
    present = np.unique(y)
    expected = {
        "miou": sk.jaccard_score(y, p, labels=present, average="macro"),
        "dice-score": sk.f1_score(y, p, labels=present, average="macro"),
        "pixel-accuracy": sk.accuracy_score(y, p),
        "class-accuracy": sk.recall_score(y, p, labels=present, average="macro"),
    }
    for name, value in expected.items():
        metric = METRICS.load(name).METRIC()
        for a, b in zip(outputs, target, strict=True):
            metric.update(SemanticMasks.of([a]), SemanticMasks.of([b]))
        assert metric.compute() == pytest.approx(value), name
    counts = confusion(SemanticMasks.of(outputs), SemanticMasks.of(target), classes + 1)
    assert np.array_equal(counts, sk.confusion_matrix(y, p, labels=np.arange(classes + 1)))
