"""Metrics: a file with a class METRIC each, or with a family in METRICS; intervals and paired tests."""

from __future__ import annotations

from sightline.core.folder import Folder

METRICS = Folder(
    "sightline.metrics",
    "metric",
    exclude=("functional", "intervals", "compare", "calibration", "detections", "mistakes", "pixels"),
    table="METRICS",
)
