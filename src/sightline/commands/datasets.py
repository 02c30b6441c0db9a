"""datasets: the formats that are read, and the data sets with a name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sightline.declaration import command

if TYPE_CHECKING:
    from sightline.core.report import Table


@command
def list_datasets() -> list[Table]:
    """List the data formats, and the data sets with a name."""
    from sightline.core.report import Table
    from sightline.data.formats import FORMATS
    from sightline.data.open import list_named

    cards = [FORMATS.load(n).CARD for n in FORMATS.names()]
    formats = [
        [c.name, c.summary, c.recognized_by, ", ".join(c.target_types), "yes" if c.writes else "-"]
        for c in cards
    ]
    return [
        Table("Formats", ["name", "what", "recognized by", "target", "written"], formats),
        Table("Data sets by name", ["name", "what"], [list(pair) for pair in list_named().items()]),
    ]
