"""Disable usage reporting of libraries, before any of them is imported.

It is done by environment variables, so that child processes follow it too. A variable that the user has
set is not changed. The light runtime has this file as well.
"""

from __future__ import annotations

import os
import sys

OFF = {
    # ONNX Runtime from 1.28 on keeps a number of the machine and a store of events in the home folder and
    # sends them. Both are made when it is imported, before its own call against it can be heard.
    "ORT_DISABLE_TELEMETRY": "1",
    "ORT_TELEMETRY_DISABLED": "1",  # the name in some of its versions
    "NNCF_CI": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "HF_HUB_DISABLE_TELEMETRY": "1",  # read once, when it is imported (timm does so)
}
"""Variable to the value that switches reports off."""
REPORTERS = ("openvino_telemetry",)
"""Packages that do nothing but report, for others that do without them."""


def be_quiet() -> None:
    """Switch the reports of all libraries off, for this process and those that it starts."""
    for name, value in OFF.items():
        os.environ.setdefault(name, value)


def without_reporters() -> None:
    """Have packages that do nothing but report taken for not installed, where they were not imported before.

    OpenVINO has no other switch for one process: it reports its import to Google Analytics, and writes a
    number of the user into the home folder.
    """
    for name in REPORTERS:
        # None is how Python says "not there".
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]
