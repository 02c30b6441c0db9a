"""Our metrics of class maps against scikit-learn's on all pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from sightline.core.targets.masks import VOID, Masks
from sightline.metrics import METRICS
from sightline.metrics.pixels import confusion


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), classes=st.integers(1, 6), images=st.integers(1, 5))
def test_all_pixels_at_once(seed: int, classes: int, images: int) -> None:
    rng = np.random.default_rng(seed)
    shapes = [tuple(rng.integers(2, 9, 2)) for _ in range(images)]
    truth = [np.where(rng.random(s) < 0.1, VOID, rng.integers(0, classes, s)) for s in shapes]
    truth[0][0, 0] = 0
    said = [np.where(rng.random(s) < 0.4, rng.integers(0, classes + 1, s), t % VOID)
            for s, t in zip(shapes, truth, strict=True)]  # fmt: skip
    y, p = (np.concatenate([m.ravel() for m in maps]) for maps in (truth, said))
    y, p = y[y != VOID], p[y != VOID]
    there = np.unique(y)
    expected = {
        "miou": sk.jaccard_score(y, p, labels=there, average="macro"),
        "dice-score": sk.f1_score(y, p, labels=there, average="macro"),
        "pixel-accuracy": sk.accuracy_score(y, p),
        "class-accuracy": sk.recall_score(y, p, labels=there, average="macro"),
    }
    for name, value in expected.items():
        metric = METRICS.load(name).METRIC()
        for a, b in zip(said, truth, strict=True):
            metric.update(Masks.of([a]), Masks.of([b]))
        assert metric.compute() == pytest.approx(value), name
    counts = confusion(Masks.of(said), Masks.of(truth), classes + 1)
    assert np.array_equal(counts, sk.confusion_matrix(y, p, labels=np.arange(classes + 1)))
