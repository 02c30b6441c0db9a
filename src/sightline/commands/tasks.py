"""tasks: list the tasks, or the options of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sightline.declaration import command

if TYPE_CHECKING:
    from sightline.core.report import Table


@command
def list_tasks(name: str | None = None) -> Table:
    """List the tasks, or the options of one.

    Args:
        name: Task whose options to list.
    """
    from sightline.config import listed
    from sightline.core.report import Table
    from sightline.tasks import TASKS, task_type

    if name is None:
        cards = [TASKS.load(n).CARD for n in TASKS.names()]
        rows = [[c.name, c.summary, c.target_type, c.primary_metric, c.default_model] for c in cards]
        return Table("Tasks", ["name", "what", "target", "main score", "default method"], rows)
    TASKS.load(name)
    options = listed(task_type(name).Options)
    return Table(f"Settings of {name}", ["option of train", "default", "what it does"], options)
