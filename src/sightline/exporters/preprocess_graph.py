"""Preprocessing inside an ONNX graph: resize a stored image, and map predictions back to its pixels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from sightline.core.targets._sampled import EDGE, IGNORE_INDEX
from sightline.data.loading.preprocess import PAD_GRAY
from sightline.exporters.graph import INPUT
from sightline.exporters.onnx_proto import library

IMAGE = "image"
"""Input of such a file: (H, W, C) uint8, of any height and width."""


def whole(model: Any, settings: Mapping[str, Any]) -> Any:
    """Rewrite a graph for one stored image of any size, instead of B resized images.

    It is resized as by `data.loading.preprocess.view`, but for rounding: ONNX's antialiased Resize is
    Pillow's, which differs from torch's by 1 of 255 at most. Boxes and class maps are in pixels of the stored
    image.

    Args:
        model: An onnx.ModelProto with the input "images". It is changed.
        settings: Of the model: size, fit, channels.
    """
    graph, onnx = model.graph, library()
    nodes, kind, value_info = _Nodes(onnx), onnx.TensorProto.UINT8, onnx.helper.make_tensor_value_info
    size, resize, channels = tuple(settings["size"]), settings["resize"], settings["channels"]
    output_names = {output.name for output in graph.output}
    include = list(graph.node)
    for name in ("boxes", "classes"):
        if name in output_names:
            _rename(include, name)
    place = _scaled(nodes, size, resize, channels)
    before = nodes.taken()
    if "boxes" in output_names:
        _boxes(nodes, place)
    if "classes" in output_names:
        _classes(nodes, place, size)
        at = next(i for i, o in enumerate(graph.output) if o.name == "classes")
        graph.output[at].CopyFrom(value_info("classes", kind, [1, "height", "width"]))
    for output in graph.output:
        output.type.tensor_type.shape.dim[0].dim_value = 1
    del graph.node[:]
    graph.node.extend([*before, *include, *nodes.taken()])
    del graph.input[:]
    graph.input.append(value_info(IMAGE, kind, ["height", "width", channels]))
    del graph.value_info[:]  # told for B images
    return model


class _Nodes:
    """Builder of ONNX nodes; each call returns the name of the result."""

    def __init__(self, onnx: Any) -> None:
        self._onnx = onnx
        self._made: list[Any] = []
        self._n = 0

    def __call__(self, op: str, *inputs: Any, out: str = "", **attributes: Any) -> str:
        """Names and arrays in, a name out."""
        names = [item if isinstance(item, str) else self.fixed(item) for item in inputs]
        self._n += 1
        name = out or f"preprocess_{self._n}"
        self._made.append(
            self._onnx.helper.make_node(op, names, [name], f"preprocess/{op}_{self._n}", **attributes)
        )
        return name

    def cast(self, name: str, kind: str) -> str:
        """The same as numbers of another type (DOUBLE, INT64)."""
        return self("Cast", name, to=getattr(self._onnx.TensorProto, kind))

    def fixed(self, value: Any) -> str:
        """A constant."""
        return self("Constant", value=self._onnx.numpy_helper.from_array(np.asarray(value)))

    def taken(self) -> list[Any]:
        """Nodes built since the last call."""
        nodes, self._made = self._made, []
        return nodes


class _View(NamedTuple):
    """Affine map of the resize: names of (2,) float64 values for y and x.

    Attributes:
        sides: Height and width of the stored image.
        scale: Pixels of the stored image to one of the view.
        shift: Added after that.
    """

    sides: str
    scale: str
    shift: str


def _scaled(nodes: _Nodes, size: tuple[int, int], resize: str, channels: int) -> _View:
    """Nodes that resize the image to the network's input, as "images", like the preprocessing in training."""
    view, wanted = np.array(size, dtype=np.int64), np.array(size, dtype=np.float64)
    sides = nodes.cast(nodes("Shape", IMAGE, start=0, end=2), "DOUBLE")
    if resize == "stretch":
        inner = nodes.fixed(wanted)
    else:
        ratio = nodes("Div", wanted, sides)
        scale = nodes("ReduceMax" if resize == "crop" else "ReduceMin", ratio)
        near = nodes("Max", nodes("Round", nodes("Mul", sides, scale)), np.float64(1))
        inner = nodes("Max" if resize == "crop" else "Min", near, wanted)
    pixels = nodes.cast(inner, "INT64")
    rows = nodes("Unsqueeze", nodes("Transpose", IMAGE, perm=[2, 0, 1]), np.array([0]))
    sizes = nodes("Concat", np.array([1, channels]), pixels, axis=0)
    resized = nodes("Resize", rows, "", "", sizes, mode="linear", antialias=1, exclude_outside=1,
                coordinate_transformation_mode="half_pixel")  # fmt: skip
    shift: str | np.ndarray = np.zeros(2)
    if resize == "crop":
        first = nodes("Div", nodes("Sub", pixels, view), np.int64(2))
        nodes("Slice", resized, first, nodes("Add", first, view), np.array([2, 3]), out=INPUT)
        shift = nodes.cast(first, "DOUBLE")
    elif resize == "letterbox":
        empty = nodes("Sub", view, pixels)
        first = nodes("Div", empty, np.int64(2))
        none = np.zeros(2, dtype=np.int64)
        edges = nodes("Concat", none, first, none, nodes("Sub", empty, first), axis=0)
        nodes("Pad", resized, edges, np.uint8(PAD_GRAY), out=INPUT)
        shift = nodes("Neg", nodes.cast(first, "DOUBLE"))
    else:
        nodes("Identity", resized, out=INPUT)
    each = nodes("Div", np.float64(1), nodes("Div", inner, sides))
    return _View(sides, each, nodes("Mul", each, shift))


