"""models: the networks that can be named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sightline.declaration import command

if TYPE_CHECKING:
    from sightline.core.card import ModelCard
    from sightline.core.report import Table

COLUMNS = ("name", "what it is", "parameters", "counted", "made for", "paper")
MORE = "`--all` adds the more than a thousand networks of timm, all of which can be trained."


@command
def list_models(pattern: str = "*", *, all: bool = False) -> Table:
    """List models by name.

    Args:
        pattern: Pattern of names ("resnet*").
        all: List the more than one thousand models of timm too.
    """
    from fnmatch import fnmatchcase

    from sightline.core.report import Table
    from sightline.models import registry

    names = [n for n in registry.names(all) if fnmatchcase(n.lower(), pattern.lower())]
    notes = ["" if names else f"Nothing is called like '{pattern}'.", "" if all else MORE]
    rows = [_row(name, registry.card(name)) for name in names]
    return Table("Models", COLUMNS, rows, " ".join(note for note in notes if note))


def _row(name: str, card: ModelCard) -> list[str]:
    size = f"{card.size[0]}x{card.size[1]}" if card.size else "any size"
    parameters = f"{card.parameters:,}" if card.parameters is not None else ""
    return [name, card.summary, parameters, card.counted, size, card.paper]
