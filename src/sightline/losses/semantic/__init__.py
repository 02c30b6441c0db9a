"""Losses of semantic segmentation, one file each with CARD and `loss`, and weighted sums of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sightline.core.folder import Folder
from sightline.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

    Loss = Callable[[Tensor, Tensor, Tensor | None], Tensor]

LOSSES = Folder(__name__, "loss")
"""What can be minimised."""

_TERM = re.compile(r"(?:(?P<factor>(?:\d+\.?\d*|\.\d+)(?:[eE]-?\d+)?)\s*\*\s*)?(?P<name>[A-Za-z][\w-]*)")
_FORM = "Write names joined by +, each with a factor above 0 before it if wanted: ce+jaccard, ce+0.5*dice."


@dataclass(frozen=True)
class LossCard:
    """Metadata of a loss.

    Attributes:
        name: The name a user writes.
        summary: One line for lists.
        paper: Author, title, venue, year.
    """

    name: str
    summary: str
    paper: str


@dataclass(frozen=True)
class Sum:
    """A weighted sum of losses.

    Attributes:
        terms: Name, factor and function of each.
    """

    terms: tuple[tuple[str, float, Loss], ...]

    def __call__(self, logits: Tensor, target: Tensor, weights: Tensor | None = None) -> dict[str, Tensor]:
        """Each term times its factor by name, and their sum as "loss".

        Args:
            logits: (B, K, H, W) scores of the classes before the softmax; computed with in float32.
            target: (B, H, W) int64 class of each pixel, 255 where there is none: such pixels do not count.
            weights: (K,) how much each class counts, or None: all alike.

        Returns:
            Scalars; all are 0, with a gradient of 0, where no pixel has a class.
        """
        losses = {name: factor * loss(logits, target, weights) for name, factor, loss in self.terms}
        total = next(iter(losses.values()))
        for value in list(losses.values())[1:]:
            total = total + value
        return {"loss": total, **losses}


def parse(text: str) -> Sum:
    """Parse a loss such as "ce+0.5*dice".

    Raises:
        UnknownName: If a name is not in the folder.
        UsageError: If the text has another form, a factor is 0, or a loss is named twice.
    """
    terms: dict[str, tuple[str, float, Loss]] = {}
    for part in text.split("+"):
        match = _TERM.fullmatch(part.strip())
        if match is None:
            raise UsageError(f"--loss '{text}': '{part.strip()}' is not a loss. {_FORM}")
        name, factor = match["name"].lower(), float(match["factor"] or 1)
        if factor == 0:
            raise UsageError(f"--loss '{text}': the factor of {name} is 0. {_FORM}")
        if name in terms:
            raise UsageError(f"--loss '{text}' names {name} twice. {_FORM}")
        terms[name] = (name, factor, LOSSES.load(name).loss)
    return Sum(tuple(terms.values()))
