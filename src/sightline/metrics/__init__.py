"""Metrics, one file each with a class METRIC; confidence intervals and paired comparison over all of them."""

from __future__ import annotations

from sightline.core.folder import Folder

METRICS = Folder(
    "sightline.metrics",
    "metric",
    exclude=("functional", "intervals", "compare", "calibration", "detections", "mistakes", "pixels"),
)
