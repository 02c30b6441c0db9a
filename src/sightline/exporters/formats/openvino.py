"""OpenVINO intermediate representation (IR): for Intel processors, and fast on others too."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sightline.errors import MissingExtra
from sightline.exporters.export_card import ExportCard
from sightline.exporters.graph import INPUT, KEY, Array, Job, Runner, calibration_of
from sightline.exporters.onnx_proto import proto, quiet
from sightline.quiet import without_reporters

CARD = ExportCard(
    name="openvino",
    summary="OpenVINO IR: NAME.xml and NAME.bin, for Intel CPUs",
    ending=".xml",
    extra="openvino",
    precisions=("fp32", "int8", "fp16"),
    includes=("postprocess", "none", "nms"),
    any_sides=True,
)


def write(job: Job, file: Path) -> None:
    """Write the graph (.xml, with the document in its rt_info) and the weights (.bin).

    Raises:
        MissingExtra: If openvino is not installed, or nncf where the precision is int8.
        UsageError: If the model cannot be traced.
        OSError: If the disk refuses.
    """
    ov = library()
    # Read, not converted: ov.convert_model reports its use.
    model = ov.Core().read_model(proto(job.graph).SerializeToString(), b"")
    if job.precision == "int8":
        model = _quantized(model, job)
    model.set_rt_info(json.dumps(job.document, ensure_ascii=False), [KEY])
    try:
        ov.save_model(model, str(file), compress_to_fp16=job.precision == "fp16")
    except RuntimeError as error:
        if "iostream" not in str(error):
            raise
        raise OSError(None, "the disk refuses it; it is probably full", str(file)) from error


def runner(file: Path, threads: int = 0, taps: Sequence[str] = ()) -> Runner:
    """Run the written file in float32, even where the processor prefers a lower precision.

    Args:
        file: The .xml; its .bin lies beside it.
        threads: Of the processor; 0 are all.
        taps: Values inside the graph that are given too, where they are still there.
    """
    ov = library()
    core = ov.Core()
    model = core.read_model(str(file))
    names = [out.get_any_name() for out in model.outputs]
    available = {out.get_any_name(): out for op in model.get_ops() for out in op.outputs() if out.get_names()}
    more = [name for name in taps if name in available and name not in names]
    if more:
        model.add_outputs([available[name] for name in more])
    # Else bfloat16 is taken on processors that have it, which no other runtime does unasked.
    config: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    if threads:
        config["INFERENCE_NUM_THREADS"] = threads
    compiled = core.compile_model(model, "CPU", config)
    request = compiled.create_infer_request()

    def run(images: Array) -> dict[str, Array]:
        outputs = request.infer({INPUT: images}, share_inputs=False, share_outputs=False)
        return {name: np.array(outputs[i]) for i, name in enumerate([*names, *more])}

    return run


def library() -> Any:
    """The package openvino, with its telemetry package blocked.

    Raises:
        MissingExtra: If it is not installed.
    """
    without_reporters()
    try:
        import openvino
    except ImportError as error:
        raise MissingExtra("OpenVINO", CARD.extra) from error
    return openvino


def _quantized(model: Any, job: Job) -> Any:
    """Post-training quantization by NNCF: int8 weights and activations."""
    try:
        import nncf
    except ImportError as error:
        raise MissingExtra("Quantising for OpenVINO", CARD.extra) from error
    images = calibration_of(job)
    parts = nncf.Dataset([images[i : i + 1] for i in range(len(images))])
    with quiet():
        return nncf.quantize(model, parts, subset_size=len(images), preset=nncf.QuantizationPreset.MIXED)
