"""Error isolation: additions to the scores may fail without losing the scores."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from sightline.console import say
from sightline.core.report import Figure
from sightline.core.targets.base import Targets
from sightline.core.task import Task
from sightline.errors import Interrupted

T = TypeVar("T")


def attempt(what: str, make: Callable[[], T], otherwise: T, failed: list[str]) -> T:
    """Result of `make`, or `otherwise` if it fails: additions must not cost the scores.

    Args:
        what: Its name, as the first words of a sentence.
        make: Makes it.
        otherwise: What stands in for it.
        failed: Gets a sentence on what failed, which is said too.

    Raises:
        Interrupted: If the user stopped it.
    """
    try:
        return make()
    except Interrupted:
        raise
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{type(error).__name__} in {Path(last.filename).name}, line {last.lineno}"
        text = f"{what} failed and is left out ({where}: {error}). The scores do not depend on it."
        say(text)
        failed.append(text)
        return otherwise


def exhibits(
    task: Task,
    prediction: Targets,
    target: Targets,
    ids: list[str],
    settings: Mapping[str, Any],
    failed: list[str],
) -> list[Figure]:
    """Report items of the predictions; none, and a sentence in `failed`, if the task raises."""
    make = partial(task.figures, prediction, target, ids, settings)
    return attempt("The closer look", make, [], failed)
