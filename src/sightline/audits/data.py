"""More data: what twice and four times the training images would bring."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from torch import Tensor

from sightline.audits._budget import Budget
from sightline.audits._case import Case, Part
from sightline.audits._planted import SIDE, with_model
from sightline.audits._rules import judge, skip
from sightline.audits._verdict import AuditCard, Cost, Verdict
from sightline.core.report import LinePlot, Score

CARD = AuditCard(
    name="data",
    title="More data",
    summary="what twice and four times the training images would bring",
    rank=95,
    scores=("data.now", "data.twice", "data.four-times", "data.gain"),
    least=50,
    cost=Cost(forwards=1, trains=1, seconds=10.0),
    target_types=("label", "number"),
    needs=("model", "train", "features"),
    sees="A linear head on the frozen features of the model, trained on parts of the training images. The "
    "features have seen all of these images, so that training the whole model on more can gain more than "
    "this. More images of the same source: others can bring more. Beyond four times nothing is said.",
)
SIZES = (1 / 8, 1 / 4, 1 / 2, 1.0)
REPEATS = 3
LEAST = 160
"""Training images at least."""
MOST = 2000
"""Training images that heads are fitted on at most."""
TIMES = (2, 4)
DRAWS = 300
SHOWN = 0.02
"""Share of the error that twice the images must take at least, in all but 2.5 % of the draws."""
POWERS = np.linspace(0.05, 1.5, 59)
Fit = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def run(case: Case, budget: Budget) -> Verdict:
    """Fit heads on parts of the training images, and extend the curve of their errors."""
    part, train, n = case.part.sample(budget.n, case.seed), case.train, len(case.part)
    assert train is not None
    is_label = part.target.kind == "label"
    if is_label and not part.target.exclusive:
        return skip(CARD, "it judges one class or numbers for each image.", of=n)
    if len(train) < LEAST:
        return skip(CARD, f"it needs {LEAST} training images, and there are {len(train)}.", of=n)
    train = train.sample(MOST, case.seed)
    sizes = [max(20, round(share * len(train))) for share in SIZES]
    errors = _errors(case, train, part, sizes, _classes if is_label else _numbers)
    rng = np.random.default_rng([case.seed, 95])
    ahead = np.array([sizes[-1], *(k * sizes[-1] for k in TIMES)])
    value = extended(np.array(sizes), errors.mean((1, 2))[None], ahead)[0]
    draws = []
    for _ in range(DRAWS):
        rows, seeds = (rng.integers(0, size, size) for size in (errors.shape[2], REPEATS))
        draws.append(errors[:, seeds][:, :, rows].mean((1, 2)))
    drawn = extended(np.array(sizes), np.array(draws), ahead)
    drawn, value = (np.append(v, _gain(v)[..., None], -1) for v in (drawn, value))
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    scores = {
        name: Score(float(v), float(min(a, v)), float(max(b, v)), len(part), "power law, bootstrap")
        for name, v, a, b in zip(CARD.scores, value, low, high, strict=True)
    }
    texts = [scores[name].text(percent=is_label) for name in CARD.scores[:3]]
    gain = scores["data.gain"]
    what = "error" if is_label else "mean absolute error in standard deviations"
    sentence = (
        f"A linear head on frozen features ({len(train):,} training images): {what} {texts[0]}; with twice "
        f"the images {texts[1]}, with four times {texts[2]}. "
        f"Twice the images take {100 * gain.value:.0f} % of the error ({100 * gain.low:.0f} to "
        f"{100 * gain.high:.0f})."
    )
    if gain.low < SHOWN:
        sentence += " That more of the same data helps is not shown."
    points = list(zip(map(float, sizes), errors.mean((1, 2)).tolist(), strict=True))
    beyond = list(zip(ahead.tolist(), value[:3].tolist(), strict=True))
    plot = LinePlot(
        "Error by training images", "training images", what, {"measured": points, "curve": beyond}
    )
    settings = {"how": "frozen features, linear head", "sizes": sizes, "repeats": REPEATS}
    return judge(CARD, sentence, scores, n=len(part), settings=settings, figures=(plot,))


def _errors(case: Case, train: Part, part: Part, sizes: Sequence[int], fit: Fit) -> np.ndarray:
    """(sizes, repeats, N) error of each image of the part."""
    features, others = (case.features_of(p.dataset) for p in (train, part))
    center, scale = features.mean(0), np.maximum(features.std(0), 1e-6)
    features, others = (features - center) / scale, (others - center) / scale
    target, right = (p.target.value.numpy() for p in (train, part))
    if fit is _numbers:
        spread = np.maximum(target.std(0), 1e-9)
        target, right = target / spread, right / spread
    errors = np.zeros((len(sizes), REPEATS, len(part)))
    for repeat in range(REPEATS):
        order = np.random.default_rng([case.seed, 95, repeat]).permutation(len(train))
        for i, size in enumerate(sizes):
            rows = order[:size]
            guess = fit(features[rows], target[rows], others)
            wrong = (
                guess != right if fit is _classes else np.abs(guess - right).reshape(len(part), -1).mean(1)
            )
            errors[i, repeat] = wrong
    return errors


def _classes(features: np.ndarray, target: np.ndarray, others: np.ndarray) -> np.ndarray:
    if len(np.unique(target)) < 2:
        return np.full(len(others), target[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return np.asarray(LogisticRegression(C=0.1, max_iter=60).fit(features, target).predict(others))


def _numbers(features: np.ndarray, target: np.ndarray, others: np.ndarray) -> np.ndarray:
    return np.asarray(Ridge(alpha=10.0).fit(features, target).predict(others)).reshape(len(others), -1)


def _gain(errors: np.ndarray) -> np.ndarray:
    """Share of the error that twice the images take, of (..., 3) errors now, with twice, and four times."""
    return np.asarray(1 - errors[..., 1] / np.maximum(errors[..., 0], 1e-9))


def extended(sizes: np.ndarray, errors: np.ndarray, ahead: np.ndarray) -> np.ndarray:
    """(D, A) errors at other sizes, by a power law a n^-b + c with a and c of at least 0.

    Args:
        sizes: (S,) training images.
        errors: (D, S) errors, of D draws.
        ahead: (A,) sizes that are asked for.

    Source: Hestness et al., Deep learning scaling is predictable, empirically, arXiv 1712.00409, 2017.
    """
    weight = 1 / np.maximum(errors, 1e-3)
    best = np.full(len(errors), np.inf)
    result = np.zeros((len(errors), len(ahead)))
    for power in POWERS:
        x = (sizes / sizes[-1]) ** -power
        w = weight**2
        total, sx, sy = w.sum(1), w @ x, (w * errors).sum(1)
        sxx, sxy = w @ x**2, (w * errors) @ x
        a = np.maximum((total * sxy - sx * sy) / np.maximum(total * sxx - sx**2, 1e-12), 0)
        c = (sy - a * sx) / total
        a, c = np.where(c < 0, sxy / sxx, a), np.maximum(c, 0)
        loss = (w * (errors - a[:, None] * x - c[:, None]) ** 2).sum(1)
        better = loss < best
        best = np.where(better, loss, best)
        law = a[:, None] * (ahead / sizes[-1]) ** -power + c[:, None]
        result = np.where(better[:, None], law, result)
    return result


def plant(seed: int) -> Case:
    """Any model with features: there is no bound."""
    return _case(seed)


def clean(seed: int) -> Case:
    """The same."""
    return _case(seed)


def _case(seed: int) -> Case:
    def images(n: int, key: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng([seed, key])
        labels = rng.integers(0, 3, n)
        pixels = rng.integers(60, 140, (n, SIDE, SIDE, 3), dtype=np.uint8)
        for image, label in zip(pixels, labels, strict=True):
            image[5 * label : 5 * label + 5] += 6
        return pixels, labels

    def rule(x: Tensor) -> Tensor:
        return x.mean((1, 3))[:, :3]

    return with_model(
        *images(100, 95), rule, lambda x: x.mean(1)[:, ::2, ::2].flatten(1), images(320, 96), seed=seed
    )
