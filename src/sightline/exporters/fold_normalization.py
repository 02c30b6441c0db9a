"""Fold the normalization of images into the weights of the first convolution.

A convolution of x a + b is a convolution of x + b / a with weights multiplied by a. This holds at the border
too, because the padding is 0 before and after. Without padding, b is folded into the bias as well.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sightline.exporters.graph import INPUT
from sightline.exporters.onnx_proto import constants, library, tidied, users

ROUNDING = 1e-5
"""Factors so near to 1, and terms so near to 0, are those of numbers of 32 bits that cancel each other."""

Reals = NDArray[np.float64]


class _Linear(NamedTuple):
    """Linear function on the input images: value = image * factor + term.

    Attributes:
        nodes: That do it.
        source: The image as floats.
        value: What comes out.
        factor: (C,) of each channel.
        term: (C,).
    """

    nodes: list[Any]
    source: str
    value: str
    factor: Reals
    term: Reals


def folded(model: Any) -> Any:
    """Fold input normalization: the first convolutions get pixels with one addition, or with none.

    Args:
        model: An onnx.ModelProto. It is changed where what it does to images first is linear and all that
            follows are convolutions; else it is left.
    """
    graph, fixed, after = model.graph, constants(model.graph), users(model.graph)
    shift = _linear(graph, fixed, after)
    if shift is None:
        return model
    same = np.abs(shift.factor - 1).max() < ROUNDING and np.abs(shift.term).max() < ROUNDING
    factor, term = (np.ones_like(shift.factor), np.zeros_like(shift.term)) if same else shift[3:]
    value, pads, seers = shift.value, list[Any](), after.get(shift.value, [])
    if len(seers) == 1 and _zeros(seers[0], fixed):
        pads, value = seers, seers[0].output[0]
        seers = after.get(value, [])
    outside = {output.name for output in graph.output} | {value_info.name for value_info in graph.input}
    if not seers or outside & {shift.value, value} or not all(_plain(n, value, fixed, factor) for n in seers):
        return model
    into_bias = not pads and not any(_pads(node) for node in seers)
    for node in seers:
        _weighted(graph, node, fixed, factor, term if into_bias else np.zeros_like(term))
    source = shift.source
    if not into_bias and term.any():
        source = _shifted(graph, source, term / factor, shift.nodes[0])
    for node in pads or seers:
        node.input[0] = source
    for node in shift.nodes:
        graph.node.remove(node)
    tidied(graph)
    return model


def _linear(graph: Any, fixed: dict[str, Any], after: dict[str, list[Any]]) -> _Linear | None:
    """Find the chain of multiplications and additions on the input images; None if there is none."""
    (images,) = graph.input
    if len(images.type.tensor_type.shape.dim) != 4:  # clips and volumes stay as they are
        return None
    value, channels = images.name, images.type.tensor_type.shape.dim[1].dim_value
    factor, term = np.ones(channels), np.zeros(channels)
    nodes, source = list[Any](), value
    while len(after.get(value, [])) == 1:
        node = after[value][0]
        if node.op_type == "Cast" and not nodes:
            value = source = node.output[0]
            continue
        if node.op_type not in ("Mul", "Add", "Sub", "Div"):
            break
        other = [name for name in node.input if name != value]
        number = _channels(fixed.get(other[0]) if other else None, channels)
        if number is None or (node.op_type in ("Sub", "Div") and node.input[0] != value):
            break
        if node.op_type in ("Mul", "Div"):
            times = number if node.op_type == "Mul" else 1 / number
            factor, term = factor * times, term * times
        else:
            term = term + (number if node.op_type == "Add" else -number)
        nodes.append(node)
        value = node.output[0]
    if not nodes or images.name != INPUT or not np.all(factor):
        return None
    return _Linear(nodes, source, value, factor, term)


def _channels(value: Any, channels: int) -> Reals | None:
    """(C,) values of a constant that is the same at every pixel."""
    if value is None or value.dtype.kind != "f":
        return None
    shape = (1,) * (4 - value.ndim) + value.shape
    if value.size != 1 and shape != (1, channels, 1, 1):
        return None
    each: Reals = np.broadcast_to(value.astype(np.float64).reshape(-1), (channels,))
    return each


def _zeros(node: Any, fixed: dict[str, Any]) -> bool:
    """Whether a node is zero padding."""
    mode = next((a.s for a in node.attribute if a.name == "mode"), b"constant")
    if node.op_type != "Pad" or mode != b"constant":
        return False
    if len(node.input) < 3 or not node.input[2]:
        return True
    return node.input[2] in fixed and not fixed[node.input[2]].any()


def _plain(node: Any, value: str, fixed: dict[str, Any], factor: Reals) -> bool:
    """Whether a node is a convolution over all channels with constant weights."""
    if node.op_type != "Conv" or list(node.input).count(value) != 1 or node.input[0] != value:
        return False
    is_constant = all(name in fixed for name in node.input[1:] if name)
    return is_constant and fixed[node.input[1]].shape[1] == len(factor)


def _pads(node: Any) -> bool:
    attributes = {a.name: a for a in node.attribute}
    way = attributes["auto_pad"].s if "auto_pad" in attributes else b"NOTSET"
    return way.startswith(b"SAME") or ("pads" in attributes and any(attributes["pads"].ints))


def _weighted(graph: Any, node: Any, fixed: dict[str, Any], factor: Reals, term: Reals) -> None:
    """Give a convolution its own weights and bias, with the normalization folded in."""
    make, weights = library().numpy_helper.from_array, fixed[node.input[1]].astype(np.float64)
    bias = fixed[node.input[2]] if len(node.input) > 2 and node.input[2] else np.float64(0)
    total = bias + np.einsum("oihw,i->o", weights, term)
    names = [f"{node.output[0]}_weight_of_pixels", f"{node.output[0]}_bias_of_pixels"]
    values = weights * factor[:, None, None], np.broadcast_to(total, weights.shape[:1])
    graph.initializer.extend(
        make(np.ascontiguousarray(v, dtype=np.float32), n) for v, n in zip(values, names, strict=True)
    )
    del node.input[1:]
    node.input.extend(names)


def _shifted(graph: Any, source: str, shift: Reals, before: Any) -> str:
    """Replace the chain by one addition."""
    onnx, name = library(), f"{INPUT}_shift"
    graph.initializer.append(
        onnx.numpy_helper.from_array(shift.astype(np.float32).reshape(1, -1, 1, 1), name)
    )
    addition = onnx.helper.make_node("Add", [source, name], [f"{INPUT}_shifted"], "node_shifted")
    graph.node.insert(list(graph.node).index(before), addition)
    return f"{INPUT}_shifted"
