"""Tasks: one folder each, with CARD in its `__init__` and class Task in task.py."""

from sightline.core.folder import Folder

TASKS = Folder(__name__, "task")
