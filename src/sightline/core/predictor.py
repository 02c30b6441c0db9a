"""Predictor: anything that predicts, a run or an exported file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

BATCH_SIZE = 64
"""Images at a time where nothing else is asked for."""


@dataclass(frozen=True)
class Outcome:
    """Result of one image: a prediction, or the reason for its absence.

    Attributes:
        id: Path or number of the image; "film.mp4#000123" for a frame, counted from 0.
        prediction: Target object of one image, or None.
        row: The same as a flat dict, for CSV and JSON lines.
        error: Why there is no prediction, or "".
    """

    id: str
    prediction: Any
    row: dict[str, Any]
    error: str = ""


class Predictor(Protocol):
    """Interface of predictors: a run, an exported file or a served address."""

    settings: dict[str, Any]

    def predict(
        self,
        source: Any,
        *,
        batch_size: int = BATCH_SIZE,
        stream: bool = False,
        min_score: float | None = None,
    ) -> Iterator[Outcome]:
        """Yield predictions in order; a file that cannot be read gives an outcome with an error.

        Every frame of a video, webcam or stream is an image. A few are decoded ahead and no more, so that
        memory does not grow with its length. What is live loses its oldest frames where the model is slower.

        Args:
            source: A file (image or video), folder or glob; the number of a webcam (0); the address of a
                stream (rtsp://, tcp://; http:// with `stream`); several of these; or
                images in memory: arrays (H, W), (H, W, C) or (N, H, W, C) in RGB, uint8 or uint16, tensors
                (C, H, W) uint8, images of Pillow, bytes of image files.
            batch_size: Images or frames at a time, at most; those of a live source come one by one.
            stream: Take an http address for a video stream; else it is refused, as no image is fetched.
            min_score: Lowest score of an object; 0 for all. None: the thresholds that were chosen for each
                class on the validation images.

        Raises:
            UsageError: If nothing is found, or an address is of something that is not fetched.
            MissingExtra: If a video is named and PyAV is not installed.
        """
        ...
