"""`ExplainCard`: metadata of a method of explanation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Needs = Literal["predictions", "gradients", "layers", "attention"]


@dataclass(frozen=True)
class ExplainCard:
    """Metadata of a method of explanation.

    Attributes:
        name: The name a user writes after --method.
        summary: One line for lists.
        paper: Author, title, venue, year.
        needs: What it must have of the model: its predictions alone, so that it works on an exported file;
            gradients; the feature maps of a layer too; or attention over all patches (vision transformers).
        layer: Of methods of layers: whether they look at the last fine layer, or at the last of all.
        follows_image: Whether the map of a network with random weights still points at objects, so that
            pointing is no proof that the network looks there. Printed on the page.
        class_blind: Whether the map is the same whatever is explained. Printed on the page.
    """

    name: str
    summary: str
    paper: str
    needs: Needs
    layer: Literal["fine", "last"] = "last"
    follows_image: bool = False
    class_blind: bool = False


@dataclass(frozen=True)
class ViewCard:
    """Metadata of a view of a whole network.

    Attributes:
        name: Its name in the record.
        title: Heading of its section.
        meaning: What it shows and what follows from it, in one sentence.
        rank: Its place on the page, from the first.
        paper: Author, title, venue, year; "" where there is none.
    """

    name: str
    title: str
    meaning: str
    rank: int
    paper: str = ""
