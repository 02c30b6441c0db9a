"""A stored picture in, answers in its own pixels out: scaling, and the way back, in an ONNX file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from sightline.core.targets._sampled import EDGE, VOID
from sightline.data.view import PAD_GREY
from sightline.exporters._graph import INPUT
from sightline.exporters._proto import library

PICTURE = "picture"
"""Input of such a file: (H, W, C) uint8, of any height and width."""


def whole(model: Any, settings: Mapping[str, Any]) -> Any:
    """The same graph for one picture as it is stored, and not for B that were brought to size.

    It is scaled as `data.view.view` does it but for rounding: ONNX's antialiased Resize is Pillow's, which
    differs from torch's by 1 of 255 at most. Boxes and class maps come in pixels of the picture.

    Args:
        model: An onnx.ModelProto that takes "images". It is changed.
        settings: Of the model: size, fit, channels.
    """
    graph, onnx = model.graph, library()
    made, kind, told = _Nodes(onnx), onnx.TensorProto.UINT8, onnx.helper.make_tensor_value_info
    size, fit, channels = tuple(settings["size"]), settings["fit"], settings["channels"]
    said = {output.name for output in graph.output}
    inside = list(graph.node)
    for name in ("boxes", "classes"):
        if name in said:
            _rename(inside, name)
    place = _scaled(made, size, fit, channels)
    before = made.taken()
    if "boxes" in said:
        _boxes(made, place)
    if "classes" in said:
        _classes(made, place, size)
        at = next(i for i, o in enumerate(graph.output) if o.name == "classes")
        graph.output[at].CopyFrom(told("classes", kind, [1, "height", "width"]))
    for output in graph.output:
        output.type.tensor_type.shape.dim[0].dim_value = 1
    del graph.node[:]
    graph.node.extend([*before, *inside, *made.taken()])
    del graph.input[:]
    graph.input.append(told(PICTURE, kind, ["height", "width", channels]))
    del graph.value_info[:]  # told for B pictures
    return model


class _Nodes:
    """Operators, one after the other; each call gives the name of what it computes."""

    def __init__(self, onnx: Any) -> None:
        self._onnx = onnx
        self._made: list[Any] = []
        self._n = 0

    def __call__(self, op: str, *inputs: Any, out: str = "", **attributes: Any) -> str:
        """Names and arrays in, a name out."""
        names = [one if isinstance(one, str) else self.fixed(one) for one in inputs]
        self._n += 1
        name = out or f"{PICTURE}_{self._n}"
        self._made.append(
            self._onnx.helper.make_node(op, names, [name], f"{PICTURE}/{op}_{self._n}", **attributes)
        )
        return name

    def cast(self, name: str, kind: str) -> str:
        """The same as numbers of another type (DOUBLE, INT64)."""
        return self("Cast", name, to=getattr(self._onnx.TensorProto, kind))

    def fixed(self, value: Any) -> str:
        """A constant."""
        return self("Constant", value=self._onnx.numpy_helper.from_array(np.asarray(value)))

    def taken(self) -> list[Any]:
        """What was made since it was asked last."""
        made, self._made = self._made, []
        return made


class _Place(NamedTuple):
    """Where the view lies: names of (2,) float64, of y and x.

    Attributes:
        sides: Height and width of the stored picture.
        scale: Pixels of the stored picture to one of the view.
        shift: Added after that.
    """

    sides: str
    scale: str
    shift: str


def _scaled(made: _Nodes, size: tuple[int, int], fit: str, channels: int) -> _Place:
    """The picture as the network sees it, as "images"; the arithmetic is that of `data.view`."""
    view, wanted = np.array(size, dtype=np.int64), np.array(size, dtype=np.float64)
    sides = made.cast(made("Shape", PICTURE, start=0, end=2), "DOUBLE")
    if fit == "squash":
        inner = made.fixed(wanted)
    else:
        ratio = made("Div", wanted, sides)
        scale = made("ReduceMax" if fit == "crop" else "ReduceMin", ratio)
        near = made("Max", made("Round", made("Mul", sides, scale)), np.float64(1))
        inner = made("Max" if fit == "crop" else "Min", near, wanted)
    pixels = made.cast(inner, "INT64")
    rows = made("Unsqueeze", made("Transpose", PICTURE, perm=[2, 0, 1]), np.array([0]))
    sizes = made("Concat", np.array([1, channels]), pixels, axis=0)
    seen = made("Resize", rows, "", "", sizes, mode="linear", antialias=1, exclude_outside=1,
                coordinate_transformation_mode="half_pixel")  # fmt: skip
    shift: str | np.ndarray = np.zeros(2)
    if fit == "crop":
        first = made("Div", made("Sub", pixels, view), np.int64(2))
        made("Slice", seen, first, made("Add", first, view), np.array([2, 3]), out=INPUT)
        shift = made.cast(first, "DOUBLE")
    elif fit == "pad":
        empty = made("Sub", view, pixels)
        first = made("Div", empty, np.int64(2))
        none = np.zeros(2, dtype=np.int64)
        edges = made("Concat", none, first, none, made("Sub", empty, first), axis=0)
        made("Pad", seen, edges, np.uint8(PAD_GREY), out=INPUT)
        shift = made("Neg", made.cast(first, "DOUBLE"))
    else:
        made("Identity", seen, out=INPUT)
    each = made("Div", np.float64(1), made("Div", inner, sides))
    return _Place(sides, each, made("Mul", each, shift))


def _boxes(made: _Nodes, place: _Place) -> None:
    """Corners in the view become corners in the stored picture; rows that are no objects stay zeros."""

    def corners(name: str) -> str:
        twice = made("Gather", name, np.array([1, 0, 1, 0]))
        return made.cast(twice, "FLOAT")

    moved = made("Add", made("Mul", "boxes_seen", corners(place.scale)), corners(place.shift))
    cut = made("Min", made("Max", moved, np.float32(0)), corners(place.sides))
    real = made("Unsqueeze", made("Greater", "scores", np.float32(0)), np.array([2]))
    made("Where", real, cut, np.float32(0), out="boxes")


def _classes(made: _Nodes, place: _Place, size: tuple[int, int]) -> None:
    """Each pixel of the stored picture has the class of the pixel of the view that its centre lies in."""
    found, there = "classes_seen", []
    for axis, most in enumerate(size):
        pick = np.array(axis)
        count = made.cast(made("Gather", place.sides, pick), "INT64")
        number = made.cast(made("Range", np.int64(0), count, np.int64(1)), "DOUBLE")
        centre = made("Sub", made("Add", number, np.float64(0.5)), made("Gather", place.shift, pick))
        at = made(
            "Floor", made("Add", made("Div", centre, made("Gather", place.scale, pick)), np.float64(EDGE))
        )
        at = made.cast(at, "INT64")
        last = np.int64(most - 1)
        held = made("Min", made("Max", at, np.int64(0)), last)
        found = made("Gather", found, held, axis=axis + 1)
        there.append(made("Equal", at, held))
    rows, columns = made("Unsqueeze", there[0], np.array([1])), made("Unsqueeze", there[1], np.array([0]))
    made("Where", made("And", rows, columns), found, np.uint8(VOID), out="classes")


def _rename(nodes: list[Any], name: str) -> None:
    """Another name for what the network says, so that what comes of it can have this one."""
    for node in nodes:
        for names in (node.input, node.output):
            for i, found in enumerate(names):
                if found == name:
                    names[i] = f"{name}_seen"
