"""Run: one folder on disk, which is the database of a training.

run.json          what was asked, what it was resolved to, the data, the machine, the state
events.jsonl      one line per epoch, append-only
checkpoints/      last-N (two of them) and best-N
splits.json       which item is in which split
predictions/      one JSON line per image of a split that was evaluated
model/            model.safetensors and model.json: what `load` needs
results.json      scores with intervals, baselines, conclusions
report.html       the same for people
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
from torch import Tensor

from sightline import storage
from sightline.core.report import Figure, Results, Table
from sightline.core.run_record import FORMAT, RunRecord
from sightline.core.targets import target_type
from sightline.errors import DataError, SightlineError, UsageError


class Run:
    """One training run and its folder.

    Attributes:
        path: The folder.
        record: The content of run.json.
    """

    exit_code = 0

    def __init__(self, path: Path, record: RunRecord) -> None:
        self.path, self.record = path, record

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r}, {self.record.status})"

    def __fspath__(self) -> str:
        return str(self.path)

    @classmethod
    def create(cls, path: Path, record: RunRecord, *, overwrite: bool = False) -> Run:
        """Create the folder.

        Raises:
            UsageError: If it exists and `overwrite` is false.
            SightlineError: If it cannot be written.
        """
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            if not overwrite:
                raise UsageError(f"{path} exists. Choose another --out, or --overwrite it.")
            if not (path / "run.json").is_file() and not _broken_off(path):
                raise UsageError(f"{path} is no run folder, so it is not overwritten. Choose another --out.")
            if owner := _owner(path):
                raise UsageError(f"{path} is in use by process {owner}, so it is not overwritten.")
        for old in path.glob("*") if path.is_dir() else ():  # the ledger outlives what it counted
            if old.name != "ledger.jsonl":
                shutil.rmtree(old) if old.is_dir() else old.unlink()
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SightlineError(f"{path} cannot be made: {error.strerror}. Choose another --out.") from error
        run = cls(path, record)
        run.update()
        return run

    @classmethod
    def open(cls, path: Path | str) -> Run:
        """Open a run folder.

        Raises:
            DataError: If it is no run folder, damaged, or of a newer format.
        """
        path = Path(path)
        try:
            content = json.loads((path / "run.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise DataError(f"{path} is no run folder: it has no run.json.") from None
        except (OSError, ValueError) as error:
            raise DataError(f"{path}/run.json cannot be read: {error}.") from error
        try:
            record = RunRecord.from_json(content)
        except DataError as error:
            raise DataError(f"{path}/run.json is not as Sightline writes it: {error}.") from error
        return cls(path, record)

    @staticmethod
    def next_path(name: str, root: Path = Path("runs")) -> Path:
        """The next free folder `root/name-N`."""
        name = re.sub(r"[^\w.-]+", "-", name).strip("-.") or "data"
        pattern = re.compile(re.escape(name) + r"-(\d+)")
        taken = [int(m[1]) for p in root.glob(f"{name}-*") if (m := pattern.fullmatch(p.name))]
        return root / f"{name}-{max(taken, default=0) + 1}"

    def update(self, **changes: Any) -> None:
        """Change attributes of the record, and write run.json."""
        self.record = replace(self.record, **changes)
        storage.write_json(self.path / "run.json", self.record.to_json())

    def lock(self) -> None:
        """Lock the folder for this process.

        Raises:
            UsageError: If another living process works in it.
        """
        if owner := _owner(self.path):
            raise UsageError(f"{self.path} is in use by process {owner}. Wait for it or stop it.")
        storage.write_text(self.path / ".lock", f"{os.getpid()} {psutil.Process().create_time()}")

    def unlock(self) -> None:
        """Unlock the folder."""
        (self.path / ".lock").unlink(missing_ok=True)

    def log(self, **values: Any) -> None:
        """Add one line to events.jsonl."""
        try:
            with (self.path / "events.jsonl").open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(storage.finite(values)) + "\n")
        except OSError as error:
            raise SightlineError(
                f"{self.path}/events.jsonl could not be written: {error.strerror}. "
                f"Make room, then go on with --resume {self.path}."
            ) from error

    def events(self) -> Iterator[dict[str, Any]]:
        """All lines of events.jsonl; a last line that a kill has truncated is left out."""
        try:
            lines = (self.path / "events.jsonl").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return
        for line in lines:
            try:
                yield json.loads(line)
            except ValueError:
                continue

    def keep_events(self, epochs: int) -> None:
        """Remove events of epochs that a resumed run will train again."""
        events = [e for e in self.events() if e.get("epoch", 0) <= epochs]
        storage.write_text(self.path / "events.jsonl", "".join(json.dumps(e) + "\n" for e in events))

    def save_checkpoint(
        self, kind: str, step: int, tensors: Mapping[str, Mapping[str, Tensor]], state: Any, keep: int
    ) -> None:
        """Write `checkpoints/kind-step`, or `kind-step+`, and keep the newest `keep` of its kind."""
        place, name = self.path / "checkpoints", f"{kind}-{step:09d}"
        place.mkdir(exist_ok=True)
        # One of the same step stays until the new one, which sorts behind it, is whole.
        existing = [f.name for f in place.glob(f"{name}*")]
        folder = place / (f"{max(existing)}+" if existing else name)
        storage.save(folder, tensors, state)
        for old in sorted(place.glob(f"{kind}-*"))[:-keep]:
            shutil.rmtree(old)
        for left_over in place.glob(f".{kind}-*.tmp"):
            shutil.rmtree(left_over, ignore_errors=True)

    def checkpoint(self, kind: str) -> tuple[dict[str, dict[str, Tensor]], Any] | None:
        """Tensors and state of the newest complete checkpoint of a kind ("last", "best"), or None."""
        for folder in sorted((self.path / "checkpoints").glob(f"{kind}-*"), reverse=True):
            if storage.valid(folder):
                return storage.load(folder)
        return None

    def save_model(self, tensors: Mapping[str, Tensor], settings: Mapping[str, Any]) -> None:
        """Write model/: the weights and everything that is needed to use them."""
        folder = self.path / "model"
        folder.mkdir(exist_ok=True)
        storage.write_tensors(folder / "model.safetensors", tensors)
        storage.write_json(folder / "model.json", {"format": FORMAT, **settings})

    def save_predictions(
        self, split: str, ids: Sequence[str], prediction: Any, target: Any, groups: Any = None
    ) -> None:
        """Write predictions/split.jsonl; `groups` holds the group of each image, where known."""
        (self.path / "predictions").mkdir(exist_ok=True)
        rows = zip(ids, prediction.to_json(), target.to_json(), strict=True)
        head: dict[str, Any] = {
            "prediction": prediction.kind,
            "target": target.kind,
            "classes": len(self.classes),
        }
        if groups is not None:
            head["groups"] = dict(zip(ids, map(str, groups), strict=True))
        lines = [json.dumps(head)]
        lines += [json.dumps({"id": i, "prediction": p, "target": t}) for i, p, t in rows]
        storage.write_text(self.path / "predictions" / f"{split}.jsonl", "\n".join(lines) + "\n")

    def predictions(self, split: str = "test") -> tuple[list[str], Any, Any]:
        """(ids, prediction, target) as `save_predictions` wrote them.

        Raises:
            DataError: If that split was not evaluated.
        """
        file = self.path / "predictions" / f"{split}.jsonl"
        if not file.is_file():
            raise DataError(f"{self.path} has no predictions on '{split}': it did not get that far.")
        head, *rows = (json.loads(line) for line in file.read_text(encoding="utf-8").splitlines())
        prediction, target = (
            target_type(head[k]).from_json([r[k] for r in rows], head["classes"])
            for k in ("prediction", "target")
        )
        return [r["id"] for r in rows], prediction, target

    def groups(self, split: str = "test") -> dict[str, str] | None:
        """Map from id to group for the images of a split, or None if no group is known."""
        with (self.path / "predictions" / f"{split}.jsonl").open(encoding="utf-8") as stream:
            groups: dict[str, str] | None = json.loads(stream.readline()).get("groups")
        return groups

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names, in index order."""
        return self.record.data.classes

    @property
    def results(self) -> Results:
        """The scores of results.json.

        Raises:
            DataError: If the run did not get that far.
        """
        file = self.path / "results.json"
        if not file.is_file():
            raise DataError(
                f"{self.path} has no results yet (state: {self.record.status}). "
                f"Go on with --resume {self.path}."
            )
        return Results.from_json(json.loads(file.read_text(encoding="utf-8")))

    def to_json(self) -> dict[str, Any]:
        """Location, settings and results of the run."""
        done = (self.path / "results.json").is_file()
        results = self.results.to_json() if done else None
        return {"run": str(self.path), "state": self.record.status, "results": results}

    def figures(self) -> list[Figure]:
        """The score table, for the terminal."""
        return [scoreboard(self.results)]

    def summary(self) -> str:
        """Conclusions, and the location of report and model."""
        return "\n".join([*self.results.conclusions, "", f"Report: {self.path / 'report.html'}"])


