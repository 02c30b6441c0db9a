"""Loading of the model in a run folder: its record and its weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sightline.core.model import Model
from sightline.core.run_record import wrong_format
from sightline.core.task import Task
from sightline.errors import DataError, UsageError
from sightline.models.surgery import layer_widths
from sightline.storage import read_tensors
from sightline.tasks import load_method, task_from


def holds_model(path: Path) -> bool:
    """Whether a path is the folder of a run or model, also of one that is not finished."""
    return any((path / name).exists() for name in ("run.json", "model.json", "model/model.json", "fold-1"))


def read_card(path: Path) -> tuple[Path, dict[str, Any]]:
    """The model folder in a run folder (or the folder itself) and its model.json.

    Raises:
        DataError: If there is none, it is damaged, or of a newer format.
    """
    folder = path / "model" if (path / "model").is_dir() else path
    file = folder / "model.json"
    if path.is_file():
        raise DataError(
            f"{path} is a file. Expected the folder of a run or model. With an exported file, "
            f"`sightline-run {path} IMAGES` and `sightline serve {path}` predict."
        )
    if not file.is_file():
        hint = "the run has no finished model yet; resume it" if (path / "run.json").is_file() else ""
        if (path / "fold-1").is_dir():
            hint = f"a cross-validation has a model in each fold; use {path / 'fold-1'}"
        raise DataError(f"{path} holds no model: there is no {file.name}. {hint}".strip())
    try:
        card: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{file} is damaged: {error}.") from error
    if trouble := wrong_format(card):
        raise DataError(f"{file}: {trouble}.")
    return folder, card


def require_whole_images(settings: Mapping[str, Any], what: str) -> None:
    """Refuse a model that is shown crops of objects where nobody knows their boxes.

    Args:
        settings: Of the model.
        what: What is refused, as the sentence begins.

    Raises:
        UsageError: If it is such a model.
    """
    if settings.get("items") == "objects":
        raise UsageError(
            f"{what}: the model is shown one object at a time, cut out by its box. `sightline predict RUN "
            "IMAGES --boxes DETECT_RUN` takes the boxes that a detector finds, --boxes FILE those of a file. "
            "For images that show one object each, train with --crop image."
        )


def restore(path: Path) -> tuple[Model, Task, dict[str, Any]]:
    """Model with its weights, task, and card, as a run stored them.

    Raises:
        DataError: If weights and card do not fit each other.
    """
    folder, card = read_card(path)
    settings = card["model_config"]
    task = task_from(card)
    model = layer_widths.build(load_method(card).MODEL, settings)
    tensors = read_tensors(folder / "model.safetensors")
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise DataError(f"{folder}: the weights do not fit model.json: {error}") from error
    bad = [name for name, t in tensors.items() if t.is_floating_point() and not bool(t.isfinite().all())]
    if bad:
        raise DataError(f"{folder}/model.safetensors holds values that are not finite, in {bad[0]}.")
    return model, task, card
