"""The simulated detectors of benchmarks/coverage.py are what its table takes them for."""

from __future__ import annotations

import pytest
from benchmarks import coverage


@pytest.mark.parametrize(("case", "low", "high"), [("boxes, easy", 0.5, 0.7), ("boxes, hard", 0.3, 0.5)])
def test_simulated_detectors_are_equally_good(
    case: str, low: float, high: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coverage, "POPULATION", 3000)
    one, two, truth = coverage.CASES[case]()
    (metric,) = coverage.metrics_for(truth, None)
    assert metric.card.name == "mAP50"
    a, b = metric.per_image(one, truth), metric.per_image(two, truth)
    assert low < metric.value(a) < high
    assert metric.value(a) == pytest.approx(metric.value(b), abs=0.02)
    row = coverage.coverage(metric, a, 100, 20, bootstrap=False)
    assert row["coverage"] > 0.6
    assert 0 < row["width"] < 0.3
    assert row["not defined"] == 0
