"""Trackers of given detections as models with nothing to train."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from sightline.console import say
from sightline.core.card import ModelCard
from sightline.core.model import Model
from sightline.core.targets.tracks import Tracks
from sightline.core.task import DataInfo
from sightline.errors import UsageError
from sightline.runtime.track import tracker_type
from sightline.runtime.track.base import TrackSettings
from sightline.runtime.track.scores import in_unit
from sightline.runtime.track.sequence import filled, track
from sightline.tasks.track.options import TrackTaskOptions


class TrackingModel(Model):
    """A tracker of `runtime/track`.

    Args:
        settings: See `settings_for`.
        pretrained: Of no effect.
    """

    card: ClassVar[ModelCard]

    def __init__(self, settings: dict[str, Any], pretrained: str = "no") -> None:
        super().__init__(settings)
        self._ranks_announced = False

    @staticmethod
    def settings_for(info: DataInfo, options: TrackTaskOptions) -> dict[str, Any]:
        """Settings that follow from the data and the options."""
        wishes = {field.name: getattr(options, field.name) for field in fields(TrackSettings)}
        classes = (
            {"classes": list(info.classes.names), "class_ids": list(info.classes.ids)} if info.classes else {}
        )
        return {"tracking": wishes, "fill_gaps": options.fill_gaps, **classes}

    def forward(self, detections: Tensor) -> dict[str, Tensor]:
        """{"tracks": (B, M, 8), filled up with frame 0; "facts": (B, 4)} for detections (B, 7, 1 + R).

        Tracks are frame, identity, x1, y1, x2, y2, score, class; facts are length, frames per second, height
        and width. See `data.inputs.sequence`.
        """
        if torch.compiler.is_exporting():
            raise UsageError("it is no network. Predict with the run itself.")
        kind = tracker_type(self.card.name)
        result = []
        for table in detections.double().cpu().movedim(1, 2).numpy():
            length, rate = int(table[0, 0]), float(table[0, 1])
            part = table[1:][table[1:, 0] > 0]
            self._announce_ranks(part[:, 5])
            rows = track(kind, self.settings["tracking"], part, length, rate)
            result.append(torch.from_numpy(filled(rows, self.settings["fill_gaps"])))
        return {"tracks": pad_sequence(result, batch_first=True), "facts": detections[:, :4, 0].double()}

    def _announce_ranks(self, scores: Any) -> None:
        """Say once that scores are no probabilities."""
        if not len(scores) or self._ranks_announced or in_unit(scores):
            return
        self._ranks_announced = True
        say(
            f"The scores of the detections run from {scores.min():g} to {scores.max():g}, and are replaced "
            "by their ranks: of each sequence the best half may begin tracks (--start-score 0.5)."
        )

    @classmethod
    def to_predictions(cls, answer: dict[str, Tensor], settings: dict[str, Any]) -> Tracks:
        """The tracks of each sequence; class ids become indices, -1 where unknown."""
        ids = {number: k for k, number in enumerate(settings.get("class_ids") or ())}
        rows = []
        for part in answer["tracks"].double().numpy():
            part = part[part[:, 0] > 0].copy()
            part[:, 7] = [ids.get(int(number), -1) for number in part[:, 7]]
            rows.append(part)
        facts = answer["facts"].tolist()
        sizes = [(int(height), int(width)) for _, _, height, width in facts]
        return Tracks.of(rows, sizes, [int(f[0]) for f in facts], [f[1] for f in facts])
