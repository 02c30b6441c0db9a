"""A graph as ONNX has it: what the ONNX file is, and what OpenVINO reads."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import torch

from sightline.errors import MissingExtra
from sightline.export.graph import INPUT, Graph, traced
from sightline.export.nms_graph import translated

OPSET = 20
"""Version of the operators; ONNX Runtime has had it since 1.17."""


def proto(graph: Graph) -> Any:
    """The graph with its weights, as an onnx.ModelProto.

    Raises:
        MissingExtra: If onnx or onnxscript is not installed.
        UsageError: If the model cannot be traced.
    """
    library()
    program = traced(graph)
    with quiet():
        exported: Any = torch.onnx.export(
            program,
            input_names=[INPUT],
            output_names=list(graph.names),
            opset_version=OPSET,
            external_data=False,
            verbose=False,
            custom_translation_table=translated(),
        )
    return exported.model_proto


def library() -> Any:
    """The package onnx.

    Raises:
        MissingExtra: If it, or onnxscript, is not installed.
    """
    try:
        import onnx
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise MissingExtra("Exporting to ONNX or OpenVINO", "onnx") from error
    return onnx


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """The libraries print what they do; users are told what came of it."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
