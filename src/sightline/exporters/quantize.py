"""Int8 quantization of ONNX graphs, static and dynamic."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from sightline.exporters.graph import INPUT, Array, Job, calibration_of
from sightline.exporters.onnx_proto import library, quiet

WEIGHTED = ("Conv", "MatMul", "Gemm")
"""Operators with weights: 8 bits are for them."""
ACTIVATIONS = ("Sigmoid", "HardSigmoid", "Relu", "Clip", "LeakyRelu")
POOLING = ("MaxPool", "AveragePool", "GlobalAveragePool", "Resize", "Slice", "Split")
"""What has one input of pixels; the others say how."""
COLORS = 3
FEW_IMAGES = 32
"""Maps that a first convolution gives where 32 bits are no slower: with 32, `yolo-n` took 4 % less time and
EfficientNet-Lite0 as much; with 64, ResNet-18 took 1.6 times as much (one core with AVX512-VNNI)."""
JOINING = ("Add", "Mul", "Concat")


def quantized(model: Any, job: Job, file: Path) -> Any:
    """Quantize weights and most activations to int8. Postprocessing of scores (boxes, top k) stays in
    float32.

    Args:
        model: An onnx.ModelProto.
        job: Its precision is int8 or int8-dynamic.
        file: Beside it files are made for a time.
    """
    from onnxruntime.quantization import shape_inference

    onnx = library()
    before, after = file.with_suffix(".fp32"), file.with_suffix(".int8")
    try:
        before.write_bytes(model.SerializeToString())
        with quiet():
            shape_inference.quant_pre_process(str(before), str(before), skip_symbolic_shape=True)
            if job.precision == "int8":
                _static(before, after, calibration_of(job))
            else:
                _dynamic(before, after)
        quantized = onnx.load(str(after))
    finally:
        before.unlink(missing_ok=True)
        after.unlink(missing_ok=True)
    return _swished(quantized) if job.precision == "int8" else quantized


def _static(before: Path, after: Path, images: Array) -> None:
    """Static quantization (QDQ): activation ranges from calibration images, weights with a scale per
    channel.
    """
    from onnxruntime import quantization as q

    class Reader(q.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.parts = iter([{INPUT: images[i : i + 1]} for i in range(len(images))])

        def get_next(self) -> dict[str, Array] | None:
            return next(self.parts, None)

    model = library().load(str(before))
    nodes = model.graph.node
    for i, node in enumerate(nodes):  # they are chosen by name, and some have none
        node.name = f"node_{i}"
    before.write_bytes(model.SerializeToString())
    between = [n for n in trunk(nodes) if n.op_type != "HardSigmoid"]  # see `_swished`
    left = slight(model.graph)
    chosen = [n for n in [*(n for n in nodes if n.op_type in WEIGHTED), *between] if n.name not in left]
    q.quantize_static(
        str(before),
        str(after),
        Reader(),
        quant_format=q.QuantFormat.QDQ,
        per_channel=True,
        op_types_to_quantize=sorted({n.op_type for n in chosen}),
        nodes_to_quantize=[n.name for n in chosen],
        activation_type=q.QuantType.QUInt8,
        weight_type=q.QuantType.QInt8,
        calibrate_method=q.CalibrationMethod.MinMax,
    )


def _dynamic(before: Path, after: Path) -> None:
    """Dynamic quantization: activation ranges are computed for each input.

    Weights are unsigned: with signed weights, convolutions (ConvInteger) took twice as long in ONNX Runtime
    1.32. There is one scale per tensor; for matrix products there is one per column.
    """
    from onnxruntime import quantization as q

    q.quantize_dynamic(
        str(before),
        str(after),
        op_types_to_quantize=list(WEIGHTED),
        per_channel=True,
        weight_type=q.QuantType.QUInt8,
    )


def slight(graph: Any) -> set[str]:
    """Convolutions from pixels to few maps, and their activations: float32 is as fast there, and more
    exact.
    """
    dims, names, values = (
        {initializer.name: initializer.dims for initializer in graph.initializer},
        set[str](),
        set[str](),
    )
    for node in graph.node:
        if node.op_type == "Conv" and node.input[1] in dims:
            outputs, channels = dims[node.input[1]][:2]
            groups = next((a.i for a in node.attribute if a.name == "group"), 1)
            mine = groups == 1 and channels <= COLORS and outputs <= FEW_IMAGES
        else:
            mine = node.op_type in (*ACTIVATIONS, "Mul") and values.issuperset(
                name for name in node.input if name not in dims
            )
        if mine:
            names.add(node.name)
            values |= set(node.output)
    return names


def trunk(nodes: Iterable[Any]) -> list[Any]:
    """Nodes between convolutions that are only activations, pooling and concatenation. They are quantized
    too, or values would be converted to float32 and back at each of them. Normalization, attention and the
    nodes after the last convolution are not among them.

    Args:
        nodes: Of the graph, each after those that it needs.
    """
    plain: set[str] = set()
    reachable = []
    for node in nodes:
        if node.op_type == "Conv":
            plain |= set(node.output)
        elif _known(node) and all(name in plain for name in _pixels(node)):
            plain |= set(node.output)
            reachable.append(node)
    wanted = {node.input[0] for node in nodes if node.op_type == "Conv"}
    trunk_nodes = []
    for node in reversed(reachable):
        if wanted & set(node.output):
            wanted |= set(_pixels(node))
            trunk_nodes.append(node)
    return trunk_nodes[::-1]


def _known(node: Any) -> bool:
    return node.op_type in (*ACTIVATIONS, *POOLING, *JOINING)


def _pixels(node: Any) -> list[str]:
    return list(node.input) if node.op_type in JOINING else [node.input[0]]


def _swished(model: Any) -> Any:
    """Rewrite hard sigmoids between quantized values as additions, which ONNX Runtime computes in int8.

    x + 3, clipped to 0 and 6, is an 8-bit sum whose 255 stands for 6, because 8-bit values saturate. Read
    with 255 standing for 1 it is min(max(x / 6 + 1/2, 0), 1), the hard sigmoid.
    """
    onnx, graph = library(), model.graph
    producers = {name: node for node in graph.node for name in node.output}
    users: dict[str, list[Any]] = {}
    for node in graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)
    fixed = {"hard_6": np.float32(6 / 255), "hard_1": np.float32(1 / 255), "hard_0": np.uint8(0),
             "hard_255": np.uint8(255), "hard_3": np.float32(3 / 255)}  # fmt: skip
    nodes, replaced = list[Any](), set[str]()
    for node in graph.node:
        after = users.get(node.output[0], [])
        if not _hard(node) or [n.op_type for n in after] != ["QuantizeLinear"]:
            nodes.append(node)
            continue
        if getattr(producers.get(node.input[0]), "op_type", "") != "DequantizeLinear":
            nodes.append(node)
            continue
        three, total = f"{node.name}_three", node.output[0]
        make = onnx.helper.make_node
        nodes.append(make("DequantizeLinear", ["hard_255", "hard_3", "hard_0"], [three], f"{three}_value"))
        nodes.append(make("Add", [node.input[0], three], [total], f"{node.name}_sum"))
        for user, scale in [(after[0], "hard_6"), *((n, "hard_1") for n in users[after[0].output[0]])]:
            replaced |= set(user.input[1:])
            user.input[1:] = [scale, "hard_0"]
    if len(nodes) > len(graph.node):
        del graph.node[:]
        graph.node.extend(nodes)
        graph.initializer.extend(
            onnx.numpy_helper.from_array(np.asarray(v), name) for name, v in fixed.items()
        )
        unused = replaced - {name for node in nodes for name in node.input}
        left = [user for user in graph.initializer if user.name not in unused]
        del graph.initializer[:]
        graph.initializer.extend(left)
    return model


def _hard(node: Any) -> bool:
    """Whether a node is a hard sigmoid, min(max(x / 6 + 1/2, 0), 1)."""
    if node.op_type != "HardSigmoid":
        return False
    attributes = {a.name: a.f for a in node.attribute}
    return bool(
        abs(attributes.get("alpha", 0.2) - 1 / 6) < 1e-6 and abs(attributes.get("beta", 0.5) - 0.5) < 1e-6
    )
