"""ONNX: the common exchange format, run by ONNX Runtime and many others."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sightline.errors import DataError, MissingExtra
from sightline.exporters.blocks import blocked
from sightline.exporters.export_card import ExportCard
from sightline.exporters.fold_normalization import folded
from sightline.exporters.graph import INPUT, KEY, Array, Job, Runner
from sightline.exporters.onnx_proto import library, proto, quiet
from sightline.exporters.preprocess_graph import IMAGE, whole
from sightline.exporters.quantize import quantized

CARD = ExportCard(
    name="onnx",
    summary="ONNX in one file, for ONNX Runtime, `sightline-run` and `sightline serve`",
    ending=".onnx",
    extra="onnx",
    precisions=("fp32", "int8", "int8-dynamic", "fp16"),
    includes=("postprocess", "none", "nms", "preprocess"),
    any_sides=True,
)
LARGEST = 2**31 - 2**20
"""Bytes that one file can hold (protobuf)."""


def write(job: Job, file: Path) -> None:
    """Write one file: the graph, its weights, and the document in its metadata.

    Raises:
        MissingExtra: If onnx or onnxscript is not installed.
        DataError: If it is too large for one file.
        UsageError: If the model cannot be traced.
    """
    onnx, model = library(), proto(job.graph)
    if model.ByteSize() > LARGEST:
        raise DataError(f"{file.name} would be {model.ByteSize():,} bytes; one ONNX file holds {LARGEST:,}.")
    if job.precision != "fp16":  # in 16 bits, pixels that are not scaled yet would be less exact
        model = folded(model)
    if job.precision == "fp32":  # in 8 bits slices cost less than more convolutions
        model = blocked(model)
    elif job.precision.startswith("int8"):
        model = quantized(model, job, file)
    elif job.precision == "fp16":
        model = _half(model)
    if job.graph.include == "preprocess":  # after that, since images are not quantised
        model = whole(model, job.graph.settings)
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, {KEY: json.dumps(job.document, ensure_ascii=False)})
    model.producer_name = "sightline"
    onnx.checker.check_model(model, full_check=True)
    file.write_bytes(model.SerializeToString())


def runner(file: Path, threads: int = 0, taps: Sequence[str] = ()) -> Runner:
    """Run a file with ONNX Runtime; files that take stored images get them one by one.

    Args:
        file: What `write` wrote.
        threads: Of the processor; 0 are all.
        taps: Values inside the graph that are given too, where they are still there.
    """
    try:
        import onnxruntime as ort
    except ImportError as error:
        raise MissingExtra("Running ONNX", CARD.extra) from error
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    source: Any = str(file) if not taps else _tapped(file, taps)
    session = ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs()]

    def run(images: Array) -> dict[str, Array]:
        return dict(zip(names, session.run(names, {INPUT: images}), strict=True))

    def each(images: Array) -> dict[str, Array]:
        results = [session.run(names, {IMAGE: image.transpose(1, 2, 0)}) for image in images]
        if len(results) == 1:  # values inside the graph are no batches
            return dict(zip(names, results[0], strict=True))
        return dict(zip(names, map(np.concatenate, zip(*results, strict=True)), strict=True))

    return each if session.get_inputs()[0].name == IMAGE else run


def _tapped(file: Path, taps: Sequence[str]) -> bytes:
    """The file with intermediate values as additional outputs."""
    onnx = library()
    model = onnx.load(str(file))
    produced = {name for node in model.graph.node for name in node.output}
    outputs = {o.name for o in model.graph.output}
    for name in taps:
        if name in produced - outputs:
            model.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
    data: bytes = model.SerializeToString()
    return data


def _half(model: Any) -> Any:
    """Convert weights and activations to float16; inputs and outputs keep their types."""
    from onnxruntime.transformers.float16 import convert_float_to_float16
    from onnxruntime.transformers.onnx_model import OnnxModel

    with quiet():
        half = convert_float_to_float16(model, keep_io_types=True, disable_shape_infer=True)
        OnnxModel(half).topological_sort()  # what turns a float input to 16 bits comes last else
        del half.graph.value_info[:]  # some are told with types that they no longer have
        return half