def _owner(path: Path) -> int:
    """Process id of another living process that has locked a run folder, or 0."""
    try:
        number, started = (path / ".lock").read_text(encoding="utf-8").split()
        # The system may have given the number of a dead process to another one.
        same = abs(psutil.Process(int(number)).create_time() - float(started)) < 1
    except (OSError, ValueError, psutil.Error):
        return 0
    return int(number) if same and int(number) != os.getpid() else 0


def _broken_off(path: Path) -> bool:
    """Whether a folder contains only what a run leaves that failed at its first file."""
    names = [p.name for p in path.iterdir()] if path.is_dir() else ["a file"]
    return all(name == ".lock" or (name.startswith(".run.json.") and name.endswith(".tmp")) for name in names)


def scoreboard(results: Results) -> Table:
    """Scores of the network beside those of the baselines."""
    names = list(results.scores)
    rows: list[list[Any]] = []
    for who, scores in [(results.subject, results.scores), *results.baselines.items()]:
        rows.append([who, *(scores.get(n, "-") for n in names)])
    turned = [[name, *(row[i + 1] for row in rows)] for i, name in enumerate(names)]
    title = f"{results.task} on {results.data}, {results.split} ({results.n} {results.item}s)"
    return Table(title, ["score", *(r[0] for r in rows)], turned, "value (95 % interval, n)")
