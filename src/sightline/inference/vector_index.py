"""Index of images: their vectors and digests in a folder, kept up to date, searched exactly."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sightline import storage
from sightline.console import say
from sightline.core.report import Figure, Table
from sightline.errors import DataError, UsageError
from sightline.inference.embedder import Embedder, stack
from sightline.inference.input_item import MARK

FORMAT = 1
INDEX_FILE = "index.json"
ROWS = 2**16
"""Vectors that are compared with the queries at a time."""
MAX_COPIES = 10_000
"""Pairs of near copies that are listed at most."""


@dataclass(frozen=True)
class Entry:
    """One image of an index.

    Attributes:
        path: The file; with #000012 the page of it.
        digest: SHA-256 of the file.
    """

    path: str
    digest: str

    @property
    def file(self) -> Path:
        """The file, without the page."""
        return Path(MARK.sub("", self.path))


@dataclass(frozen=True)
class Index:
    """Vectors of images by one model.

    Attributes:
        model: Digest of the weights.
        run: Where the run was.
        threshold: Cosine from which on two images count as one identity, or None.
        entries: The images.
        vectors: (N, D) of length 1.
    """

    model: str
    run: str
    threshold: float | None
    entries: tuple[Entry, ...]
    vectors: Tensor

    @classmethod
    def read(cls, folder: Path) -> Index:
        """Read an index.

        Raises:
            DataError: If there is none, it is damaged, or of a newer format.
        """
        file = folder / INDEX_FILE
        if not file.is_file():
            how = f"`sightline index RUN IMAGES --out {folder}` makes one."
            raise DataError(f"{folder} is no index: there is no {INDEX_FILE}. {how}")
        again = f"Make it again: remove {folder}, then `sightline index RUN IMAGES --out {folder}`."
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
            version, vectors_file = content["format"], folder / content["vectors"]
            entries = tuple(Entry(**entry) for entry in content["entries"])
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{file} is damaged ({error}). {again}") from error
        if version != FORMAT:
            raise DataError(f"{file} has format {version}, and this version reads {FORMAT}. {again}")
        if not vectors_file.is_file() or storage.digest(vectors_file) != content["digest"]:
            raise DataError(
                f"{vectors_file} is damaged or gone: its bytes are not those that were written. {again}"
            )
        vectors = storage.read_tensors(vectors_file)["vectors"]
        return cls(content["model"], content["run"], content["threshold"], entries, vectors)

    def write(self, folder: Path) -> None:
        """Write the index; one that is there is replaced whole, or stays as it is."""
        folder.mkdir(parents=True, exist_ok=True)
        temporary = folder / "new.safetensors"
        storage.write_tensors(temporary, {"vectors": self.vectors})
        digest = storage.digest(temporary)
        file = temporary.replace(folder / f"vectors-{digest[:12]}.safetensors")
        content = {
            "format": FORMAT, "model": self.model, "run": self.run, "threshold": self.threshold,
            "vectors": file.name, "digest": digest, "entries": [asdict(entry) for entry in self.entries],
        }  # fmt: skip
        storage.write_json(folder / INDEX_FILE, content)
        for old in folder.glob("vectors-*.safetensors"):
            if old.name != file.name:
                old.unlink()


@dataclass
class Indexed:
    """Result of an update of an index.

    Attributes:
        out: The index.
        total: Images in it.
        added: Images whose vectors were computed.
        kept: Images whose vectors were there.
        removed: Images whose files are gone.
        errors: (file, reason) of those that could not be read.
    """

    out: Path
    total: int = 0
    added: int = 0
    kept: int = 0
    removed: list[str] = field(default_factory=list)
    errors: list[tuple[str, str]] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """1 if a file could not be read."""
        return int(bool(self.errors))

    def figures(self) -> list[Figure]:
        """Counts, and what could not be read."""
        rows = [[self.total, self.added, self.kept, len(self.removed)]]
        columns = ["images", "computed", "unchanged", "removed (file gone)"]
        tables: list[Figure] = [Table(f"Index {self.out}", columns, rows)]
        return [*tables, Table("Not read", ["file", "reason"], self.errors)] if self.errors else tables


def update(run: Path, source: Any, out: Path, device: str, batch_size: int) -> Indexed:
    """Bring an index up to date: vectors of new and changed files are computed, those of gone ones removed.

    Raises:
        UsageError: If the index is of another model, or the source holds films.
        DataError: If the index is damaged.
    """
    embedder = Embedder(run, device)
    old = Index.read(out) if out.exists() else None
    if old is not None:
        require_model(old, embedder, out, run)
    result, files = Indexed(out), _files(embedder, source)
    digests = {str(file): storage.digest(file) for file in files if file.is_file()}
    entries: list[Entry] = []
    vectors: list[Tensor] = []
    unchanged = set()
    for i, entry in enumerate(old.entries if old else ()):
        assert old is not None
        file = entry.file
        if not file.is_file():
            result.removed.append(entry.path)
        elif digests.get(str(file), entry.digest) == entry.digest:
            entries.append(entry)
            vectors.append(old.vectors[i])
            unchanged.add(str(file))
    result.kept = len(entries)
    for path, vector, error in embedder.vectors([f for f in files if str(f) not in unchanged], batch_size):
        if vector is None:
            say(f"{path}: {error}")
            result.errors.append((path, error))
            continue
        entries.append(Entry(path, digests[MARK.sub("", path)]))
        vectors.append(vector)
        result.added += 1
    for path in result.removed:
        say(f"{path}: the file is gone; removed from the index.")
    result.total = len(entries)
    if not entries:
        raise DataError(f"None of the images of {source} can be read: there is nothing to index.")
    Index(embedder.digest, str(run.absolute()), embedder.threshold, tuple(entries), stack(vectors)).write(out)
    return result


def require_model(index: Index, embedder: Embedder, folder: Path, run: Path) -> None:
    """Refuse an index whose vectors are of another model: they cannot be compared.

    Raises:
        UsageError: Names both.
    """
    if index.model != embedder.digest:
        raise UsageError(
            f"{folder} holds vectors of another model ({index.run}) than {run}: they cannot be compared. "
            "Name "
            "that run, or make another index with --out."
        )


def _files(embedder: Embedder, source: Any) -> list[Path]:
    """Files of images, whole paths, each once.

    Raises:
        UsageError: If there is a film among them.
    """
    files: dict[Path, None] = {}
    for item in embedder.sources(source):
        if item.film is not None or not item.id:
            raise UsageError(f"{item.id} is of a film, and an index is of images. Write its frames as files.")
        files[Path(MARK.sub("", item.id)).absolute()] = None
    return list(files)


def nearest(vectors: Tensor, queries: Tensor, top: int) -> tuple[Tensor, Tensor]:
    """(Q, K) cosines and (Q, K) row numbers of the nearest vectors, exactly, the nearest first.

    Args:
        vectors: (N, D) of length 1.
        queries: (Q, D) of length 1.
        top: K, at most N.
    """
    top = min(top, len(vectors))
    cosines, rows = torch.empty(len(queries), 0), torch.empty(len(queries), 0, dtype=torch.int64)
    for start in range(0, len(vectors), ROWS):
        block = queries @ vectors[start : start + ROWS].T
        best = block.topk(min(top, block.shape[1]), 1)
        cosines = torch.cat([cosines, best.values], 1)
        rows = torch.cat([rows, best.indices + start], 1)
        closest = cosines.topk(min(top, cosines.shape[1]), 1)
        cosines, rows = closest.values, rows.gather(1, closest.indices)
    return cosines, rows


def copies(vectors: Tensor, least: float) -> tuple[list[tuple[int, int, float]], int]:
    """Pairs of rows whose cosine is at least `least`, the closest first, and how many there are in all.

    No more than `MAX_COPIES` of them are kept.
    """
    pairs: list[tuple[int, int, float]] = []
    total, step = 0, max(1, 2**24 // max(len(vectors), 1))
    for start in range(0, len(vectors), step):
        block = vectors[start : start + step] @ vectors.T
        first, second = (block >= least).nonzero().unbind(1)
        keep = second > first + start
        first, second = first[keep], second[keep]
        total += len(first)
        values = block[first, second]
        pairs += zip((first + start).tolist(), second.tolist(), values.tolist(), strict=True)
        pairs = sorted(pairs, key=lambda pair: -pair[2])[:MAX_COPIES]
    return pairs, total


@dataclass
class Found:
    """Result of a search.

    Attributes:
        rows: For each query and rank: query, rank, path, cosine, and whether it counts as the same identity,
            where there is a threshold; of near copies: first, second, cosine.
        errors: (file, reason) of queries that could not be read.
        note: What to know of them.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    errors: list[tuple[str, str]] = field(default_factory=list)
    note: str = ""

    @property
    def exit_code(self) -> int:
        """1 if a query could not be read."""
        return int(bool(self.errors))

    def figures(self) -> list[Figure]:
        """The rows as a table."""
        items: list[Figure] = []
        if self.rows:
            columns = list(self.rows[0])
            items.append(Table("Found", columns, [[row[c] for c in columns] for row in self.rows], self.note))
        else:
            items.append(Table("Nothing found", ["what"], [], self.note))
        return [*items, Table("Not read", ["file", "reason"], self.errors)] if self.errors else items


