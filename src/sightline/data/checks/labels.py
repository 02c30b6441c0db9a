"""Check of labels: missing, impossible, or inconsistent ones."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from sightline.core.card import CheckCard
from sightline.core.dataset import Dataset
from sightline.core.report import Finding
from sightline.core.targets.instances import Instances
from sightline.core.targets.label import ClassLabels
from sightline.core.targets.number import RegressionValues
from sightline.data.checks._report import finding_on
from sightline.data.scan import Scan

FAR = 10.0  # interquartile ranges from the median
CARD = CheckCard(
    name="labels",
    summary="Missing, unknown and conspicuous targets; class names that differ only in case or spaces",
    findings=(
        "labels-missing",
        "labels-unknown",
        "images-without-labels",
        "similar-class-names",
        "class-names-empty",
        "non-contiguous-class-ids",
        "non-finite-targets",
        "target-outliers",
    ),
)


def run(dataset: Dataset, scan: Scan) -> list[Finding]:
    """Targets item by item, and the names of the classes."""
    del scan
    return [*_labels(dataset), *_objects(dataset), *_numbers(dataset), *_names(dataset)]


def _labels(dataset: Dataset) -> list[Finding]:
    if not isinstance(dataset.targets, ClassLabels):
        return []
    value: np.ndarray = dataset.targets.value.numpy()
    if value.ndim == 2:
        return finding_on(
            dataset, "images-without-labels", "info", np.asarray(~value.any(1)),
            "{n} images ({share}) have none of the labels",
            "Look whether nothing applies to them, or whether their labels are missing.",
        )  # fmt: skip
    classes = len(dataset.classes) if dataset.classes else 0
    return [
        *finding_on(dataset, "labels-missing", "error", value < 0,
               "{n} images ({share}) have no label",
               "Label them, or take them out of the data."),
        *finding_on(dataset, "labels-unknown", "error", (value >= classes) & (value >= 0),
               f"{{n}} images have a label beyond the {classes} classes of the table",
               "Add the classes to the class table, or mend the labels."),
    ]  # fmt: skip


def _objects(dataset: Dataset) -> list[Finding]:
    """Objects whose class is none of the table's."""
    targets, classes = dataset.targets, len(dataset.classes or ())
    if not isinstance(targets, Instances):
        return []
    labels = targets.labels.numpy()
    wrong = np.unique(targets.image.numpy()[(labels < 0) | (labels >= classes)])
    return finding_on(
        dataset, "labels-unknown", "error", wrong,
        f"{{n}} images have a label beyond the {classes} classes of the table",
        "Add the classes to the class table, or mend the labels.",
    )  # fmt: skip


def _names(dataset: Dataset) -> list[Finding]:
    if dataset.classes is None:
        return []
    names, ids = dataset.classes.names, dataset.classes.ids
    findings = []
    blank = [str(i) for i, name in zip(ids, names, strict=True) if not name.strip()]
    if blank:
        findings.append(
            Finding(
                "class-names-empty",
                "error",
                f"{len(blank)} classes have an empty name (class id {', '.join(blank)})",
                "Give the class a name; in a table, look for rows with an empty label.",
                len(blank),
                tuple(blank),
            )
        )
    alike = _alike(names)
    if alike:
        shown = "; ".join(" and ".join(f"'{n}'" for n in group) for group in alike[:5])
        findings.append(
            Finding(
                "similar-class-names",
                "error",
                f"{len(alike)} classes are written in several ways, each taken for another class: {shown}",
                "Write each class in one way. Mind capitals, spaces, '-' and '_'.",
                len(alike),
                tuple(" = ".join(group) for group in alike),
            )
        )
    if ids != tuple(range(len(ids))):
        pairs = tuple(f"{i}: {name}" for i, name in zip(ids, names, strict=True))
        findings.append(
            Finding(
                "non-contiguous-class-ids",
                "info",
                f"the {len(ids)} class ids run from {min(ids)} to {max(ids)} and are not 0 to {len(ids) - 1}",
                "Nothing to do: the class table keeps them.",
                len(ids),
                pairs,
            )
        )
    return findings


def _alike(names: tuple[str, ...]) -> list[list[str]]:
    """Groups of names that differ in case, spaces, '-' and '_' only. 'a' and 'A' are two letters."""
    groups = defaultdict(list)
    for name in names:
        plain = "".join(c for c in name if not c.isspace() and c not in "-_").casefold()
        letter = len(name.strip()) == 1
        groups[name.strip() if letter or not plain else plain].append(name)
    return [group for group in groups.values() if len(group) > 1]


def _numbers(dataset: Dataset) -> list[Finding]:
    if not isinstance(dataset.targets, RegressionValues):
        return []
    value: np.ndarray = dataset.targets.value.numpy().astype(np.float64)
    finite = np.isfinite(value).all(1)
    findings = finding_on(
        dataset, "non-finite-targets", "error", ~finite,
        "{n} images ({share}) have a target that is missing, NaN or infinite",
        "Fill in the numbers, or take these rows out.",
    )  # fmt: skip
    if finite.sum() < 8:
        return findings
    low, middle, high = np.quantile(value[finite], [0.25, 0.5, 0.75], axis=0)
    far = (np.abs(value - middle) > FAR * (high - low)) & (high > low) & finite[:, None]
    return findings + finding_on(
        dataset, "target-outliers", "warning", far.any(1),
        f"{{n}} images have a target more than {FAR:g} interquartile ranges from the median "
        f"({_far(value, far)}); the network and the linear baseline are drawn to these, and scores are "
        "mostly about them",
        "Mend slips of the pen, and empty the cells that stand for 'unknown' (-1, -999). If the values are "
        "right, put their logarithm into the table, or take them out.",
    )  # fmt: skip


def _far(value: np.ndarray, far: np.ndarray) -> str:
    """The farthest values, and between which the others lie."""
    column = int(far.any(0).argmax())
    beyond, rest = value[far[:, column], column], value[~far.any(1) & np.isfinite(value[:, column]), column]
    some = ", ".join(f"{v:g}" for v in sorted(set(beyond.tolist()), key=abs)[-3:])
    return f"{some}; the others are from {rest.min():g} to {rest.max():g}" if len(rest) else some
