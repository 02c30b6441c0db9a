"""weights: the published weights that are installed, and those that can be downloaded."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from sightline.declaration import command

if TYPE_CHECKING:
    from sightline.core.report import Table
    from sightline.models.weights.sources import Source

COLUMNS = ("model", "state", "license", "size", "SHA-256", "trained on", "top-1", "from")
NOTE = (
    "The photographs of ImageNet-1k are licensed for research: what that means for weights trained on them "
    "is not settled, so ask a lawyer before you sell a model. A licence here is that of the weights, as "
    "their publishers state it; '-' is not known without asking, and this list asks nobody. With "
    "--pretrained no or SIGHTLINE_OFFLINE=1 nothing is fetched. A fetch sends the name of a file; nothing "
    "of your data leaves this machine."
)
ALL = "`--all` adds all that timm knows."


@command
def list_weights(pattern: str = "*", *, all: bool = False) -> Table:
    """List published weights: installed, cached, or available for download. Downloads nothing.

    Args:
        pattern: Pattern of names ("resnet*").
        all: List all weights that timm knows too.
    """
    from sightline.core.report import Table
    from sightline.models.weights import sources

    rows = [_row(s) for s in sources.listed(all) if fnmatchcase(s.model.lower(), pattern.lower())]
    nothing = "" if rows else f"Nothing here is called like '{pattern}'."
    return Table("Weights", COLUMNS, rows, " ".join(t for t in (nothing, NOTE, "" if all else ALL) if t))


def _row(source: Source) -> list[str]:
    size = "-"
    if source.bytes is not None:
        size = f"{'about ' if source.guessed else ''}{source.bytes / 1e6:.1f} MB"
    top1 = "-" if source.top1 is None else f"{100 * source.top1:.1f} %"
    cells = [source.license, size, source.sha256[:12], source.trained_on, top1, source.place]
    return [source.model, source.state, *(cell or "-" for cell in cells)]
