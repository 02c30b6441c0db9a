"""Arguments of `train` and `tune`: declared once for Python, the command line, the docs and run.json.

The commands take their signatures from these classes, and a resumed run its arguments from its record.
No torch: the command line reads this file for `--help`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Literal

from sightline.config import Heading, Range
from sightline.training.recipe import Recipe

Seed = Annotated[int, Range(0, 2**32 - 1)]
CALL = ("folds", "out", "overwrite", "resume")
"""Arguments that say where a training is written or what is done around it; not part of what is repeated."""
_PATHS = ("data_dir", "splits", "teacher")


@dataclass(frozen=True, kw_only=True)
class LearningArguments:
    """Arguments of every training.

    Args:
        data: Folder, table, idx folder, or the name of a built-in or torchvision data set.
        task: Task; recognized from the data by default. See `sightline tasks`.
        model: Name of a model; by default the task's own choice. See `sightline models`.
        out: Output folder; by default a new one in runs/, named for the data.
        resume: Resume the run or search in this folder, with its own settings.
        seed: Seed of the split, the initial weights, training and search.
        device: auto, cpu, cuda, cuda:N or mps.
        format: Data format; recognized by default.
        target: Label column of a table; tags:space names the separator of several labels.
        pixel_range: LOW,HIGH: values that become black and white, for gray images of more than 8 bits.
        exif: Frame of boxes and masks: images rotated by EXIF (apply), or as stored (ignore).
        pairs: Left and right keypoints: left_ear-right_ear,left_hip-right_hip; or by number, 2-3; or none.
        data_dir: Folder of named data sets, for reading and downloading.
        splits: Use the split of this run, or of this JSON file; images added since go to train.
        accept: Findings of the check to accept, by name.
        weights: Start from these weights: a .safetensors file, or a run folder.
        pretrained: Start from published weights; auto: if they suit the images and are available.
        recipe: Settings of training.
        options: Further settings of the task or the model; `sightline tasks NAME` lists them.
    """

    data: str = field(kw_only=False)
    task: str | None = None
    model: str | None = None
    out: Path | None = None
    resume: Path | None = None
    seed: Seed = 0
    device: str = "auto"
    format: Annotated[str | None, Heading("Data")] = None
    target: str | None = None
    pixel_range: str | None = None
    exif: Literal["apply", "ignore"] | None = None
    pairs: str | None = None
    data_dir: Path | None = None
    splits: Path | None = None
    accept: Sequence[str] = ()
    weights: Annotated[str | None, Heading("Start")] = None
    pretrained: Literal["no", "auto", "yes"] = "auto"
    recipe: Recipe = field(default=Recipe(), repr=False)  # frozen
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TrainArguments(LearningArguments):
    """Arguments of `train`.

    Args:
        teacher: Teacher run for knowledge distillation; see --distill.
        prune: Prune this share of the channels of the run that --weights names, then fine-tune.
        folds: Cross-validate with this many folds instead of one split.
        overwrite: Replace the run folder if it exists.
    """

    teacher: Annotated[Path | None, Heading("Start")] = None
    prune: float | None = None
    folds: Annotated[int | None, Heading("Data")] = None
    overwrite: Annotated[bool, Heading("")] = False

    def to_json(self) -> dict[str, Any]:
        """Record for run.json: enough to start the same training again."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in CALL}
        texts = {name: str(values[name]) for name in _PATHS if values[name] is not None}
        accept, recipe = list(self.accept), self.recipe.given()
        return {**values, **texts, "accept": accept, "recipe": recipe, "options": dict(self.options)}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> TrainArguments:
        """The arguments that `to_json` recorded."""
        paths = {name: Path(record[name]) for name in _PATHS if record.get(name) is not None}
        recipe, options = Recipe(**(record["recipe"] or {})), dict(record["options"] or {})
        return cls(**{**record, **paths, "accept": tuple(record["accept"]), "recipe": recipe,
                      "options": options})  # fmt: skip

    def given(self) -> dict[str, Any]:
        """Arguments that differ from their defaults, with settings of training and loose options."""
        plain = [f for f in fields(self) if f.name not in ("data", "recipe", "options", *CALL)]
        values = {f.name: value for f in plain if (value := getattr(self, f.name)) != f.default}
        return {**values, **self.settings}

    @property
    def settings(self) -> dict[str, Any]:
        """Settings of training, the task and the model that were given."""
        return {**self.recipe.given(), **{k.replace("-", "_"): v for k, v in self.options.items()}}


@dataclass(frozen=True, kw_only=True)
class TuneArguments(LearningArguments):
    """Arguments of `tune`: those of every trial, and how many trials.

    Args:
        trials: Number of trials.
    """

    trials: Annotated[int, Range(1), Heading("")] = 20

    def each(self) -> TrainArguments:
        """Arguments of one trial, before the search draws its settings."""
        names = (f.name for f in fields(LearningArguments) if f.name not in CALL)
        return TrainArguments(**{name: getattr(self, name) for name in names})