def _boxes(nodes: _Nodes, place: _View) -> None:
    """Map box corners from the input to the stored image; rows without an object stay zero."""

    def corners(name: str) -> str:
        twice = nodes("Gather", name, np.array([1, 0, 1, 0]))
        return nodes.cast(twice, "FLOAT")

    moved = nodes("Add", nodes("Mul", "boxes_seen", corners(place.scale)), corners(place.shift))
    cut = nodes("Min", nodes("Max", moved, np.float32(0)), corners(place.sides))
    real = nodes("Unsqueeze", nodes("Greater", "scores", np.float32(0)), np.array([2]))
    nodes("Where", real, cut, np.float32(0), out="boxes")


def _classes(nodes: _Nodes, place: _View, size: tuple[int, int]) -> None:
    """Map class maps to the stored image by nearest neighbor, with pixel centers."""
    class_map, matches = "classes_seen", []
    for axis, most in enumerate(size):
        pick = np.array(axis)
        count = nodes.cast(nodes("Gather", place.sides, pick), "INT64")
        number = nodes.cast(nodes("Range", np.int64(0), count, np.int64(1)), "DOUBLE")
        center = nodes("Sub", nodes("Add", number, np.float64(0.5)), nodes("Gather", place.shift, pick))
        at = nodes(
            "Floor", nodes("Add", nodes("Div", center, nodes("Gather", place.scale, pick)), np.float64(EDGE))
        )
        at = nodes.cast(at, "INT64")
        last = np.int64(most - 1)
        held = nodes("Min", nodes("Max", at, np.int64(0)), last)
        class_map = nodes("Gather", class_map, held, axis=axis + 1)
        matches.append(nodes("Equal", at, held))
    rows, columns = (
        nodes("Unsqueeze", matches[0], np.array([1])),
        nodes("Unsqueeze", matches[1], np.array([0])),
    )
    nodes("Where", nodes("And", rows, columns), class_map, np.uint8(IGNORE_INDEX), out="classes")


def _rename(nodes: list[Any], name: str) -> None:
    """Rename an output of the network, so that the mapped output can have its name."""
    for node in nodes:
        for names in (node.input, node.output):
            for i, present in enumerate(names):
                if present == name:
                    names[i] = f"{name}_seen"
