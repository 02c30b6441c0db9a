"""Objects of several classes as those of one, for answers that tell no classes apart."""

from __future__ import annotations

from dataclasses import replace

import torch

from sightline.core.dataset import Classes, Dataset
from sightline.data.parsing.columns import SINGLE_CLASS


def in_one_class(dataset: Dataset) -> Dataset:
    """The data with all objects in one class, 'object'; the names of theirs are in `recast["merged"]`."""
    names = dataset.classes.names if dataset.classes is not None else ()
    message = f"Classes are not told apart: all objects ({', '.join(names)}) count as '{SINGLE_CLASS}'."
    return replace(
        dataset,
        targets=dataset.targets.map_classes(torch.zeros(len(names), dtype=torch.int64), 1),
        classes=Classes((SINGLE_CLASS,)),
        recast={**dataset.recast, "merged": list(names)},
        messages=(*dataset.messages, message),
    )
