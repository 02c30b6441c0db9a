"""Findings that several formats report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from sightline.core.report import Finding, Severity


def listed(name: str, severity: Severity, items: Sequence[str], message: str, fix: str) -> list[Finding]:
    """A finding on some items whose message shows the first; none if there are no items."""
    if not items:
        return []
    shown = ", ".join(items[:3]) + (", ..." if len(items) > 3 else "")
    return [Finding(name, severity, f"{len(items):,} {message}: {shown}.", fix, len(items), tuple(items))]


def unseen(names: tuple[str, ...], values: np.ndarray, splits: np.ndarray) -> Iterator[Finding]:
    """Classes of val or test that are missing in the training part."""
    train = set(values[splits == "train"].tolist())
    if not train:
        return
    missing = sorted(set(values[(splits == "val") | (splits == "test")].tolist()) - train)
    if missing:
        classes = tuple(names[i] for i in missing)
        yield Finding(
            "class-missing-in-train",
            "error",
            f"{len(classes)} classes are in val or test, but not in train: {', '.join(classes)}.",
            "Add training images of them, or take them out of val and test.",
            len(classes),
            classes,
        )
