"""tasks: list the tasks, or the options of one."""

from __future__ import annotations

from sightline.config import listed
from sightline.core.report import Table
from sightline.tasks import TASKS, task_type


def run(name: str | None = None) -> Table:
    """See `sightline.api.tasks`."""
    if name is None:
        cards = [TASKS.load(n).CARD for n in TASKS.names()]
        rows = [[c.name, c.summary, c.truth, c.score, c.default_model] for c in cards]
        return Table("Tasks", ["name", "what", "truth", "main score", "default method"], rows)
    TASKS.load(name)
    kind = task_type(name).Options
    return Table(f"Settings of {name}", ["option of train", "default", "what it does"], listed(kind))
