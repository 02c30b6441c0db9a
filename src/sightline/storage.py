"""Files with tensors and without code, written atomically.

A checkpoint is a folder: safetensors files, `state.json`, and last `manifest.json` with their digests.
It is written under a temporary name, flushed and renamed. Without a valid manifest it is ignored.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from sightline.errors import DataError, SightlineError

MANIFEST = "manifest.json"


def _sync(path: Path) -> None:
    """Have the disk hold what was written (files and folders)."""
    if os.name == "nt" and path.is_dir():
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A temporary name beside a file; what is written there becomes the file, whole or not at all.

    Raises:
        SightlineError: If the disk refuses; the old file is untouched.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        _sync(temporary)
        temporary.replace(path)
        _sync(path.parent)
    except (OSError, SafetensorError) as error:
        temporary.unlink(missing_ok=True)
        reason = getattr(error, "strerror", None) or error
        raise SightlineError(f"{path} could not be written: {reason}.") from error


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all.

    Raises:
        SightlineError: If the disk refuses; the old file is untouched.
    """
    with whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, data: Any) -> None:
    """Write JSON whole or not at all; nan and infinities become null."""
    write_text(path, json.dumps(finite(data), indent=1, ensure_ascii=False, default=str) + "\n")


def finite(data: Any) -> Any:
    """A JSON-able copy; nan and infinities become null."""
    if isinstance(data, float):
        return data if abs(data) < float("inf") else None
    if isinstance(data, Mapping):
        return {str(k): finite(v) for k, v in data.items()}
    if isinstance(data, list | tuple):
        return [finite(v) for v in data]
    return data


def save(folder: Path, tensors: Mapping[str, Mapping[str, Tensor]], state: Any) -> None:
    """Write a checkpoint folder.

    Args:
        folder: Where; must not exist.
        tensors: File stem to its tensors ("model" becomes model.safetensors).
        state: Anything JSON can say.

    Raises:
        SightlineError: If the disk refuses; nothing is left under `folder` then.
    """
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        digests = {}
        for stem, named in tensors.items():
            file = temporary / f"{stem}.safetensors"
            _save(file, named)
            digests[file.name] = digest(file)
        (temporary / "state.json").write_text(json.dumps(state))
        digests["state.json"] = digest(temporary / "state.json")
        (temporary / MANIFEST).write_text(json.dumps(digests))
        for file in temporary.iterdir():
            _sync(file)
        _sync(temporary)
        temporary.rename(folder)
        _sync(folder.parent)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise SightlineError(
            f"{folder} could not be written: {error}. Earlier checkpoints are untouched; "
            "make room or choose another place, and resume."
        ) from error


def digest(file: Path) -> str:
    """SHA-256 of the bytes of a file."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def valid(folder: Path) -> bool:
    """Whether a checkpoint folder is whole: a manifest, and every file as it says."""
    try:
        digests = json.loads((folder / MANIFEST).read_text())
        return bool(digests) and all(digest(folder / name) == d for name, d in digests.items())
    except (OSError, ValueError):
        return False


def load(folder: Path) -> tuple[dict[str, dict[str, Tensor]], Any]:
    """Tensors and state of a checkpoint folder.

    Raises:
        DataError: If it is not whole.
    """
    if not valid(folder):
        raise DataError(f"{folder} is not a whole checkpoint: a file is missing, cut short or changed.")
    tensors = {f.stem: load_file(f) for f in folder.glob("*.safetensors")}
    return tensors, json.loads((folder / "state.json").read_text())


def read_tensors(file: Path) -> dict[str, Tensor]:
    """Tensors of a .safetensors file.

    Raises:
        DataError: If it is something else (a pickle, say) or damaged.
    """
    if not file.is_file():
        raise DataError(f"{file}: there is no such file. Expected a .safetensors file.")
    with file.open("rb") as stream:
        head = stream.read(9)
    # Safetensors begin with the length of their header in eight bytes, which may look like anything, and "{".
    if head[8:9] != b"{" and (head[:2] == b"PK" or head[:1] == b"\x80"):
        raise DataError(
            f"{file} is a pickle, which can run code when it is loaded. Expected safetensors. "
            "If you trust it, convert it once with safetensors.torch.save_file."
        )
    try:
        return dict(load_file(file))
    except (SafetensorError, OSError, ValueError) as error:
        raise DataError(f"{file} is damaged or not safetensors: {error}") from error


def write_tensors(file: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write a .safetensors file atomically.

    Raises:
        SightlineError: If the disk refuses; the old file is untouched.
    """
    with whole(file) as temporary:
        _save(temporary, tensors)


def _save(file: Path, tensors: Mapping[str, Tensor]) -> None:
    save_file({name: value.detach().cpu().contiguous() for name, value in tensors.items()}, file)
