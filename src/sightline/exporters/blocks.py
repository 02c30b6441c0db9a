"""ONNX graph rewrite for ONNX Runtime's channel-blocked (NCHWc) convolutions: removes slices of channels.

A convolution whose channels are sliced afterwards is split into two. A Resize by a whole factor gets scales
instead of sizes. The results are the same numbers.
"""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import Any

import numpy as np

from sightline.exporters.onnx_proto import constants, library, tidied, users

BLOCK = 16
"""Channels of a block on processors with AVX-512; 8 on others."""
ACTIVATIONS = ("HardSwish", "Relu", "Clip", "LeakyRelu", "Sigmoid", "HardSigmoid", "Tanh")
"""What does the same to each number, and needs nothing but constants beside it."""
_END = 2**31


def blocked(model: Any) -> Any:
    """Rewrite a graph without channel slices, and with scales instead of sizes, where possible.

    Args:
        model: An onnx.ModelProto. It is changed.
    """
    graph = model.graph
    for node in [n for n in graph.node if n.op_type == "Slice"]:
        _split(graph, node)
    for node in [n for n in graph.node if n.op_type == "Resize"]:
        _scaled(graph, node)
    tidied(graph)
    return model


def _split(graph: Any, cut: Any) -> None:
    """Split one convolution into two if all its users slice or concatenate its channels."""
    fixed, after = constants(graph), users(graph)
    value = cut.input[0]
    producers = {name: node for node in graph.node for name in node.output}
    output_names = {output.name for output in graph.output}
    way = list[Any]()
    name = value
    while name in producers and name not in output_names and producers[name].op_type in ACTIVATIONS:
        way.insert(0, producers[name])
        name = producers[name].input[0]
        if len(after[name]) != 1:
            return
    conv = producers.get(name)
    if conv is None or conv.op_type != "Conv" or {name, value} & output_names or not _known(conv, fixed):
        return
    count = fixed[conv.input[1]].shape[0]
    part = _part(cut, fixed, count)
    joins = [node for node in after[value] if node != cut]
    if part is None or not all(_joins(node) for node in joins):
        return
    first, last = part
    edges = [0, last, count] if first == 0 else [0, first, count]
    spans = list(pairwise(edges))
    if part not in spans or any((b - a) % BLOCK or a == b for a, b in spans):
        return
    names = []
    for span in spans:
        names.append(cut.output[0] if span == part else f"{value}{_mark(span)}")
        _split_convolution(graph, conv, way, span, names[-1], fixed)
    for node in joins:
        parts = [n for name_in in node.input for n in (names if name_in == value else [name_in])]
        del node.input[:]
        node.input.extend(parts)
    for node in (cut, conv, *way):
        graph.node.remove(node)


def _known(conv: Any, fixed: dict[str, Any]) -> bool:
    groups = next((a.i for a in conv.attribute if a.name == "group"), 1)
    return groups == 1 and all(name in fixed for name in conv.input[1:] if name)


def _joins(node: Any) -> bool:
    return bool(node.op_type == "Concat" and node.attribute[0].i == 1)


def _part(cut: Any, fixed: dict[str, Any], count: int) -> tuple[int, int] | None:
    """(start, end) of a channel slice; None if unknown or not a channel slice."""
    if not all(name in fixed for name in cut.input[1:]) or len(cut.input) < 4:
        return None
    start, end, axis, *step = (fixed[name].reshape(-1).tolist() for name in cut.input[1:])
    if axis != [1] or step not in ([], [[1]]):
        return None
    first, last = (count + v if v < 0 else min(v, count) for v in (start[0], min(end[0], _END)))
    return int(first), int(last)


def _mark(span: tuple[int, int]) -> str:
    return f"_from_{span[0]}_to_{span[1]}"


def _split_convolution(
    graph: Any, conv: Any, way: list[Any], span: tuple[int, int], out: str, fixed: dict[str, Any]
) -> None:
    """Insert a convolution of some of the channels, and the layers after it, before the convolution of
    all.
    """
    number = library().numpy_helper.from_array
    at, names = list(graph.node).index(conv), [conv.output[0], *(node.output[0] for node in way)]
    mark = _mark(span)
    names = [f"{name}{mark}" for name in names[:-1]] + [out]
    for i, node in enumerate((conv, *way)):
        mine = copy.deepcopy(node)
        mine.name, mine.output[0] = f"{node.name}{mark}", names[i]
        if i:
            mine.input[0] = names[i - 1]
        for j in range(1, len(mine.input) if not i else 0):
            if mine.input[j]:
                mine.input[j] = f"{node.input[j]}{mark}"
                if mine.input[j] not in fixed:
                    graph.initializer.append(number(fixed[node.input[j]][slice(*span)].copy(), mine.input[j]))
        graph.node.insert(at + i, mine)


def _scaled(graph: Any, node: Any) -> None:
    """Replace the sizes of a Resize by whole scale factors."""
    stretched = next((a.s for a in node.attribute if a.name == "keep_aspect_ratio_policy"), b"stretch")
    if stretched != b"stretch" or len(node.input) < 4 or node.input[1]:
        return
    shapes = {
        v.name: [d.dim_value for d in v.type.tensor_type.shape.dim]
        for v in (*graph.value_info, *graph.input, *graph.output)
    }
    old, new = shapes.get(node.input[0], []), shapes.get(node.output[0], [])
    if len(old) != 4 or len(new) != 4 or not all((*old[1:], *new[1:])) or old[1] != new[1]:
        return
    if new[2] % old[2] or new[3] % old[3]:
        return
    scales = np.array([1, 1, new[2] // old[2], new[3] // old[3]], dtype=np.float32)
    graph.initializer.append(library().numpy_helper.from_array(scales, f"{node.output[0]}_scales"))
    source = node.input[0]
    del node.input[:]
    node.input.extend([source, "", f"{node.output[0]}_scales"])
