"""LiteRT (formerly TensorFlow Lite): for phones and small boards."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from sightline.errors import DataError, MissingExtra, UsageError
from sightline.exporters.export_card import ExportCard
from sightline.exporters.graph import INPUT, KEY, Array, Graph, Job, Runner, calibration_of, traced
from sightline.exporters.nms_graph import suppresses
from sightline.exporters.onnx_proto import quiet

CARD = ExportCard(
    name="litert",
    summary="LiteRT (.tflite), for phones and small boards; one image at a time",
    ending=".tflite",
    extra="litert",
    precisions=("fp32", "int8", "int8-dynamic", "fp16"),
    named=False,
)
SIGNATURE = "serving_default"
QUANTISED = ("CONV_2D", "DEPTHWISE_CONV_2D", "CONV_2D_TRANSPOSE", "FULLY_CONNECTED")
"""Operators that 8 bits are for: what makes answers of scores stays in 32."""


class _Named(nn.Module):
    """Graph with named outputs, which the file keeps."""

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.whole = graph  # "graph" is what fx calls its own

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return dict(zip(self.whole.names, self.whole(images), strict=True))


def write(job: Job, file: Path) -> None:
    """Write one file with batch size 1, with the document in its metadata.

    Raises:
        MissingExtra: If litert-torch is not installed.
        UsageError: If the model cannot be traced, or drops overlapping boxes include.
    """
    with quiet():
        try:
            import litert_torch
        except ImportError as error:
            raise MissingExtra("Exporting to LiteRT", CARD.extra) from error
        # Says what cannot be; the converter traces for itself.
        if suppresses(traced(job.graph)):
            raise UsageError(
                f"Model '{job.graph.model.card.name}' drops overlapping boxes between its stages, for which "
                "LiteRT has no operator. Take --to onnx or --to openvino."
            )
        example = {INPUT: job.graph.example(1)}
        litert_torch.convert(_Named(job.graph).eval(), sample_kwargs=example).export(str(file))
        if job.precision != "fp32":
            file.write_bytes(_smaller(job, file))
    _describe(file, json.dumps(job.document, ensure_ascii=False))


def runner(file: Path, threads: int = 0, taps: Sequence[str] = ()) -> Runner:
    """Run a file with LiteRT's interpreter, one image at a time.

    Args:
        file: What `write` wrote.
        threads: Of the processor; 0 leaves the library's number.
        taps: Not given: values inside a file have no names of the network's.
    """
    del taps
    with quiet():
        interpreter = _library("interpreter").Interpreter(str(file), num_threads=threads or None)
        answer = interpreter.get_signature_runner(SIGNATURE)
    _document(file)

    def run(images: Array) -> dict[str, Array]:
        parts = [answer(**{INPUT: images[i : i + 1]}) for i in range(len(images))]
        return {name: _wide(np.concatenate([part[name] for part in parts])) for name in parts[0]}

    return run


def _wide(values: Array) -> Array:
    """Cast integers from LiteRT's 32 bits to the network's 64 bits; 32 bits hold every class index."""
    return values.astype(np.int64) if values.dtype == np.int32 else values


def _smaller(job: Job, file: Path) -> bytes:
    """Quantize: float16 weights, int8 weights and activations (static), or dynamic int8."""
    from ai_edge_quantizer.algorithm_manager import AlgorithmName
    from ai_edge_quantizer.qtyping import TFLOperationName
    from ai_edge_quantizer.quantizer import Quantizer

    quantizer = Quantizer(str(file))
    measured = None
    if job.precision == "fp16":
        every = TFLOperationName.ALL_SUPPORTED
        quantizer.add_weight_only_config(".*", every, 16, algorithm_key=AlgorithmName.FLOAT_CASTING)
    for name in QUANTISED if job.precision != "fp16" else ():
        if job.precision == "int8":
            quantizer.add_static_config(".*", TFLOperationName[name], 8, 8)
        else:
            quantizer.add_dynamic_config(".*", TFLOperationName[name], 8)
    if job.precision == "int8":
        images = calibration_of(job)
        parts = [{INPUT: images[i : i + 1]} for i in range(len(images))]
        measured = quantizer.calibrate({SIGNATURE: parts})
    return bytes(quantizer.quantize(measured).quantized_model)


def _describe(file: Path, text: str) -> None:
    """Store the document in the file's metadata."""
    schema, tools = _library("schema_py_generated"), _library("tools.flatbuffer_utils")
    model = tools.read_model(str(file))
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = np.frombuffer(text.encode(), dtype=np.uint8)
    entry.name, entry.buffer = KEY, len(model.buffers)
    model.buffers.append(buffer)
    model.metadata = [*(model.metadata or []), entry]
    file.write_bytes(tools.convert_object_to_bytearray(model))


def _document(file: Path) -> dict[str, Any]:
    """Read the document that `_describe` stored.

    Raises:
        DataError: If there is none.
    """
    model = _library("tools.flatbuffer_utils").read_model(str(file))
    for entry in model.metadata or []:
        if entry.name in (KEY, KEY.encode()):
            document: dict[str, Any] = json.loads(bytes(bytearray(model.buffers[entry.buffer].data)))
            return document
    raise DataError(f"{file} was not written by Sightline: it has no document.")


def _library(name: str) -> Any:
    """A module of ai_edge_litert.

    Raises:
        MissingExtra: If it is not installed.
    """
    import importlib

    try:
        return importlib.import_module(f"ai_edge_litert.{name}")
    except ImportError as error:
        raise MissingExtra("LiteRT", CARD.extra) from error
