"""Temperature scaling and calibration: make predicted probabilities match observed frequencies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_expit, log_softmax

from sightline.metrics.ece import bin_of

Array = np.ndarray

LIMITS = (0.05, 20.0)
"""Least and greatest temperature; one at a limit says that the scores are not probabilities."""


LEAST, WRONG = 100, 10
"""Images that a temperature is fitted on at least, and wrong ones among them for one that makes surer.

By simulation (4 classes, 17 % wrong, 60 draws): from 25 images a fit of what was true already costs up to
3.6 in log loss, from 50 up to 0.3, from 100 up to 0.05; what it mends is worth 0.02 to 0.05.
"""


@dataclass(frozen=True)
class Point:
    """One bin of a reliability diagram.

    Attributes:
        confidence: Mean confidence of the images in the bin; its middle where there is none.
        accuracy: Share of them that are right; nan where there is none.
        count: Images in the bin (pairs of image and label, where an image may have several).
    """

    confidence: float
    accuracy: float
    count: int


def temperature(scores: Array, target: Array) -> float:
    """The temperature that makes probabilities true: the least log loss on validation images.

    Above 1 the model was too sure of itself, below 1 not sure enough. Dividing the logits by it
    never changes the order of the classes.

    Args:
        scores: (N, K) probabilities; for one label an image they sum to 1.
        target: (N,) class index, or (N, K) bool where an image may have several labels.

    Returns:
        The temperature, within `LIMITS`; 1.0 where there is no image or nothing is gained.

    Raises:
        ValueError: If a score is nan or the shapes do not fit.

    Source: Guo et al., On calibration of modern neural networks, ICML 2017.
    """
    if len(scores) != len(target) or (target.ndim == 2 and target.shape != scores.shape):
        raise ValueError(f"Scores {scores.shape} and target {target.shape} do not fit together.")
    if np.isnan(scores).any():
        raise ValueError("Some scores are nan, so no temperature can be fitted.")
    if len(scores) == 0:
        return 1.0
    several = target.ndim == 2
    z = _logits(scores) if several else _logs(scores)
    sign = np.where(target, 1.0, -1.0) if several else np.empty(0)

    def loss(sharpness: float) -> float:
        if several:
            return -float(log_expit(sign * z * sharpness).mean())
        log_likelihood = np.take_along_axis(log_softmax(z * sharpness, axis=1), target[:, None], 1)
        return -float(log_likelihood.mean())

    # In 1 / T the loss is convex, so that the bounded search finds the one minimum.
    bounds = (1 / LIMITS[1], 1 / LIMITS[0])
    result = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-7})
    return 1 / float(result.x) if result.fun < loss(1.0) else 1.0


def supported(scores: Array, target: Array) -> tuple[float, str]:
    """A temperature that the images support, and in a sentence why it is what it is.

    Args:
        scores: As `temperature` takes them.
        target: Likewise.

    Returns:
        What `temperature` gives; or 1.0 where there are fewer than `LEAST` images, where all are right (the
        best would be without end), where it would make surer with fewer than `WRONG` of them wrong, and at
        the lower of `LIMITS`.
    """
    predicted = scores > 0.5 if target.ndim == 2 else scores.argmax(1)
    n, wrong = len(target), int((predicted != target).sum())
    what = "labels" if target.ndim == 2 else "images"
    as_it_was = "confidences are left as the network gives them"
    if n < LEAST:
        return 1.0, f"{n} validation images are too few ({LEAST} are needed): {as_it_was}."
    if wrong == 0:
        return (
            1.0,
            f"All {n} validation images are right, which tells nothing of how sure to be: {as_it_was}.",
        )
    fitted = temperature(scores, target)
    if fitted < 1 and wrong < WRONG:
        return (
            1.0,
            f"Only {wrong} {what} of {n} validation images are wrong, too few to be surer: {as_it_was}.",
        )
    if fitted <= LIMITS[0] * 1.001:
        return 1.0, f"The best temperature is below {LIMITS[0]:g}, which no data support: {as_it_was}."
    text = f"Temperature {fitted:.3g}, fitted on {n} validation images with {wrong} wrong {what}"
    if fitted >= LIMITS[1] / 1.001:
        text += ". It is at its upper limit: confidences say nothing of what is right"
    return fitted, text + "."


def apply(scores: Array, temperature: float, *, several: bool = False) -> Array:
    """Probabilities at another temperature; the most likely class stays the same.

    Rounding could let two classes tie, or move a probability onto 0.5; where it does, the score of
    the class that was first is raised by the least possible amount.

    Args:
        scores: (N, K) probabilities.
        temperature: What `temperature` gave, above 0.
        several: Whether an image may have several labels: each probability stands for itself, and
            stays on its side of 0.5.

    Returns:
        (N, K) of the same dtype; `argmax(1)` is that of `scores`, or `> 0.5` where several.

    Raises:
        ValueError: If the temperature is not above 0.
    """
    if not temperature > 0:
        raise ValueError(f"A temperature must be above 0. Received {temperature}.")
    if temperature == 1 or scores.size == 0:
        return scores.copy()
    half = scores.dtype.type(0.5)
    if several:
        scaled = expit(_logits(scores) / temperature).astype(scores.dtype)
        scaled = np.where(scores > half, np.maximum(scaled, np.nextafter(half, scores.dtype.type(1))), scaled)
        return np.asarray(np.where(scores > half, scaled, np.minimum(scaled, half)))
    logs = _logs(scores) / temperature
    scaled = np.exp(log_softmax(logs, axis=1)).astype(scores.dtype)
    rows, first = np.arange(len(scores)), scores.argmax(1)
    moved = scaled.argmax(1) != first
    highest = np.nextafter(scaled.max(1), scores.dtype.type(2))
    scaled[rows[moved], first[moved]] = highest[moved]
    return np.asarray(scaled)


def reliability(scores: Array, target: Array, bins: int = 15) -> list[Point]:
    """How often images of each confidence are right: the reliability diagram.

    Args:
        scores: (N, K) probabilities.
        target: (N,) class index, then the confidence is the highest score; or (N, K) bool, then it
            is the score of each label, and "right" is whether the image has it.
        bins: Number of bins of equal width.

    Returns:
        One point a bin, by rising confidence; also the empty ones, with count 0.

    Source: Niculescu-Mizil & Caruana, Predicting good probabilities with supervised learning, ICML 2005.
    """
    if target.ndim == 2:
        confidence, right = scores.ravel().astype(np.float64), target.ravel()
    elif len(scores):
        confidence, right = scores.max(1).astype(np.float64), scores.argmax(1) == target
    else:
        confidence, right = np.empty(0), np.empty(0, dtype=bool)
    where = bin_of(confidence, bins)
    count = np.bincount(where, minlength=bins)
    sums = np.bincount(where, confidence, bins)
    hits = np.bincount(where, right, bins)
    return [
        Point(s / n, h / n, int(n)) if n else Point((i + 0.5) / bins, float("nan"), 0)
        for i, (n, s, h) in enumerate(zip(count, sums.tolist(), hits.tolist(), strict=True))
    ]


def _logs(scores: Array) -> Array:
    """Log-probabilities; 0 counts as the least normal number of float32, 1e-38."""
    return np.asarray(np.log(np.maximum(scores.astype(np.float64), np.finfo(np.float32).tiny)))


def _logits(scores: Array) -> Array:
    """Log-odds; 0 counts as 1e-38, and 1 as half a step of its type below."""
    below = float(np.finfo(scores.dtype).eps) / 2
    p = np.clip(scores.astype(np.float64), np.finfo(np.float32).tiny, 1 - below)
    return np.asarray(np.log(p) - np.log1p(-p))
