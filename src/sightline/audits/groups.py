"""Groups: whether the model is worse for some images than for the others, by columns of the data."""

from __future__ import annotations

from typing import Any

import numpy as np

from sightline.audits._budget import Budget
from sightline.audits._case import Case
from sightline.audits._groups import ALPHA, LEAST, Group, compare, table_of
from sightline.audits._planted import case_of, probabilities
from sightline.audits._rules import judge, skip
from sightline.audits._verdict import AuditCard, Bound, Verdict

CARD = AuditCard(
    name="groups",
    title="Groups",
    summary="whether the model is worse for one group of images than for the others",
    rank=30,
    scores=("groups.gap", "groups.excess", "groups.worst", "groups.best"),
    least=60,
    bounds={"groups.gap": Bound(at_most=0.1, null=0.0), "groups.excess": Bound(at_most=0.25, null=0.0)},
    sees="Groups that a column of the data names. Differences are corrected for the number of groups (Holm), "
    "and groups of fewer than 30 images are not ranked. It does not see groups that nobody has named.",
)
VALUES = 50
"""Values of a column at most: of more, it names images and not groups."""


def run(case: Case, budget: Budget) -> Verdict:
    """Compare each group with all other images, by the metric of the task."""
    part = case.part.sample(budget.n, case.seed)
    card = case.metric.card
    if card.unit != "image":
        return skip(CARD, f"{card.name} is of whole {card.unit}s, and not of images.", of=len(case.part))
    columns = columns_of(case)
    notes: list[str] = []
    usable = {name: values for name, values in columns.items() if _usable(case, name, values, notes)}
    if not usable:
        reason = " ".join(notes) or "the data have no columns that name groups. In a table they are kept."
        return skip(CARD, reason, of=len(case.part))
    rows = {item: i for i, item in enumerate(case.part.ids)}
    where = np.array([rows[item] for item in part.ids])
    stats, people = case.statistics(part), part.dataset.groups
    groups = compare(case.metric, stats, {n: v[where] for n, v in usable.items()}, people)
    ranked = [g for g in groups if g.ranked]
    if not ranked:
        reason = f"no group of {', '.join(usable)} has {LEAST} images and a score."
        return skip(CARD, reason, f"{case.command} --group COLUMN", len(case.part))
    return _verdict(case, ranked, groups, notes, usable, len(part))


def columns_of(case: Case) -> dict[str, np.ndarray]:
    """Columns of the part by name: those that were asked for, or all that there are."""
    dataset = case.part.dataset
    columns = {name: np.asarray(values).astype(str) for name, values in dataset.columns.items()}
    if dataset.groups is not None:
        columns.setdefault("group", np.asarray(dataset.groups).astype(str))
    return {name: columns[name] for name in case.columns} if case.columns else columns


def _usable(case: Case, name: str, values: np.ndarray, notes: list[str]) -> bool:
    """Whether a column names groups. What it is instead is noted, if the user asked for it."""
    present, counts = np.unique(values[values != ""], return_counts=True)
    reason = ""
    if len(present) > VALUES:
        reason = (
            f"'{name}' has {len(present):,} values in {len(values):,} images: it names images, and no groups."
        )
    elif len(present) < 2:
        reason = f"'{name}' has {len(present)} value{'s' * (len(present) != 1)} in these images."
    elif _is_class(case, values):
        reason = f"'{name}' is the class by another name. The report compares the classes."
    elif counts.max() < LEAST:
        reason = f"no value of '{name}' has {LEAST} images."
    if reason and case.columns:
        notes.append(reason)
    return not reason


def _is_class(case: Case, values: np.ndarray) -> bool:
    """Whether each value has one class, and each class one value."""
    labels = case.part.target.stratify_labels() if case.part.target.exclusive else None
    if labels is None:
        return False
    pairs = set(zip(values.tolist(), labels.tolist(), strict=True))
    return len(pairs) == len({v for v, _ in pairs}) == len({k for _, k in pairs})


def _verdict(
    case: Case, ranked: list[Group], groups: list[Group], notes: list[str], usable: Any, n: int
) -> Verdict:
    card, worst, best = case.metric.card, ranked[0], ranked[-1]
    kind = "groups.gap" if card.best == 1 else "groups.excess"
    scores = {kind: worst.gap, "groups.worst": worst.score, "groups.best": best.score}
    texts = [s.text(card.percent) for s in (worst.score, worst.rest, best.score)]
    holds = worst.p <= ALPHA
    sentence = (
        f'Worst group "{worst.name}": {card.name} {texts[0]}, the others {texts[1]}; the difference '
        f"{'holds' if holds else 'does not hold'} after Holm (p {worst.p:.2g}, {len(ranked)} groups; "
        f"it holds below {ALPHA:g}). "
        f'Best: "{best.name}", {texts[2]}.'
    )
    few = [g for g in groups if not g.ranked]
    if few:
        names = ", ".join(f'"{g.name}" ({g.n})' for g in few[:3])
        more = f" and {len(few) - 3} more" if len(few) > 3 else ""
        sentence += f" Nothing can be said of {names}{more}: too few images."
    missing = {name: int((v == "").sum()) for name, v in usable.items() if (v == "").any()}
    sentence += "".join(f" {count:,} images have no '{name}'." for name, count in missing.items())
    fix = (
        f'Look at the mistakes in "{worst.name}", and collect more such images. If it must not be worse, a '
        "training that weights groups helps; look at the best group too, it must not pay for it."
    )
    return judge(
        CARD, " ".join([sentence, *notes]), scores, fix=fix, n=n,
        places=tuple(g.name for g in ranked if g.p <= ALPHA and g.gap.value > 0) or (worst.name,),
        settings={"columns": list(usable), "least": LEAST}, figures=(table_of(case.metric, groups),),
    )  # fmt: skip


def plant(seed: int) -> Case:
    """A tenth of the images, of one site, are answered at random in half of the cases."""
    return _case(seed, wrong=0.5)


def clean(seed: int) -> Case:
    """Two columns of random values."""
    return _case(seed, wrong=0.0)


def _case(seed: int, wrong: float) -> Case:
    rng = np.random.default_rng([seed, 30])
    scores, labels = probabilities(1000, 3, rng, 2)
    site = rng.choice(list("ABCDEFGH"), 1000, p=[0.1, 0.2, 0.2, 0.1, 0.1, 0.1, 0.1, 0.1]).astype(object)
    mixed = (site == "A") & (rng.random(1000) < wrong)
    scores[mixed] = rng.permuted(scores[mixed], axis=1)
    columns = {"site": site, "camera": rng.choice(["old", "new"], 1000).astype(object)}
    planted = ("site = A",) if wrong else ()
    return case_of(scores, labels, columns=columns, planted=planted)
