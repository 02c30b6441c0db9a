"""The simulated detectors of benchmarks/coverage.py are what its table takes them for."""

from __future__ import annotations

import pytest
from benchmarks import coverage


@pytest.mark.parametrize(("case", "low", "high"), [("boxes, easy", 0.5, 0.7), ("boxes, hard", 0.3, 0.5)])
def test_simulated_detectors_are_equally_good(
    case: str, low: float, high: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coverage, "POPULATION", 3000)
    first, second, target = coverage.CASES[case]()
    (metric,) = coverage.metrics_for(target, None)
    assert metric.card.name == "mAP50"
    a, b = metric.sample_statistics(first, target), metric.sample_statistics(second, target)
    assert low < metric.compute_from(a) < high
    assert metric.compute_from(a) == pytest.approx(metric.compute_from(b), abs=0.02)
    row = coverage.coverage(metric, a, 100, 20, bootstrap=False)
    assert row["coverage"] > 0.6
    assert 0 < row["width"] < 0.3
    assert row["not defined"] == 0