def search(folder: Path, source: Sequence[str], top: int, run: Path | None, device: str) -> Found:
    """The nearest images of an index for each query.

    Raises:
        UsageError: If the run is of another model, or no query is named.
        DataError: If the index is damaged, or its run is gone.
    """
    index = Index.read(folder)
    if not source:
        raise UsageError("Name images to search for, or ask for near copies with --duplicates.")
    path = Path(index.run) if run is None else run
    if run is None and not path.exists():
        raise DataError(f"{folder} was made with {path}, which is gone. Say where it is now: --run RUN.")
    embedder = Embedder(path, device)
    require_model(index, embedder, folder, path)
    result, queries, names = Found(), [], []
    for name, vector, error in embedder.vectors(_files(embedder, list(source)), 64):
        if vector is None:
            say(f"{name}: {error}")
            result.errors.append((name, error))
        else:
            queries.append(vector)
            names.append(name)
    if not queries:
        return result
    cosines, rows = nearest(index.vectors, stack(queries), top)
    gone = set()
    for name, values, places in zip(names, cosines.tolist(), rows.tolist(), strict=True):
        for rank, (cosine, place) in enumerate(zip(values, places, strict=True), 1):
            entry = index.entries[place]
            row: dict[str, Any] = {
                "query": name,
                "rank": rank,
                "path": entry.path,
                "cosine": round(cosine, 6),
            }
            if index.threshold is not None:
                row["same"] = cosine >= index.threshold
            if not entry.file.is_file():
                gone.add(entry.path)
            result.rows.append(row)
    result.note = _note(index, gone, folder)
    return result


