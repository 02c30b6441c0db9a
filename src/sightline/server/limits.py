"""Limits of the server, and parsing of sizes and durations."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from sightline.config import Range
from sightline.errors import UsageError

Count = Annotated[int, Range(1)]

_BYTES = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
_SECONDS = {"": 1.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "min": 60.0}


def size_of(text: str | int, option: str) -> int:
    """Parse a size in bytes: 20MB, 512KiB, 1000000.

    Raises:
        UsageError: If it is none of these.
    """
    return int(_measure(str(text), _BYTES, option, "a size such as 20MB or 512KiB"))


def seconds_of(text: str | float, option: str) -> float:
    """Parse a duration in seconds: 30s, 5ms, 0.5.

    Raises:
        UsageError: If it is none of these.
    """
    return _measure(str(text), _SECONDS, option, "a time such as 30s or 5ms")


def _measure(text: str, units: dict[str, float] | dict[str, int], option: str, wanted: str) -> float:
    match = re.fullmatch(r"\s*(\d+(?:\.\d*)?)\s*([a-z]*)\s*", text.lower())
    if match is None or match[2] not in units:
        raise UsageError(f"{option} must be {wanted}. Received '{text}'.")
    return float(match[1]) * units[match[2]]


MAX_BODY, TIMEOUT, WAIT = "20MB", "30s", "5ms"
"""What holds where nothing else is asked for, as people write it."""
_MAX_BODY = size_of(MAX_BODY, "--max-body")
_TIMEOUT, _WAIT = seconds_of(TIMEOUT, "--timeout"), seconds_of(WAIT, "--batch-timeout")


@dataclass(frozen=True)
class Limits:
    """Limits of one request, and of all requests together.

    Attributes:
        max_body: Bytes of a request.
        max_images: Images in a request.
        timeout: Seconds to receive a request; again that long to wait, and again to be predicted.
        queue: Images that wait for each model; more are refused at once.
        batch: Maximum batch size.
        wait: Seconds that an image waits for others to fill its batch.
        workers: Worker processes of each model.
        threads: Threads of each process; 0 for the cores divided among all processes.
        max_pixels: Largest image that is decoded.
    """

    max_body: Count = _MAX_BODY
    max_images: Count = 16
    timeout: Annotated[float, Range(0, above=True)] = _TIMEOUT
    queue: Count = 64
    batch: Count = 8
    wait: Annotated[float, Range(0)] = _WAIT
    workers: Count = 1
    threads: Annotated[int, Range(0)] = 0
    max_pixels: Count = 2**25

    @property
    def held(self) -> int:
        """Maximum bytes of all request bodies in memory at once; further requests are refused meanwhile."""
        return 8 * self.max_body


def origins_of(given: Sequence[str]) -> tuple[str, ...]:
    """Normalize allowed origins: lower case scheme, host, and port if it is not the default.

    Raises:
        UsageError: If one is none.
    """
    origins = []
    for text in [given] if isinstance(given, str) else given:
        parts = re.fullmatch(r"https?://[^/\s?#@*]+", text.lower())
        if parts is None:
            raise UsageError(
                f"--allow-origin is scheme and host of a page, such as https://shop.example, without a path; "
                f"several by giving it again. Received '{text}'."
            )
        origins.append(parts[0])
    return tuple(origins)
