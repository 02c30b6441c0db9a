"""What a model is built from and read by: what all models have by name, and what one has of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

_KEYS: dict[str, str] = {"class_names": "classes"}
"""Attributes whose key in model.json is another."""
_LATER = ("class_names", "class_ids", "outputs", "multilabel", "conf", "nms", "max_objects", "thresholds",
          "temperature")  # fmt: skip
"""What only some models have; it is not in model.json where it is empty or None."""


@dataclass(frozen=True)
class ModelConfig:
    """The `settings` of model.json.

    Attributes:
        task: Name of the task.
        method: Name of the model among those of the task.
        backbone: Its network; "own" or None where it has one of its own.
        backbone_options: What that network is built with.
        channels: 3 (RGB) or 1 (grey), or as many bands as the images have.
        size: Height and width in pixels that it sees; of a volume depth too, first.
        resize: How images are brought to that size.
        pixel_range: Values that become 0 and 255; None where images have 8 bits.
        tile_size: Side in pixels of the tiles that images are cut into; 0 for whole images.
        mean: Of each channel in training, from 0 to 1.
        std: Standard deviation of each channel in training.
        class_names: In index order; empty for numbers.
        class_ids: Id of each class as annotated.
        outputs: Names of the numbers; empty for classes.
        multilabel: Whether an image may have several labels; None where it has none.
        conf: Lowest score of an object that is looked at at all.
        nms: Overlap (IoU) above which the worse of two objects goes; 1 for no suppression.
        max_objects: In one image.
        thresholds: Score from which an object counts, for each class, as chosen on validation.
        temperature: Logits are divided by it, as fitted on validation.
        extra: What else the model has of its own, by its key.
    """

    task: str = ""
    method: str = ""
    backbone: str | None = None
    backbone_options: Mapping[str, Any] = field(default_factory=dict)
    channels: int = 0
    size: tuple[int, ...] = ()
    resize: str = ""
    pixel_range: tuple[float, float] | None = None
    tile_size: int = 0
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    class_names: tuple[str, ...] = ()
    class_ids: tuple[int, ...] = ()
    outputs: tuple[str, ...] = ()
    multilabel: bool | None = None
    conf: float | None = None
    nms: float | None = None
    max_objects: int | None = None
    thresholds: tuple[float, ...] | None = None
    temperature: float | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The `settings` of model.json, tuples as lists."""
        rows: dict[str, Any] = {}
        for name in (f.name for f in fields(self) if f.name != "extra"):
            value = getattr(self, name)
            if name not in _LATER or (value is not None and value != ()):
                rows[_KEYS.get(name, name)] = list(value) if isinstance(value, tuple) else value
        return {**rows, **self.extra}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Inverse of `to_json`; keys that are not known are `extra`."""
        names = {_KEYS.get(f.name, f.name): f.name for f in fields(cls) if f.name != "extra"}
        values: dict[str, Any] = {
            names[key]: tuple(value) if isinstance(value, list) else value
            for key, value in content.items()
            if key in names
        }
        return cls(**values, extra={key: value for key, value in content.items() if key not in names})
