"""A predictor from a run folder or a model folder."""

from __future__ import annotations

import glob
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sightline.core.checkpoint import read_tensors
from sightline.core.dataset import Pixels
from sightline.core.model import Model
from sightline.core.predictor import Outcome
from sightline.core.run import FORMAT
from sightline.core.sample import Batch
from sightline.core.task import Task
from sightline.data._magic import ALL_EXTENSIONS
from sightline.data.images import Arrays, Files, picture
from sightline.engine.devices import Devices, pick
from sightline.errors import DataError, UnreadableImage, UsageError
from sightline.tasks import TASKS
from sightline.verbs._plan import task_from


def run(path: Path, *, device: str = "auto") -> ModelPredictor:
    """See `sightline.api.load`."""
    return ModelPredictor(Path(path), device)


def read_card(path: Path) -> tuple[Path, dict[str, Any]]:
    """The model folder in a run folder (or the folder itself) and its model.json.

    Raises:
        DataError: If there is none, it is damaged, or of a newer format.
    """
    folder = path / "model" if (path / "model").is_dir() else path
    file = folder / "model.json"
    if not file.is_file():
        hint = "the run has no finished model yet; resume it" if (path / "run.json").is_file() else ""
        if (path / "fold-1").is_dir():
            hint = f"a cross-validation has a model in each fold; use {path / 'fold-1'}"
        raise DataError(f"{path} holds no model: there is no {file.name}. {hint}".strip())
    try:
        card: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{file} is damaged: {error}.") from error
    if card.get("format", 0) > FORMAT:
        raise DataError(
            f"{file} is of format {card['format']}; this Sightline reads up to {FORMAT}. "
            "Update: pip install -U sightline."
        )
    return folder, card


def restore(path: Path) -> tuple[Model, Task, dict[str, Any]]:
    """Model with its weights, task, and card, as a run stored them.

    Raises:
        DataError: If weights and card do not fit each other.
    """
    folder, card = read_card(path)
    settings = card["settings"]
    task = task_from(card)
    method = TASKS.load(settings["task"]).MODELS.load(settings["method"])
    model: Model = method.MODEL(settings)
    tensors = read_tensors(folder / "model.safetensors")
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise DataError(f"{folder}: the weights do not fit model.json: {error}") from error
    bad = [name for name, t in tensors.items() if t.is_floating_point() and not bool(t.isfinite().all())]
    if bad:
        raise DataError(f"{folder}/model.safetensors holds values that are not finite, in {bad[0]}.")
    return model, task, card


class ModelPredictor:
    """Predicts with the model of a run.

    Attributes:
        settings: What the model was built from.
        task: Its task.
        model: The network, in evaluation mode.
    """

    def __init__(self, path: Path, device: str = "auto") -> None:
        self.model, self.task, card = restore(path)
        self.settings: dict[str, Any] = card["settings"]
        self.devices = Devices(pick(device))
        self.model.to(self.devices.device).eval()

    def predict(self, source: Any, *, batch_size: int = 64) -> Iterator[Outcome]:
        """Predictions, in order, as they come; a bad file is an outcome with an error.

        Args:
            source: A file, folder or glob, or several; an array (H, W, C) or (N, H, W, C) uint8,
                or several arrays.
            batch_size: Images at a time.

        Raises:
            UsageError: If nothing is found, or the source is an address.
        """
        pixels, ids = _pixels(source)
        for start in range(0, len(ids), batch_size):
            yield from self._batch(pixels, ids, range(start, min(start + batch_size, len(ids))))

    def _batch(self, pixels: Pixels, ids: Sequence[str], where: range) -> Iterator[Outcome]:
        seen: dict[int, np.ndarray] = {}
        errors: dict[int, str] = {}
        for i in where:
            try:
                seen[i] = picture(
                    pixels, i, tuple(self.settings["size"]), self.settings["fit"], self.settings["channels"]
                )
            except UnreadableImage as error:
                errors[i] = error.detail
        rows: dict[int, tuple[Any, dict[str, Any]]] = {}
        if seen:
            images = torch.from_numpy(np.stack(list(seen.values())).transpose(0, 3, 1, 2).copy())
            prediction = self._forward(images, [ids[i] for i in seen])
            flat = self.task.rows(prediction)
            rows = {i: (prediction[n], flat[n]) for n, i in enumerate(seen)}
        for i in where:
            if i in errors:
                yield Outcome(ids[i], None, {}, errors[i])
            else:
                yield Outcome(ids[i], *rows[i])

    @torch.no_grad()
    def _forward(self, images: torch.Tensor, ids: list[str]) -> Any:
        outputs = self.model(Batch(images, None, ids).to(self.devices.device).images)
        return self.model.decode({k: v.float() for k, v in outputs.items()}, self.settings).to("cpu")


def _pixels(source: Any) -> tuple[Pixels, list[str]]:
    """Where the pictures come from, and their names."""
    if isinstance(source, np.ndarray):
        source = source[None] if source.ndim == 3 else source
        return Arrays(source), [str(i) for i in range(len(source))]
    several = [source] if isinstance(source, str | Path) else list(source)
    if several and isinstance(several[0], np.ndarray):
        return Arrays(np.stack([np.asarray(one) for one in several])), [str(i) for i in range(len(several))]
    files = [file for one in several for file in _files(str(one))]
    if not files:
        raise UsageError(f"There is nothing to predict in {', '.join(map(str, several)) or 'nothing'}.")
    return Files(files), [str(f) for f in files]


def _files(source: str) -> Iterable[Path]:
    """Files of one source, sorted; a named file is taken whatever its name."""
    if "://" in source:
        raise UsageError(f"{source} is an address. Nothing is fetched from the network: give a file.")
    path = Path(source)
    if path.is_dir():
        found = sorted(p for p in path.rglob("*") if p.is_file() and p.suffix.lower() in ALL_EXTENSIONS)
        if not found:
            raise UsageError(f"The folder {source} has no pictures in it.")
        return found
    if path.exists():
        return [path]
    matches = sorted(glob.glob(source, recursive=True))
    if not matches:
        raise UsageError(f"{source}: there is no such file or folder, and as a glob it matches nothing.")
    return [Path(m) for m in matches if Path(m).is_file()]
