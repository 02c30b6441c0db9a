"""Small exported files, as `sightline export` writes them: what they say hangs on the brightness they see."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

SIZE = (48, 64)
CANDIDATES = [[-4, 4, 20, 30], [0, 5, 21, 31], [30, 10, 60, 40], [10, 10, 10, 30], [40, 30, 70, 60]]
SCORES = [0.9, 0.8, 0.6, 0.5, 0.002]
LABELS = [0, 0, 1, 1, 2]
CARD: dict[str, Any] = {
    "format": 2,
    "version": "0.1.0",
    "task": "detect",
    "model": "yolo-n",
    "prediction": "instances",
    "include": "postprocess",
    "model_config": {
        "size": SIZE,
        "resize": "letterbox",
        "channels": 3,
        "classes": ["car", "bus", "dog"],
        "class_ids": [1, 2, 7],
        "conf": 0.001,
        "nms": 0.5,
        "max_objects": 100,
        "multilabel": False,
        "temperature": 1.0,
    },
    "outputs": [],
    "metric": {"name": "ap", "value": 0.5, "low": 0.4, "high": 0.6, "n": 9, "split": "validation"},
    "license": "Apache-2.0",
    "data": "0123",
    "run": "street-1",
    "made": "2026-11-21",
}
_FLOAT, _BYTE, _INT = TensorProto.FLOAT, TensorProto.UINT8, TensorProto.INT64


def card(kind: str, **settings: Any) -> dict[str, Any]:
    """A card of a kind of prediction."""
    outputs = ["red", "green", "blue"] if kind == "number" else []
    return {
        **CARD,
        "prediction": kind,
        "outputs": outputs,
        "model_config": {**CARD["model_config"], **settings},
    }


def model(kind: str) -> ModelProto:
    """The network of a kind; without metadata."""
    nodes = [
        helper.make_node("Cast", ["images"], ["x"], to=_FLOAT),
        helper.make_node("ReduceMean", ["x", "axes"], ["means"], keepdims=0),
    ]
    constants = {"axes": np.array([2, 3])}
    outputs: dict[str, tuple[int, list[Any]]] = {}
    if kind == "label":
        nodes.append(helper.make_node("Softmax", ["means"], ["scores"], axis=1))
        outputs = {"scores": (_FLOAT, ["B", 3])}
    elif kind == "number":
        nodes.append(helper.make_node("Identity", ["means"], ["value"]))
        outputs = {"value": (_FLOAT, ["B", 3])}
    elif kind == "masks":
        nodes += [
            helper.make_node("ArgMax", ["x"], ["brightest"], axis=1, keepdims=0),
            helper.make_node("Cast", ["brightest"], ["classes"], to=_BYTE),
        ]
        outputs = {"classes": (_BYTE, ["B", *SIZE])}
    else:
        outputs = _objects(nodes, constants, kind == "outlines")
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("images", _BYTE, ["B", 3, *SIZE])],
        [helper.make_tensor_value_info(name, *facts) for name, facts in outputs.items()],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def _objects(nodes: list[Any], constants: dict[str, Any], masks: bool) -> dict[str, tuple[int, list[Any]]]:
    """The same candidates in every image, more sure of in bright ones."""
    n, (height, width) = len(LABELS), SIZE
    outputs: dict[str, Any] = {"boxes": np.array(CANDIDATES, dtype=np.float32)[None]}
    shapes: dict[str, tuple[int, list[Any]]] = {"boxes": (_FLOAT, ["B", n, 4])}
    if masks:
        rows, columns = np.mgrid[0 : height // 4, 0 : width // 4].astype(np.float32)
        outputs["coefficients"] = np.array(
            [[1, -0.5], [1, 0.3], [0.2, 1], [1, 1], [-1, -1]], dtype=np.float32
        )[None]
        outputs["prototypes"] = np.stack([6 - np.hypot(rows - 5, columns - 5), columns - 7])[None]
        shapes["coefficients"] = (_FLOAT, ["B", n, 2])
        shapes["prototypes"] = (_FLOAT, ["B", 2, height // 4, width // 4])
    constants |= {f"{name}_of_one": value for name, value in outputs.items()}
    constants |= {
        "all": np.array([1, 2, 3]),
        "third": np.array([1]),
        "zero": np.float32(0),
        "full": np.float32(255),
        "scores_of_one": np.array(SCORES, dtype=np.float32)[None],
        "labels_of_one": np.array(LABELS, dtype=np.float32)[None],
    }
    nodes += [
        helper.make_node("ReduceMean", ["x", "all"], ["level"], keepdims=0),
        helper.make_node("Div", ["level", "full"], ["share"]),
        helper.make_node("Unsqueeze", ["share", "third"], ["bright"]),
        helper.make_node("Mul", ["bright", "scores_of_one"], ["scores"]),
        helper.make_node("Mul", ["bright", "zero"], ["none"]),
        helper.make_node("Add", ["none", "labels_of_one"], ["labels_as_float"]),
        helper.make_node("Cast", ["labels_as_float"], ["labels"], to=_INT),
    ]
    shapes |= {"scores": (_FLOAT, ["B", n]), "labels": (_INT, ["B", n])}
    for name, value in outputs.items():
        inner = list(range(1, value.ndim))
        constants[f"{name}_axes"] = np.array(inner)
        nodes += [
            helper.make_node("Mul", ["share", "zero"], [f"{name}_none"]),
            helper.make_node("Unsqueeze", [f"{name}_none", f"{name}_axes"], [f"{name}_flat"]),
            helper.make_node("Add", [f"{name}_flat", f"{name}_of_one"], [name]),
        ]
    return shapes


def write(file: Path, kind: str, prediction: Any = None, **settings: Any) -> Path:
    """An exported file; `prediction` is another card, or None for that of the kind."""
    result = model(kind)
    helper.set_model_props(
        result, {"sightline": json.dumps(card(kind, **settings) if prediction is None else prediction)}
    )
    file.write_bytes(result.SerializeToString())
    return file
