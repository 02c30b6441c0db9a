"""What all benchmarks share: where the data lie, the machine, and how results are written."""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from pathlib import Path
from typing import Any

import psutil
import torch


def arguments(description: str, *, data: str | None = None, **more: Any) -> argparse.Namespace:
    """--data and --json, and whatever else is named (name=default)."""
    parser = argparse.ArgumentParser(description=description)
    root = os.environ.get("SIGHTLINE_DATA")
    if data is not None:
        parser.add_argument("--data", type=Path, default=Path(root) / data if root else None)
    parser.add_argument("--json", type=Path)
    for name, default in more.items():
        kind = type(default) if default is not None else str
        if kind is bool:
            parser.add_argument(f"--{name.replace('_', '-')}", action="store_true")
        else:
            parser.add_argument(f"--{name.replace('_', '-')}", type=kind, default=default)
    args = parser.parse_args()
    if data is not None and args.data is None:
        parser.error(f"--data FOLDER (of {data}) or SIGHTLINE_DATA is needed")
    return args


def machine() -> dict[str, Any]:
    """Where a number was measured."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "")
    return {
        "processor": model or platform.processor(),
        "cores": psutil.cpu_count(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "date": time.strftime("%Y-%m-%d"),
    }


def report(name: str, results: dict[str, Any], file: Path | None) -> None:
    """Print the results and write them as JSON."""
    whole = {"benchmark": name, "machine": machine(), **results}
    text = json.dumps(whole, indent=1, default=str)
    print(text)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n", encoding="utf-8")
