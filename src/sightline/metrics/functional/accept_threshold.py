"""The threshold of verification: from which cosine on two images count as one identity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sightline.core.targets.label import ClassLabels
from sightline.core.targets.vector import Vector
from sightline.metrics.functional.pairs import (
    LEAST_PAIRS,
    STEPS,
    Counts,
    all_pairs,
    threshold_level,
)


@dataclass(frozen=True)
class Threshold:
    """A fitted threshold.

    Attributes:
        cosine: From this on a pair is accepted; None where the pairs cannot carry it.
        text: How it was fitted, or why there is none.
    """

    cosine: float | None
    text: str


def fit_threshold(prediction: Vector, target: ClassLabels, far: float) -> Threshold:
    """Lowest threshold at which the share of accepted impostor pairs is at most the false accept rate.

    Args:
        prediction: Of images that the network was not trained on.
        target: Their identities.
        far: The rate.
    """
    identity = target.value.numpy()
    pairs = all_pairs(prediction.embedding.float().numpy(), identity)
    people, n, wanted = len(np.unique(identity)), len(pairs.impostor), int(np.ceil(LEAST_PAIRS / far))
    of = f"{n:,} impostor pairs of {people} identities"
    if n < wanted:
        return Threshold(
            None,
            f"no threshold: a false accept rate of {far:.3g} needs {wanted:,} impostor pairs at least, "
            "and there "
            f"are {of}. Ask for a higher --far, or add identities.",
        )
    level = threshold_level(Counts(pairs.impostor, pairs.impostor[:0]), far)
    accepted = float((pairs.genuine >= level).mean()) if len(pairs.genuine) else float("nan")
    return Threshold(
        level / STEPS,
        f"two images count as one identity from a cosine of {level / STEPS:.3f} on: a false accept rate of "
        f"{far:.3g} on the {of} of validation, where {accepted:.1%} of the genuine pairs are accepted",
    )
