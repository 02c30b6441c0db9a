"""Arguments of a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sightline.training.recipe import Recipe


@dataclass(frozen=True)
class Asked:
    """Arguments of a training; stored in the run, enough to start it again."""

    data: str
    task: str | None = None
    model: str | None = None
    format: str | None = None
    target: str | None = None
    pixel_range: str | None = None
    exif: Literal["apply", "ignore"] | None = None
    data_dir: str | None = None
    splits: str | None = None
    weights: str | None = None
    pretrained: Literal["no", "auto", "yes"] = "auto"
    teacher: str | None = None
    prune: float | None = None
    seed: int = 0
    device: str = "auto"
    accept: tuple[str, ...] = ()
    recipe: Mapping[str, Any] | None = None
    options: Mapping[str, Any] | None = None

    @classmethod
    def of(
        cls, recipe: Recipe, accept: Sequence[str], paths: Mapping[str, Path | None], **given: Any
    ) -> Asked:
        """Arguments of a command as JSON types; settings that the recipe leaves open are left out."""
        values = {n: v for n in Recipe.names() if (v := getattr(recipe, n)) is not None}
        texts: dict[str, Any] = {k: None if path is None else str(path) for k, path in paths.items()}
        return cls(recipe=values, accept=tuple(accept), **texts, **given)
