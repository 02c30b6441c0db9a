"""Metrics: each file has a class METRIC or a family METRICS; confidence intervals and paired comparison."""

from __future__ import annotations

from sightline.core.folder import Folder

METRICS = Folder(
    "sightline.metrics",
    "metric",
    exclude=("functional", "intervals", "compare", "calibration", "detections", "mistakes", "pixels"),
    table="METRICS",
)
