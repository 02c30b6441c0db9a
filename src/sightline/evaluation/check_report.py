"""Report of a data check: counts, findings, and label issues."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from sightline.core.dataset import SPLITS, Dataset
from sightline.core.report import Figure, Finding, Table
from sightline.data.check import ORDER, look, require_known
from sightline.data.checks._report import class_counts
from sightline.data.inputs import input_kind
from sightline.evaluation import label_issues

LISTED = 5
"""Items that a table shows of each doubt."""


@dataclass(frozen=True)
class Checked:
    """Result of a data check.

    Attributes:
        name: Name of the data set.
        format: How it lies on disk.
        root: Where it lies, or None.
        n: Items: images, clips, sequences ...
        target_type: Kind of its target ("label").
        splits: Items in each given split ("" where none is given).
        classes: One row a class: index, id, name, items in each split, and its boxes, objects or pixels
            where there are any.
        messages: What was recognised and why.
        findings: What is wrong or worth knowing, the worst first.
        accepted: Names of findings that the user knows and means.
        label_issues: Names of the findings that come from a model.
        item: What one item is called: "image".
    """

    name: str
    format: str
    root: str | None
    n: int
    target_type: str
    splits: dict[str, int]
    classes: list[dict[str, Any]]
    messages: tuple[str, ...]
    findings: list[Finding]
    accepted: tuple[str, ...] = field(default=())
    label_issues: tuple[str, ...] = field(default=())
    item: str = "image"

    @property
    def exit_code(self) -> int:
        """1 where an error or warning is not accepted, else 0."""
        return int(any(f.severity != "info" and f.name not in self.accepted for f in self.findings))

    def to_json(self) -> dict[str, Any]:
        """Everything, with all items of all findings, as plain dicts and lists."""
        return asdict(self)

    def figures(self) -> list[Figure]:
        """Tables for the terminal and the report."""
        where = f" in {self.root}" if self.root else ""
        shown: list[Figure] = []
        if self.classes:
            columns = list(self.classes[0])
            rows = [[row[c] for c in columns] for row in self.classes]
            shown.append(Table("Classes", columns, rows))
        mark = {name: " (accepted)" for name in self.accepted}
        rows = [[f.severity + mark.get(f.name, ""), f.name, f.count, f.message, f.fix] for f in self.findings]
        note = " ".join(self.messages)
        items = f"{self.n:,} {self.item}{'s' * (self.n != 1)}"
        title = f"Findings on '{self.name}': {items}, format '{self.format}'{where}"
        if not rows:
            note = f"Nothing was found. {note}".strip()
        shown.append(Table(title, ["severity", "name", "count", "what", "what to do"], rows, note))
        first = [
            [f.name, item] for f in self.findings if f.name in self.label_issues for item in f.items[:LISTED]
        ]
        if first:
            note = f"The first {LISTED} of each at most. All: --out findings.json."
            shown.append(Table("What the model doubts most", ["name", "item"], first, note))
        return shown


def check_data(
    dataset: Dataset, run: Path | None, accept: Sequence[str], exif: str | None, open_set: bool = False
) -> Checked:
    """Scan and check the data; with a run, also look for label issues.

    Args:
        dataset: The data.
        run: Run whose model says which targets are doubtful, or None.
        accept: Names of findings that are known and meant.
        exif: What was said of how targets were drawn.
        open_set: Whether classes are identities; see `TaskCard.open_set`.

    Raises:
        UnknownName: If something is accepted that no check reports.
    """
    if run is None:
        return describe(dataset, look(dataset, exif, open_set)[1], accept)
    witness = label_issues.witness(run, dataset)
    scanned, findings = look(dataset, exif, open_set)
    doubted, note = label_issues.ask(witness, dataset, scanned, findings)
    findings = sorted([*doubted, *findings], key=lambda f: ORDER.index(f.severity))
    checked = describe(dataset, findings, accept)
    return replace(checked, messages=(*checked.messages, note), label_issues=tuple(f.name for f in doubted))


def describe(dataset: Dataset, findings: list[Finding], accept: Sequence[str] = ()) -> Checked:
    """The result of a check.

    Raises:
        UnknownName: If something is accepted that no check reports.
    """
    require_known(accept, findings, label_issues.names())
    item = input_kind(dataset.input).item
    given = [s for s in ("", *SPLITS) if (dataset.splits == s).any()]
    classes: list[dict[str, Any]] = []
    if dataset.classes is not None:
        counts = {s or f"{item}s": class_counts(dataset, dataset.indices_of(s)) for s in given}
        counts |= dataset.targets.class_totals(len(dataset.classes))
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
        target_type=dataset.target_type,
        splits={s: int((dataset.splits == s).sum()) for s in given},
        classes=classes,
        messages=dataset.messages,
        findings=findings,
        accepted=tuple(accept),
        item=item,
    )
