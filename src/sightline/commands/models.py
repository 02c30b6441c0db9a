"""models: the networks that can be named."""

from __future__ import annotations

import fnmatch

from sightline.core.report import Table
from sightline.models import registry

COLUMNS = ("name", "what it is", "parameters", "counted", "made for", "paper")


def run(pattern: str = "*", *, all: bool = False) -> Table:
    """See `sightline.api.models`."""
    wanted = pattern.lower()
    names = [n for n in registry.names(all) if fnmatch.fnmatchcase(n.lower(), wanted)]
    more = (
        "" if all else " `--all` adds the more than a thousand networks of timm, all of which can be trained."
    )
    if not names:
        more = f"Nothing is called like '{pattern}'.{more}"
    return Table("Models", COLUMNS, [_row(name) for name in names], more.strip())


def _row(name: str) -> list[str]:
    card = registry.card(name)
    size = f"{card.size[0]}x{card.size[1]}" if card.size else "any size"
    parameters = f"{card.parameters:,}" if card.parameters is not None else ""
    return [name, card.summary, parameters, card.counted, size, card.paper]
