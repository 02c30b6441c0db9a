"""Run record, the content of run.json: arguments, resolved settings, data, state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

from sightline.core.model_config import ModelConfig
from sightline.errors import DataError

FORMAT = 2
"""Number of the format of run.json and model.json; others are refused."""


def wrong_format(content: Mapping[str, Any]) -> str:
    """Why a run.json or model.json of another format is not read, with the way out; "" for this format."""
    number = content.get("format", 0)
    if number == FORMAT:
        return ""
    by = f"it is of format {number}, written by Sightline {content.get('sightline') or '0.1'}"
    if isinstance(number, int) and number < FORMAT:
        return f"{by}, and this one reads format {FORMAT}: use it with that version, or train again"
    return f"{by}, and this one reads up to {FORMAT}: pip install -U sightline"


@dataclass(frozen=True)
class DataRecord:
    """The data of a run.

    Attributes:
        name: Of the data set.
        source: As it was named on the command line.
        format: Name of the format it was read in.
        images: How many there are.
        classes: Class names, in index order; empty for numbers.
        outputs: Names of the numbers; empty for classes.
        fingerprint: Of ids, targets and sizes; equal only for the same data.
        splits: Images in train, val and test.
    """

    name: str = ""
    source: str = ""
    format: str = ""
    images: int = 0
    classes: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    fingerprint: str = ""
    splits: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class RunRecord:
    """The content of run.json.

    Attributes:
        format: Of the files of the run.
        status: "running", "done", "interrupted", "failed", or "tuned" (a trial).
        command: "train" or "tune".
        arguments: What was asked on the command line.
        recipe: Every setting of training, as resolved.
        model_config: What the model is built from, as in model.json.
        data_info: The data as the task is told of them (`DataInfo`).
        task_config: The task's own options.
        decisions: The reason of each decision, by its name.
        messages: What was said to the user.
        data: What it was trained on.
        seed: Of split, weights and batches.
        teacher: Run, model and weights (SHA-256) that it learns from.
        sightline: Version.
        versions: Of libraries.
        environment: System, Python, processor, cores, memory.
        started: Date and time.
        weights: Where the weights came from that training began with; "scratch" for random ones.
        pruned: What `--prune` took out.
        seconds: Of training.
        joules: Used by the processors, where that can be measured.
        error: Why it failed or was interrupted.
        folds: How many, of a cross-validation.
        trials: How many, of a search.
        began: SHA-256 of the weights that every trial of a search begins with.
        optuna: Version, of a search.
        extra: What else is in the file, by its key.
    """

    format: int = FORMAT
    status: str = "running"
    command: str = "train"
    arguments: dict[str, Any] = field(default_factory=dict)
    recipe: dict[str, Any] = field(default_factory=dict)
    model_config: ModelConfig = field(default_factory=ModelConfig)
    data_info: dict[str, Any] = field(default_factory=dict)
    task_config: dict[str, Any] = field(default_factory=dict)
    decisions: dict[str, str] = field(default_factory=dict)
    messages: tuple[str, ...] = ()
    data: DataRecord = DataRecord()
    seed: int = 0
    teacher: dict[str, str] | None = None
    sightline: str = "?"
    versions: dict[str, str] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    started: str = ""
    folds: int | None = None
    trials: int | None = None
    began: str | None = None
    optuna: str | None = None
    weights: str | None = None
    pruned: dict[str, Any] | None = None
    seconds: float | None = None
    joules: float | None = None
    error: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def card(self) -> dict[str, Any]:
        """What model.json says too: model_config, data_info and task_config."""
        return {
            "model_config": self.model_config.to_json(),
            "data_info": self.data_info,
            "task_config": self.task_config,
        }

    def to_json(self) -> dict[str, Any]:
        """The content of run.json; None values are left out."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("data", "extra")}
        values["data"] = {f.name: getattr(self.data, f.name) for f in fields(self.data)}
        values["model_config"] = self.model_config.to_json()
        order = [f.name for f in fields(self) if f.name != "extra"]
        rows = {name: values[name] for name in order if values[name] is not None}
        return {**rows, **self.extra}

    @classmethod
    def from_json(cls, content: Any) -> Self:
        """Inverse of `to_json`.

        Raises:
            DataError: If it is no object, of a newer format, or says unknown things of the data.
        """
        if not isinstance(content, dict):
            raise DataError(f"it holds a {type(content).__name__}, where an object is expected")
        if trouble := wrong_format(content):
            raise DataError(trouble)
        names = {f.name for f in fields(cls)} - {"extra"}
        values = {key: value for key, value in content.items() if key in names}
        data = values.get("data", {})
        odd = set(data) - {f.name for f in fields(DataRecord)} if isinstance(data, dict) else {"data"}
        if odd:
            raise DataError(f"it says {', '.join(sorted(odd))} of the data, which is not known")
        of_data: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}
        values["data"] = DataRecord(**of_data)
        values["model_config"] = ModelConfig.from_json(values.get("model_config", {}))
        values["messages"] = tuple(values.get("messages", ()))
        extra = {key: value for key, value in content.items() if key not in names}
        return cls(**values, extra=extra)
