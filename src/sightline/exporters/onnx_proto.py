"""ONNX conversion: a graph as `onnx.ModelProto`, for ONNX files and for OpenVINO."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import torch

from sightline.errors import MissingExtra
from sightline.exporters.graph import INPUT, Graph, traced
from sightline.exporters.nms_graph import translated

OPSET = 20
"""Version of the operators; ONNX Runtime has had it since 1.17."""


def proto(graph: Graph) -> Any:
    """Convert a graph with its weights to an onnx.ModelProto.

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


def constants(graph: Any) -> dict[str, Any]:
    """Constant values of a graph by name, as numpy arrays.

    Args:
        graph: An onnx.GraphProto.
    """
    array = library().numpy_helper.to_array
    values = {item.name: array(item) for item in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            values[node.output[0]] = array(node.attribute[0].t)
    return values


def users(graph: Any) -> dict[str, list[Any]]:
    """Consumers of each value, by its name, each once."""
    users_by_name: dict[str, list[Any]] = {}
    for node in graph.node:
        for name in dict.fromkeys(node.input):
            users_by_name.setdefault(name, []).append(node)
    return users_by_name


def tidied(graph: Any) -> None:
    """Remove unused nodes, constants and value information."""
    while True:
        used = {name for node in graph.node for name in node.input} | {o.name for o in graph.output}
        idle = [node for node in graph.node if not used & set(node.output)]
        for node in idle:
            graph.node.remove(node)
        if not idle:
            break
    outputs = {name for node in graph.node for name in node.output}
    for kind, names_to_keep in ((graph.initializer, used), (graph.value_info, outputs)):
        for item in [v for v in kind if v.name not in names_to_keep]:
            kind.remove(item)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence progress output of the libraries; results are reported by the export itself."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
