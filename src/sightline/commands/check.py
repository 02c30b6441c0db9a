"""What is this data, and what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from sightline.console import say
from sightline.core.dataset import SPLITS, Dataset
from sightline.core.report import Exhibit, Finding, Table
from sightline.core.run import Run
from sightline.core.targets.instances import Instances
from sightline.core.targets.masks import Masks
from sightline.data.check import ORDER, look, require_known
from sightline.data.checks._report import class_counts, object_counts, pixel_counts
from sightline.data.open import open_data
from sightline.evaluation import label_issues
from sightline.tasks import TASKS

LISTED = 5
"""Items that a table shows of each doubt."""


@dataclass(frozen=True)
class Checked:
    """What was found.

    Attributes:
        name: Name of the data set.
        format: How it lies on disk.
        root: Where it lies, or None.
        n: Pictures.
        truth: Kind of its truth ("label").
        splits: Pictures in each given split ("" where none is given).
        classes: One row a class: index, id, name, pictures in each split, and its boxes, objects or pixels
            where there are any.
        notes: What was recognised and why.
        findings: What is wrong or worth knowing, the worst first.
        accepted: Names of findings that the user knows and means.
        doubts: Names of the findings that come from a model.
    """

    name: str
    format: str
    root: str | None
    n: int
    truth: str
    splits: dict[str, int]
    classes: list[dict[str, Any]]
    notes: tuple[str, ...]
    findings: list[Finding]
    accepted: tuple[str, ...] = field(default=())
    doubts: tuple[str, ...] = field(default=())

    @property
    def exit_code(self) -> int:
        """1 where an error or warning is not accepted, else 0."""
        return int(any(f.severity != "info" and f.name not in self.accepted for f in self.findings))

    def to_json(self) -> dict[str, Any]:
        """Everything, with all items of all findings, as plain dicts and lists."""
        return asdict(self)

    def exhibits(self) -> list[Exhibit]:
        """Tables for the terminal and the report."""
        where = f" in {self.root}" if self.root else ""
        shown: list[Exhibit] = []
        if self.classes:
            columns = list(self.classes[0])
            rows = [[row[c] for c in columns] for row in self.classes]
            shown.append(Table("Classes", columns, rows))
        mark = {name: " (accepted)" for name in self.accepted}
        rows = [[f.severity + mark.get(f.name, ""), f.name, f.count, f.message, f.fix] for f in self.findings]
        note = " ".join(self.notes)
        title = f"Findings on '{self.name}': {self.n:,} pictures, format '{self.format}'{where}"
        if not rows:
            note = f"Nothing was found. {note}".strip()
        shown.append(Table(title, ["severity", "name", "count", "what", "what to do"], rows, note))
        first = [[f.name, item] for f in self.findings if f.name in self.doubts for item in f.items[:LISTED]]
        if first:
            note = f"The first {LISTED} of each at most. All: --out findings.json."
            shown.append(Table("What the model doubts most", ["name", "item"], first, note))
        return shown


def run(
    data: str,
    *,
    task: str | None = None,
    format: str | None = None,
    target: str | None = None,
    pixel_range: str | None = None,
    exif: Literal["apply", "ignore"] | None = None,
    data_dir: Path | None = None,
    run: Path | None = None,
    accept: Sequence[str] = (),
    out: Path | None = None,
) -> Checked:
    """See `sightline.api.check`."""
    card = None if task is None else TASKS.load(task).CARD
    if run is not None:
        pixel_range = pixel_range or Run.open(run).facts.get("asked", {}).get("pixel_range")
    dataset = open_data(
        data,
        truth=None if card is None else card.truth,
        input=None if card is None else card.input,
        format=format,
        target=target,
        pixel_range=pixel_range,
        exif=exif,
        data_dir=data_dir,
    )
    if run is None:
        checked = describe(dataset, look(dataset, exif)[1], accept)
    else:
        checked = _with_run(dataset, Path(run), accept, exif)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(checked.to_json(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        say(f"Wrote {out}.")
    return checked


def _with_run(dataset: Dataset, run: Path, accept: Sequence[str], exif: str | None) -> Checked:
    """The result of a check in which the model of a run has a say."""
    witness = label_issues.witness(run, dataset)
    scanned, findings = look(dataset, exif)
    doubted, note = label_issues.ask(witness, dataset, scanned, findings)
    findings = sorted([*doubted, *findings], key=lambda f: ORDER.index(f.severity))
    checked = describe(dataset, findings, accept)
    return replace(checked, notes=(*checked.notes, note), doubts=tuple(f.name for f in doubted))


def describe(dataset: Dataset, findings: list[Finding], accept: Sequence[str] = ()) -> Checked:
    """The result of a check.

    Raises:
        UnknownName: If something is accepted that no check reports.
    """
    require_known(accept, findings, label_issues.names())
    given = [s for s in ("", *SPLITS) if (dataset.splits == s).any()]
    classes: list[dict[str, Any]] = []
    if dataset.classes is not None:
        counts = {s or "pictures": class_counts(dataset, dataset.where(s)) for s in given}
        if isinstance(dataset.targets, Instances):
            counts["boxes" if dataset.targets.masks is None else "objects"] = object_counts(dataset)
        if isinstance(dataset.targets, Masks):
            counts["pixels"] = pixel_counts(dataset.targets).sum(0)[: len(dataset.classes)]
        classes = [
            {
                "index": k,
                "id": dataset.classes.ids[k],
                "name": name,
                **{s: int(c[k]) for s, c in counts.items()},
            }
            for k, name in enumerate(dataset.classes.names)
        ]
    return Checked(
        name=dataset.name,
        format=dataset.format,
        root=None if dataset.root is None else str(dataset.root),
        n=len(dataset),
        truth=dataset.truth,
        splits={s: int((dataset.splits == s).sum()) for s in given},
        classes=classes,
        notes=dataset.notes,
        findings=findings,
        accepted=tuple(accept),
    )
