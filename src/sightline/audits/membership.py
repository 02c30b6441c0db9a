"""Membership: whether one can guess, from the model's answer, that an image was trained on."""

from __future__ import annotations

import numpy as np
from scipy.stats import norm

from sightline.audits._budget import Budget
from sightline.audits._case import Case, Part
from sightline.audits._planted import case_of, dataset_of, predicted, probabilities
from sightline.audits._rules import judge, skip
from sightline.audits._statistics import auroc, share
from sightline.audits._verdict import AuditCard, Bound, Cost, Verdict
from sightline.core.report import LinePlot

CARD = AuditCard(
    name="membership",
    title="Privacy",
    summary="whether one can guess that an image was trained on (membership inference)",
    rank=80,
    scores=("membership.auc", "membership.tpr"),
    least=50,
    cost=Cost(trains=1),
    bounds={"membership.auc": Bound(at_most=0.6, null=0.5)},
    target_types=("label",),
    needs=("train",),
    sees="What a threshold on the confidence of the label tells. Stronger attacks train many models beside "
    "this one (LiRA) and find more: a low number here is no proof of privacy. Validation images that chose "
    "the weights are a little like training images.",
)
FALSE_ALARMS = 0.01
LEAST = 50
"""Training images at least."""


def run(case: Case, budget: Budget) -> Verdict:
    """AUROC of the logit of the label's probability, training against validation images.

    Source: Carlini et al., Membership inference attacks from first principles, IEEE S&P 2022, section IV
    (logit scaling; rates at few false alarms).
    """
    assert case.train is not None
    part = case.part.sample(budget.n, case.seed)
    if part.prediction.scores is None or part.target.multilabel:
        return skip(CARD, "it judges one label for each image, with probabilities.", of=len(case.part))
    if len(case.train) < LEAST:
        reason = f"it needs {LEAST} training images, and there are {len(case.train)}."
        return skip(CARD, reason, of=len(case.part))
    members, others = margin(case.train), margin(part)
    auc = auroc(members, others)
    limit = float(np.quantile(others, 1 - FALSE_ALARMS, method="higher"))
    caught = share(int((members > limit).sum()), len(members))
    sentence = (
        f"Whether an image was trained on can be guessed with AUC {auc.text()}; 0.5 is chance. With "
        f"{100 * FALSE_ALARMS:.0f} % false alarms {caught.text(percent=True)} of training images are named."
    )
    fix = (
        "If it must be secret who is in the training images: train for fewer epochs, with more augmentation "
        "or weight decay, and do not give out probabilities."
    )
    return judge(
        CARD, sentence, {"membership.auc": auc, "membership.tpr": caught}, fix=fix, n=len(part),
        places=("train",), settings={"training images": len(members), "false alarms": FALSE_ALARMS},
        figures=(_histogram(members, others),), rows=_rows(case.train, members) + _rows(part, others),
    )  # fmt: skip


def margin(part: Part) -> np.ndarray:
    """(N,) float64 logit of the probability of the label: log p - log(1 - p), where 1 - p is the sum of the
    other classes, so that it does not vanish for the surest images.
    """
    scores, rows = part.prediction.scores.double().numpy(), np.arange(len(part))
    target = part.target.value.numpy()
    label = scores[rows, target]
    rest = scores.copy()
    rest[rows, target] = 0
    tiny = np.finfo(np.float64).tiny
    return np.asarray(np.log(np.maximum(label, tiny)) - np.log(np.maximum(rest.sum(1), tiny)))


def _histogram(members: np.ndarray, others: np.ndarray) -> LinePlot:
    both = np.concatenate([members, others])
    low, high = np.quantile(both, [0.005, 0.995])
    edges = np.linspace(low, high, 25)
    middle = (edges[1:] + edges[:-1]) / 2
    lines = {}
    for name, values in (("training", members), ("not trained on", others)):
        counts = np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0] / len(values)
        lines[name] = list(zip(middle.tolist(), counts.tolist(), strict=True))
    return LinePlot("Confidence in the label", "log-odds of the label", "share of images", lines)


def _rows(part: Part, margins: np.ndarray) -> tuple[dict[str, object], ...]:
    pairs = zip(part.ids, margins, strict=True)
    return tuple({"id": item, "part": part.name, "margin": round(float(m), 6)} for item, m in pairs)


def plant(seed: int) -> Case:
    """Labels of training images are known by heart."""
    return _case(seed, by_heart=True)


def clean(seed: int) -> Case:
    """Training images are answered like others."""
    return _case(seed, by_heart=False)


def _case(seed: int, by_heart: bool) -> Case:
    rng = np.random.default_rng([seed, 80])
    scores, labels = probabilities(400, 3, rng)
    train_scores, train_labels = probabilities(400, 3, rng)
    if by_heart:
        train_scores[np.arange(400), train_labels] += 2 * norm.cdf(rng.normal(size=400))
        train_scores /= train_scores.sum(1, keepdims=True)
    train = Part("train", dataset_of(train_labels, prefix="train"), predicted(train_scores))
    return case_of(scores, labels, train=train, planted=("train",) if by_heart else ())
