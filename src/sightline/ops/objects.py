"""What can be said of the objects in images, whether they are boxes or masks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sightline.core.targets.instances import Instances


def rarest(targets: Instances) -> NDArray[np.int64]:
    """(N,) the rarest class in each image; -1 for images without objects."""
    classes = int(targets.labels.max()) + 1 if len(targets.labels) else 1
    there = targets.present(classes).numpy()
    rarity = np.where(there, there.sum(0), np.iinfo(np.int64).max)
    return np.where(there.any(1), rarity.argmin(1), -1)
