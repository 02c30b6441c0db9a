"""Opening of an exported file: validate its card, and start the inference session."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from ..errors import DataError, UsageError
from .inputs import INPUTS, input_reader
from .targets import TARGETS, target_type

_SIDE = 2**15
_RULES: dict[str, Callable[[Any], bool]] = {
    "size": lambda v: len(v) == 2 and all(isinstance(n, int) and 0 < n <= _SIDE for n in v),
    "resize": lambda v: v in ("stretch", "crop", "letterbox", "rect"),
    "channels": lambda v: v in (1, 3),
}


def min_score(score: float | None, card: dict[str, Any], settings: dict[str, Any]) -> float | None:
    """Validate the score threshold, and raise `conf` in the settings to it if weaker objects change
    nothing.
    """
    if score is None:
        return None
    if not 0 <= score <= 1:
        raise UsageError(f"--min-score must lie in [0, 1]. Received {score}.")
    if not target_type(card["prediction"]).objects:
        raise UsageError("--min-score chooses among objects; this model says one thing of the whole image.")
    if settings.get("cuts") is None:  # else scores are stretched after they were read
        below = float(np.nextafter(np.float32(score), np.float32(-1)))  # `conf` itself goes
        settings["conf"] = max(settings["conf"], below)
    return score


def settings_of(card: dict[str, Any], file: Path) -> dict[str, Any]:
    """The model's settings, if this version can read its outputs."""
    kind, settings = card["prediction"], dict(card["model_config"])
    item = settings.get("input", "image")
    _refuse_other_inputs(item, settings, file)
    if kind not in TARGETS:
        kinds = ", ".join(TARGETS.names())
        raise DataError(f"{file} predicts '{kind}'; this runtime reads {kinds}. Update sightline-runtime.")
    target = target_type(kind)
    if card["include"] == "preprocess":
        raise DataError(
            f"{file} was exported with --include preprocess, for programs that do not bring images to size "
            "themselves. Here that is done as in training, to the bit: export it with --include postprocess."
        )
    if card["include"] not in ("postprocess", "nms"):
        raise DataError(
            f"{file} was exported with --include {card['include']}: what is done before and after the "
            "network is not in it. Export it with --include postprocess."
        )
    if settings.get("tile_size") and not target.located:
        raise DataError(
            f"{file} predicts '{kind}' by tiles, which cannot be joined. Update sightline-runtime."
        )
    rules = {**_RULES, **input_reader(item).rules(), **target.rules()}
    if settings.get("tile_size"):
        rules["tile_size"] = lambda v: isinstance(v, int) and 0 < v <= _SIDE
    for name, rule in rules.items():
        try:
            good = rule(settings[name])
        except (KeyError, TypeError):
            good = False
        if not good:
            value = settings.get(name)
            raise DataError(f"{file} holds a damaged card: its '{name}' is {value!r}. Export it again.")
    span = settings.get("pixel_range")  # files of before it have none
    if span is not None and not (len(span) == 2 and span[0] < span[1]):
        raise DataError(f"{file} holds a damaged card: its 'pixel_range' is {span!r}. Export it again.")
    settings["pixel_range"] = None if span is None else (float(span[0]), float(span[1]))
    settings["size"] = tuple(settings["size"])
    return settings


def _refuse_other_inputs(item: object, settings: dict[str, Any], file: Path) -> None:
    """Pass if the model takes images or clips of 8 bits, grey or in colors."""
    bands = settings.get("channels", 3)
    if not isinstance(item, str) or item not in INPUTS:
        what = f"takes a {item} for each item"
    elif settings.get("dtype", "uint8") != "uint8":
        what = f"takes {item}s of more than 8 bits"
    elif isinstance(bands, int) and 3 < bands <= 32:
        what = f"takes {item}s of {bands} bands"
    else:
        return
    raise DataError(
        f"{file} {what}. This runtime reads images and clips of 8 bits, grey or in colors. Predict with "
        "the run (sightline predict RUN), or give the file arrays with ONNX Runtime."
    )


def network(data: bytes, file: Path, threads: int, providers: Sequence[str] | None) -> Any:
    """Inference session of the file. It gets the bytes, not the path: they are what was inspected."""
    onnxruntime.disable_telemetry_events()  # on Windows, where the variables of `quiet` are not read
    wanted = list(providers or ["CPUExecutionProvider"])
    available = onnxruntime.get_available_providers()
    for name in wanted:
        if name not in available:
            raise UsageError(f"ONNX Runtime has no provider '{name}' here. It has: {', '.join(available)}.")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors, which are raised too
    try:
        return onnxruntime.InferenceSession(data, options, providers=wanted)
    except Exception as error:  # it raises a type of its own for each kind of trouble
        what = f"{file} cannot be run by ONNX Runtime {onnxruntime.__version__}: {first_line(error)}"
        raise DataError(what) from error


def first_line(error: Exception) -> str:
    """First line of an exception of ONNX Runtime."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
