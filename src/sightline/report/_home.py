"""Import matplotlib without writing to the user's home folder."""

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
    """Use a temporary folder for matplotlib's configuration and font cache during its import.

    Existing folders are used as they are: with thousands of fonts, the font list takes seconds to build.
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
    """Folders where matplotlib keeps its files."""
    home = Path.home()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    return [cache / "matplotlib", home / ".matplotlib"]
