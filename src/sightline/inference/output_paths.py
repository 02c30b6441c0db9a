"""Output files for images, in the folder structure of the inputs; the output folder must be new or empty."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from sightline.errors import UsageError
from sightline.inference.input_item import MARK
from sightline.inference.sources import Sources


class Places:
    """Where files about images go: about "a/1.jpg" in "a/1.png", or "a/1.jpg.png" beside "a/1.bmp".

    Args:
        out: The folder, new or empty; it is made.
        sources: What is predicted.

    Raises:
        UsageError: If something is in the folder, or it is a file.
    """

    def __init__(self, out: Path, sources: Sources) -> None:
        _fresh(out)
        self.out = out
        names = (sources.name(file) for file in sources.all_files)
        self._stems = Counter(str(PurePosixPath(name).with_suffix("")).casefold() for name in names)

    def file(self, name: str, ending: str, inside: str = "") -> Path:
        """The file about an image or film; its folder is made.

        Args:
            name: Of the image below the folder of all, as `Input.name`.
            ending: What follows the name without its own ending.
            inside: A folder of `out` that it lies in.
        """
        bare = PurePosixPath(name).with_suffix("")
        whole = self._stems[str(bare).casefold()] > 1 or MARK.search(name)
        file = self.out / inside / (f"{name}{ending}" if whole else f"{bare}{ending}")
        file.parent.mkdir(parents=True, exist_ok=True)
        return file


@contextmanager
def add_file_name(out: Path | None) -> Iterator[None]:
    """Add the file name to an error of the system: a full disk does not name it."""
    try:
        yield
    except OSError as error:
        if error.filename is None and out is not None:
            error.filename = str(out)
        raise


def _fresh(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file, and a folder is wanted. Name another one.")
    if out.exists() and any(out.iterdir()):
        raise UsageError(
            f"The folder {out} is not empty: what is written now would be mixed with what lies there. Name a "
            "new folder, or empty this one first."
        )
    out.mkdir(parents=True, exist_ok=True)
