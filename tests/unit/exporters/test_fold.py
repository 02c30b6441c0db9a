"""ONNX files do less than the network and say the same: no arithmetic on pixels that weights can do."""

from __future__ import annotations

import copy
import functools
from typing import Any

import numpy as np
import pytest
import torch

from sightline.errors import MissingExtra
from sightline.exporters.graph import Graph, Include
from sightline.tasks import TASKS
from sightline.testing import toy_plan

onnx = pytest.importorskip("onnx", reason="the extra 'onnx' is not installed")
ort = pytest.importorskip("onnxruntime", reason="the extra 'onnx' is not installed")

from sightline.exporters.blocks import blocked  # noqa: E402
from sightline.exporters.fold_normalization import folded  # noqa: E402
from sightline.exporters.onnx_proto import constants, proto  # noqa: E402

# By name: task, method, backbone, side of the images, and what may be left to do with pixels.
NETWORKS: dict[str, tuple[str, str, str, int, list[str]]] = {
    "cnn-tiny": ("classify", "net", "cnn-tiny", 32, []),
    "resnet18": ("classify", "net", "resnet18", 64, ["Add"]),
    "yolo-n": ("detect", "yolo-n", "", 64, ["Add"]),
    "tf_efficientnet_lite0": ("classify", "net", "tf_efficientnet_lite0", 64, ["Add"]),
    "unet": ("semantic", "unet", "", 64, ["Add"]),
}


@functools.cache
def traced(name: str, include: Include = "postprocess") -> tuple[Any, np.ndarray]:
    """The graph as it was, and two images as it takes them: noise and white."""
    graph = graph_of(name, include)
    images = graph.example(2)
    images[1] = images.max()
    return proto(graph), images.numpy()


def graph_of(name: str, include: Include = "postprocess") -> Graph:
    """A network that has seen a few images, with a mean and deviation of its own for each channel."""
    task, method, backbone, side, _ = NETWORKS[name]
    settings = {**toy_plan(task, model=method).settings, "size": [side, side], "channels": 3}
    settings |= {"mean": [0.74, 0.41, 0.11], "std": [0.06, 0.21, 0.3]}
    settings |= {"backbone": backbone} if backbone else {}
    torch.manual_seed(0)
    try:
        model = TASKS.load(task).MODELS.load(method).MODEL(settings)
    except MissingExtra as error:
        pytest.skip(str(error))
    with torch.no_grad():
        model.train()(torch.randint(0, 256, (4, 3, side, side), dtype=torch.uint8))
    return Graph(model.eval(), include)


def said(model: Any, images: np.ndarray) -> dict[str, np.ndarray]:
    """What ONNX Runtime says, operator by operator as they stand in the file."""
    onnx.checker.check_model(model, full_check=True)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"images": images}), strict=True))


def alike(first: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    for name, value in first.items():
        if value.dtype.kind == "f":
            most = np.abs(value).max(initial=1e-6)
            assert np.abs(value - other[name]).max() < 1e-5 * most, name
        else:
            assert np.mean(value == other[name]) > 0.999, name


def before_convolutions(model: Any) -> list[str]:
    """Operators that pixels go through before the first convolution."""
    value, result = "images", list[str]()
    while True:
        node = next(node for node in model.graph.node if value in node.input)
        if node.op_type == "Conv":
            return result
        result, value = [*result, node.op_type], node.output[0]


@pytest.mark.parametrize("name", NETWORKS)
def test_the_normalization_is_in_the_weights_and_answers_stay_the_same(name: str) -> None:
    """At the border too, where zeros are padded after the normalisation: white images would tell."""
    plain, images = traced(name)
    lean = folded(copy.deepcopy(plain))
    assert before_convolutions(lean) == ["Cast", *NETWORKS[name][4]]
    alike(said(plain, images), said(lean, images))


def test_floats_that_are_normalized_outside_go_straight_to_the_network() -> None:
    plain, images = traced("resnet18", "none")
    lean = folded(copy.deepcopy(plain))
    assert before_convolutions(plain) == ["Mul", "Add", "Mul", "Add"]
    assert before_convolutions(lean) == []
    alike(said(plain, images), said(lean, images))


@pytest.mark.parametrize("name", ["yolo-n", "unet"])
def test_channels_are_not_sliced_and_maps_enlarged_by_whole_numbers(name: str) -> None:
    plain, images = traced(name)
    lean = blocked(copy.deepcopy(plain))
    fixed = constants(lean.graph)
    on_channels = [n for n in lean.graph.node if n.op_type == "Slice" and fixed[n.input[3]].tolist() == [1]]
    assert not on_channels
    enlarged = [node for node in lean.graph.node if node.op_type == "Resize"]
    assert enlarged
    assert all(fixed[node.input[2]].tolist() == [1, 1, 2, 2] for node in enlarged)
    alike(said(plain, images), said(lean, images))


def pixels(*middle: tuple[str, list[str], str], groups: int = 1) -> Any:
    """images, what is given, a convolution that pads."""
    helper, number = onnx.helper, onnx.numpy_helper.from_array
    rng = np.random.default_rng(0)
    nodes = [helper.make_node(op, ins, [out]) for op, ins, out in middle]
    nodes.append(helper.make_node("Conv", ["z", "w"], ["y"], pads=[1, 1, 1, 1], group=groups))
    fixed = [
        number(rng.normal(0, 1, (6, 3 // groups, 3, 3)).astype(np.float32), "w"),
        number(np.float32([0.1, 0.2, 0.3]).reshape(1, 3, 1, 1), "each"),
        number(rng.normal(0, 1, (8, 8)).astype(np.float32), "places"),
    ]
    message = helper.make_tensor_value_info
    kind = onnx.TensorProto.FLOAT
    ends = [[message(n, kind, ["batch", c, 8, 8])] for n, c in (("images", 3), ("y", 6))]
    graph = helper.make_graph(nodes, "g", *ends, fixed)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


@pytest.mark.parametrize(
    ("model", "left"),
    [
        (pixels(("Sub", ["images", "each"], "a"), ("Div", ["a", "each"], "z")), ["Add"]),
        (pixels(("Sub", ["each", "images"], "z")), ["Sub"]),
        (pixels(("Mul", ["images", "places"], "z")), ["Mul"]),
        (pixels(("Mul", ["images", "each"], "z"), groups=3), ["Mul"]),
    ],
    ids=["sub and div", "the other way round", "by place", "in groups"],
)
def test_only_what_is_linear_in_each_channel_is_folded(model: Any, left: list[str]) -> None:
    images = np.random.default_rng(1).normal(0, 1, (2, 3, 8, 8)).astype(np.float32)
    target = said(model, images)
    lean = folded(model)
    assert before_convolutions(lean) == left
    alike(target, said(lean, images))
