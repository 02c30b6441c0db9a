"""Prometheus metrics (text exposition format 0.0.4), without a client library."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_BATCH = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)

COUNTERS = {
    "sightline_requests_total": "Requests that were answered, by path, method and status.",
    "sightline_refused_total": "Requests and images that were refused, by reason.",
    "sightline_images_total": "Images that were answered, by model and status.",
    "sightline_worker_restarts_total": "Worker processes that were replaced, by model and reason.",
}
HISTOGRAMS = {
    "sightline_request_seconds": ("From the first byte of a request to the last of its answer.", _SECONDS),
    "sightline_predict_seconds": ("Time of a batch in a worker: decoding, model, answers.", _SECONDS),
    "sightline_batch_size": ("Images in a batch.", _BATCH),
}
GAUGES = {
    "sightline_queue_length": "Images that wait.",
    "sightline_workers_ready": "Worker processes that can predict.",
    "sightline_resident_bytes": "Memory of the process that speaks HTTP.",
}

_Labels = tuple[tuple[str, str], ...]


class Metrics:
    """Counters, histograms and gauges, by the names in COUNTERS, HISTOGRAMS and GAUGES."""

    def __init__(self) -> None:
        self._counts: dict[str, dict[_Labels, float]] = {name: defaultdict(float) for name in COUNTERS}
        self._seen: dict[str, dict[_Labels, list[float]]] = {name: {} for name in HISTOGRAMS}
        self._gauges: dict[str, dict[_Labels, Callable[[], float]]] = {name: {} for name in GAUGES}
        self.gauge("sightline_resident_bytes", resident)

    def count(self, name: str, by: float = 1, **labels: str) -> None:
        """Add to a counter."""
        self._counts[name][tuple(labels.items())] += by

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Add a value to a histogram."""
        buckets = HISTOGRAMS[name][1]
        counts = self._seen[name].setdefault(tuple(labels.items()), [0.0] * (len(buckets) + 2))
        counts[bisect_left(buckets, value)] += 1
        counts[-1] += value

    def gauge(self, name: str, value: Callable[[], float], **labels: str) -> None:
        """Register a function that returns the current value of a gauge."""
        self._gauges[name][tuple(labels.items())] = value

    def compute_from(self, name: str, **labels: str) -> float:
        """Current value of a counter, for exactly these labels."""
        return self._counts[name].get(tuple(labels.items()), 0.0)

    def text(self) -> str:
        """All metrics in the text format."""
        lines: list[str] = []
        for name, help_text in COUNTERS.items():
            lines += [f"# HELP {name} {help_text}", f"# TYPE {name} counter"]
            lines += [f"{name}{_braced(labels)} {n:g}" for labels, n in self._counts[name].items()]
        for name, help_text in GAUGES.items():
            lines += [f"# HELP {name} {help_text}", f"# TYPE {name} gauge"]
            lines += [f"{name}{_braced(labels)} {read():.0f}" for labels, read in self._gauges[name].items()]
        for name, (help_text, buckets) in HISTOGRAMS.items():
            lines += [f"# HELP {name} {help_text}", f"# TYPE {name} histogram"]
            for labels, counts in self._seen[name].items():
                lines += _histogram(name, labels, buckets, counts)
        return "\n".join(lines) + "\n"


def _histogram(name: str, labels: _Labels, buckets: tuple[float, ...], counts: list[float]) -> list[str]:
    total, lines = 0.0, []
    for edge, n in zip((*map(str, buckets), "+Inf"), counts, strict=False):
        total += n
        lines.append(f"{name}_bucket{_braced((*labels, ('le', edge)))} {total:.0f}")
    return [
        *lines,
        f"{name}_sum{_braced(labels)} {counts[-1]:.9g}",
        f"{name}_count{_braced(labels)} {total:.0f}",
    ]


def _braced(labels: _Labels) -> str:
    def escaped(text: str) -> str:
        return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")

    return "{" + ",".join(f'{k}="{escaped(v)}"' for k, v in labels) + "}" if labels else ""


def resident() -> float:
    """Resident memory of this process in bytes; 0 where the system does not report it (no /proc)."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError, ValueError):
        return 0.0
    import resource

    return float(pages * resource.getpagesize())