def duplicates(folder: Path, min_cosine: float | None) -> Found:
    """Near copies in an index.

    Raises:
        UsageError: If neither the option nor the run says from which cosine on images are copies.
        DataError: If the index is damaged.
    """
    index = Index.read(folder)
    least = index.threshold if min_cosine is None else min_cosine
    if least is None:
        raise UsageError(
            f"{folder} is of a run without a fitted threshold: say from which cosine on images count as "
            "copies, "
            "--min-cosine 0.95."
        )
    pairs, total = copies(index.vectors, least)
    rows = [
        {"first": index.entries[a].path, "second": index.entries[b].path, "cosine": round(cosine, 6)}
        for a, b, cosine in pairs
    ]
    gone = {e.path for a, b, _ in pairs for e in (index.entries[a], index.entries[b]) if not e.file.is_file()}
    more = f" The closest {len(rows):,} of {total:,} pairs are listed." if total > len(rows) else ""
    return Found(rows, note=f"Pairs with a cosine of {least:.3f} or more.{more} {_note(index, gone, folder)}")


def _note(index: Index, gone: set[str], folder: Path) -> str:
    """How many images were looked at, and which are gone."""
    text = f"{len(index.entries):,} images in {folder}."
    if gone:
        some = ", ".join(sorted(gone)[:3])
        text += f" {len(gone)} of the files are gone ({some}): `sightline index` removes them."
    return text
