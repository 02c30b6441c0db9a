"""Exported files by their request names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sightline.errors import DataError, UsageError


def models(given: Sequence[str]) -> dict[str, Path]:
    """Exported files by the name that requests use: that of the file, or NAME in "NAME=FILE".

    Raises:
        UsageError: If a run has no exported file or several, or two models have one name.
        DataError: If a file is not there.
    """
    files: dict[str, Path] = {}
    for text in given:
        name, _, path = text.rpartition("=") if "=" in text and not Path(text).exists() else ("", "", text)
        file = _exported(Path(path))
        name = name or (Path(path).resolve().name if Path(path).is_dir() else file.stem)
        if name in files:
            raise UsageError(f"Two models are called '{name}'. Name them: a={files[name]} b={file}.")
        if "/" in name or not name.isprintable():
            raise UsageError(f"'{name}' cannot be the name of a model: it would be part of an address.")
        files[name] = file
    if not files:
        raise UsageError("Name a run or an exported file to serve: sightline serve runs/street-1.")
    return files


def _exported(path: Path) -> Path:
    if path.is_file():
        return path
    if not path.is_dir():
        raise DataError(f"{path} is not there. Name a run folder or an exported .onnx file.")
    usual = path / "export" / f"{path.resolve().name}.onnx"
    files = [usual] if usual.is_file() else sorted({*path.glob("*.onnx"), *path.glob("*/*.onnx")})
    if not files:
        raise UsageError(f"{path} holds no exported model. Make one: sightline export {path}.")
    if len(files) > 1:
        raise UsageError(f"{path} holds several exported models. Name one: {', '.join(map(str, files))}.")
    return files[0]
