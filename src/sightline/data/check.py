"""Runs all data checks on what the scan has measured."""

from __future__ import annotations

from sightline.core.dataset import Dataset
from sightline.core.report import Finding
from sightline.data.checks import CHECKS
from sightline.data.scan import Scan

ORDER = ("error", "warning", "info")


def run_checks(dataset: Dataset, scan: Scan) -> list[Finding]:
    """What all checks find, and what reading the data had already found; the worst first.

    Where reading and a check report the same by the same name, the check's finding is kept.
    """
    findings: dict[str, Finding] = {}
    for name in CHECKS.names():
        findings |= {f.name: f for f in CHECKS.load(name).run(dataset, scan)}
    mine = set(findings)
    extra = [f for f in dataset.problems if f.name not in mine]
    return sorted([*extra, *findings.values()], key=lambda f: ORDER.index(f.severity))


def finding_names() -> list[str]:
    """Names of all findings that the checks may report: what --accept takes."""
    return sorted(n for name in CHECKS.names() for n in CHECKS.load(name).CARD.findings)
