"""Data check: scan a data set, run all checks on the measurements, and stop on errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sightline.core.dataset import Dataset
from sightline.core.report import Finding
from sightline.data.checks import CHECKS
from sightline.data.inputs import input_kind, of_items
from sightline.data.scan import Scan, scan
from sightline.errors import DataError, UnknownName

ORDER = ("error", "warning", "info")


def run_checks(dataset: Dataset, measured: Scan, open_set: bool = False) -> list[Finding]:
    """Findings of all checks and of reading the data, the most severe first.

    Where reading and a check report the same by the same name, the check's finding is kept. With `open_set`
    classes are identities; see `TaskCard.open_set`.
    """
    findings: dict[str, Finding] = {}
    pixels = input_kind(dataset.input).has_pixels
    checks = [CHECKS.load(name) for name in CHECKS.names()]
    moot = {name for check in checks for name in check.CARD.closed_set} if open_set else set()
    for check in checks:
        card = check.CARD
        if (pixels or not card.of_pixels) and (open_set or not card.open_set):
            findings |= {f.name: f for f in check.run(dataset, measured)}
    mine = set(findings)
    extra = [f for f in dataset.read_findings if f.name not in mine]
    kind = dataset.input
    worded = [
        replace(f, message=of_items(f.message, kind), fix=of_items(f.fix, kind))
        for f in (*extra, *findings.values())
        if f.name not in moot
    ]
    return sorted(worded, key=lambda f: ORDER.index(f.severity))


def finding_names() -> list[str]:
    """Names of all findings of the checks: the values of --accept."""
    return sorted(n for name in CHECKS.names() for n in CHECKS.load(name).CARD.findings)


def look(dataset: Dataset, exif: str | None = None, open_set: bool = False) -> tuple[Scan, list[Finding]]:
    """Scan all images once and run all checks; `exif` resolves the finding about rotation."""
    scanned = scan(dataset)
    findings = run_checks(dataset, scanned, open_set)
    return scanned, [f for f in findings if exif is None or f.name != "exif-and-positions"]


def refuse(findings: Sequence[Finding], accept: Sequence[str], names: Sequence[str] = ()) -> None:
    """Raise if there are errors that the user has not accepted.

    Args:
        findings: What was found.
        accept: Names of findings that are known and meant.
        names: Names of findings that may be accepted beside those of the checks.

    Raises:
        DataError: Lists them, with how to mend them and how to accept them.
        UnknownName: If something is accepted that no check reports.
    """
    require_known(accept, findings, names)
    errors = [f for f in findings if f.severity == "error" and f.name not in accept]
    if not errors:
        return
    lines = [f"The data have {len(errors)} {'error' if len(errors) == 1 else 'errors'}:"]
    for f in errors:
        some = ", ".join(f.items[:3]) + (f" and {len(f.items) - 3:,} more" if len(f.items) > 3 else "")
        lines += [f"  {f.name}: {f.message}", f"    Items: {some}"] if some else [f"  {f.name}: {f.message}"]
        lines.append(f"    {f.fix} {_acceptance(f.name)}")
    lines.append("`sightline check DATA --out findings.json` lists all items.")
    raise DataError("\n".join(lines))


def require_known(accept: Sequence[str], findings: Sequence[Finding], names: Sequence[str] = ()) -> None:
    """Raise if an accepted name is neither a finding of the checks nor in `names`.

    Raises:
        UnknownName: Names it, and what could have been meant.
    """
    known_names = {*finding_names(), *names, *(f.name for f in findings)}
    for name in accept:
        if name not in known_names:
            raise UnknownName("finding", name, known_names, "`sightline check DATA` lists what is found.")


def _acceptance(name: str) -> str:
    """How a finding is accepted; of one that leaves nothing to train on, that this is no way by itself."""
    if name not in needed_names():
        return f"Or, if it is known and meant: --accept {name}"
    return (
        "Accepting it is no way on by itself, as there is nothing to train on or to choose by; with another "
        f"split that has some (--splits or --folds) it is: --accept {name}"
    )


def needed_names() -> list[str]:
    """Names of findings that accepting cannot bypass: nothing is left to train on, or to choose by."""
    return sorted(n for name in CHECKS.names() for n in getattr(CHECKS.load(name), "NEEDED", ()))
