"""The home folder of a user is not written to by drawing."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PLACE = "MPLCONFIGDIR"


@contextmanager
def nothing_at_home() -> Iterator[None]:
    """While matplotlib is imported here, its folders and its list of fonts go to a place that is deleted.

    Who has them already keeps their use: with thousands of fonts the list takes seconds to make.
    """
    if _PLACE in os.environ or "matplotlib" in sys.modules or any(p.exists() for p in _usual()):
        yield
        return
    with tempfile.TemporaryDirectory(prefix="sightline-", ignore_cleanup_errors=True) as folder:
        os.environ[_PLACE] = folder
        try:
            yield
        finally:
            del os.environ[_PLACE]


def _usual() -> list[Path]:
    """Where matplotlib keeps its files."""
    home = Path.home()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    return [cache / "matplotlib", home / ".matplotlib"]
