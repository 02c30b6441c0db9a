"""Eight bits in ONNX: what lies between convolutions stays in them, and hard sigmoids are sums."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sightline.exporters.graph import Job

onnx = pytest.importorskip("onnx", reason="the extra 'onnx' is not installed")
ort = pytest.importorskip("onnxruntime", reason="the extra 'onnx' is not installed")

from sightline.exporters.quantize import quantized, slight, trunk  # noqa: E402

RNG = np.random.default_rng(0)
IMAGES = RNG.normal(0, 1, (20, 4, 12, 12)).astype(np.float32)


def network(*middle: tuple[str, list[str], str, dict[str, Any]]) -> Any:
    """images, a convolution to "a", what is given from "a" to "z", a convolution, a sigmoid as the answer."""
    helper, number = onnx.helper, onnx.numpy_helper.from_array
    nodes = [
        helper.make_node("Conv", ["images", "w"], ["a"], pads=[1, 1, 1, 1]),
        *(helper.make_node(op, ins, [out], **more) for op, ins, out, more in middle),
        helper.make_node("Conv", ["z", "v"], ["b"]),
        helper.make_node("Sigmoid", ["b"], ["scores"]),
    ]
    fixed = [
        number(RNG.normal(0, 1, (8, 4, 3, 3)).astype(np.float32), "w"),
        number(RNG.normal(0, 0.2, (2, 8, 1, 1)).astype(np.float32), "v"),
        number(np.float32(0.5), "half"),
    ]
    images = helper.make_tensor_value_info("images", onnx.TensorProto.FLOAT, ["batch", 4, 12, 12])
    scores = helper.make_tensor_value_info("scores", onnx.TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "g", [images], [scores], fixed)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


def run(model: Any, folder: Path) -> tuple[np.ndarray, list[str]]:
    """The answers, and the operators that ONNX Runtime makes of it."""
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(folder / "optimised.onnx")
    options.log_severity_level = 3
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    (outputs,) = session.run(None, {"images": IMAGES})
    result = onnx.load(folder / "optimised.onnx")
    return outputs, [node.op_type for node in result.graph.node]


SWISH = [("HardSigmoid", ["a"], "h", {"alpha": 1 / 6, "beta": 0.5}), ("Mul", ["a", "h"], "z", {})]
SILU = [("Sigmoid", ["a"], "h", {}), ("Mul", ["a", "h"], "z", {})]
SUM = [("Relu", ["a"], "r", {}), ("Add", ["a", "r"], "z", {})]
OTHER = [("HardSigmoid", ["a"], "h", {"alpha": 0.2, "beta": 0.5}), ("Mul", ["a", "h"], "z", {})]


@pytest.mark.parametrize(
    ("middle", "left"),
    [(SWISH, []), (SILU, []), (SUM, []), (OTHER, ["HardSigmoid"])],
    ids=["swish", "silu", "sum", "other"],
)
def test_between_convolutions_numbers_stay_in_eight_bits(
    middle: Any, left: list[str], tmp_path: Path
) -> None:
    model = network(*middle)
    target, _ = run(model, tmp_path)
    job: Any = Job(None, {}, "int8", IMAGES)  # type: ignore[arg-type]
    outputs, ops = run(quantized(model, job, tmp_path / "m.onnx"), tmp_path)
    assert np.abs(outputs - target).max() < 0.1
    assert np.abs(outputs - target).mean() < 0.01
    between = ops[ops.index("QLinearConv") + 1 : len(ops) - ops[::-1].index("QLinearConv") - 1]
    floats = [op for op in between if not op.startswith("QLinear")]
    assert [op for op in floats if op not in ("QuantizeLinear", "DequantizeLinear")] == left
    assert middle not in (SWISH, SILU) or not floats
    assert ops[-1] == "Sigmoid"  # the answer itself is not rounded to 1/255


def test_what_is_no_plain_trunk_is_left_in_full() -> None:
    scaled = network(("Mul", ["a", "half"], "m", {}), ("Add", ["m", "a"], "z", {}))
    assert trunk(scaled.graph.node) == []  # as in a normalisation
    mean = network(("ReduceMean", ["a"], "m", {"keepdims": 1}), ("Mul", ["a", "m"], "z", {}))
    assert trunk(mean.graph.node) == []
    gate = network(
        ("GlobalAveragePool", ["a"], "p", {}), ("Relu", ["p"], "r", {}), ("Mul", ["a", "r"], "z", {})
    )
    assert [node.op_type for node in trunk(gate.graph.node)] == ["GlobalAveragePool", "Relu", "Mul"]


def test_a_first_convolution_to_few_maps_stays_in_full_with_its_activation() -> None:
    model = network(*SILU)
    assert slight(model.graph) == set()  # four channels are none of an image
    weights = next(first for first in model.graph.initializer if first.name == "w")
    for node, name in zip(model.graph.node, ("first", "sigmoid", "silu", "second", "answer"), strict=True):
        node.name = name
    weights.CopyFrom(onnx.numpy_helper.from_array(np.ones((8, 3, 3, 3), np.float32), "w"))
    assert slight(model.graph) == {"first", "sigmoid", "silu"}
    weights.CopyFrom(onnx.numpy_helper.from_array(np.ones((64, 3, 3, 3), np.float32), "w"))
    assert slight(model.graph) == set()
