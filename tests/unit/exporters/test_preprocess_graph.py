"""Scaling and the way back inside an ONNX file: as the toolkit does it outside."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.core.targets._sampled import sampled
from sightline.data.loading.preprocess import resize_to_input
from sightline.runtime import resize

onnx = pytest.importorskip("onnx", reason="the extra 'onnx' is not installed")
ort = pytest.importorskip("onnxruntime", reason="the extra 'onnx' is not installed")

from sightline.exporters.preprocess_graph import IMAGE, whole  # noqa: E402

BOXES = np.array([[[2, 3, 9, 8], [0, 0, 16, 12], [0, 0, 0, 0]]], dtype=np.float32)
SCORES = np.array([[0.9, 0.5, 0.0]], dtype=np.float32)


def session(size: tuple[int, int], fit: str, channels: int) -> Any:
    """A network that says what it is shown, a class map (the first channel), and always the same boxes."""
    helper, number = onnx.helper, onnx.numpy_helper.from_array
    shape = ["batch", channels, *size]
    nodes = [
        helper.make_node("Identity", ["images"], ["shown"]),
        helper.make_node("Gather", ["images", "first"], ["classes"], axis=1),
        helper.make_node("Identity", ["b"], ["boxes"]),
        helper.make_node("Identity", ["s"], ["scores"]),
    ]
    of = {"shown": ("UINT8", shape), "classes": ("UINT8", ["batch", *size]),
          "boxes": ("FLOAT", [1, 3, 4]), "scores": ("FLOAT", [1, 3])}  # fmt: skip
    message = [helper.make_tensor_value_info(k, getattr(onnx.TensorProto, t), s) for k, (t, s) in of.items()]
    taken = [helper.make_tensor_value_info("images", onnx.TensorProto.UINT8, shape)]
    fixed = [number(np.array(0), "first"), number(BOXES, "b"), number(SCORES, "s")]
    graph = helper.make_graph(nodes, "g", taken, message, fixed)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    model = whole(model, {"size": size, "resize": fit, "channels": channels})
    onnx.checker.check_model(model, full_check=True)
    return ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


sides = st.integers(1, 90)


@settings(max_examples=150, deadline=None)
@given(size=st.tuples(st.integers(2, 40), st.integers(2, 40)), stored=st.tuples(sides, sides),
       fit=st.sampled_from(["stretch", "crop", "letterbox"]), channels=st.sampled_from([1, 3]),
       seed=st.integers(0, 9))  # fmt: skip
def test_an_image_of_any_size(
    size: tuple[int, int], stored: tuple[int, int], fit: Any, channels: int, seed: int
) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (*stored, channels), dtype=np.uint8)
    names = ["shown", "classes", "boxes"]
    shown, classes, boxes = session(size, fit, channels).run(names, {IMAGE: image})
    target = resize_to_input(image, size, fit, channels).transpose(2, 0, 1)
    assert np.abs(shown[0].astype(int) - target.astype(int)).max() <= 1  # Pillow's rounding beside torch's
    place = resize.to_stored(stored, size, fit)
    expected = sampled(shown[0, 0], place, (0, 0, stored[1], stored[0]), 255)
    assert classes.shape == (1, *stored)
    assert np.array_equal(classes[0], expected)
    corners = BOXES[0, :2].reshape(-1, 2, 2) * np.diag(place) + place[:, 2]
    assert boxes[0, :2] == pytest.approx(corners.clip(0, stored[::-1]).reshape(-1, 4), abs=1e-3)
    assert not boxes[0, 2].any()


def test_an_image_of_that_size_is_left_alone() -> None:
    image = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    for fit in ("stretch", "crop", "letterbox"):
        (shown,) = session((12, 16), fit, 3).run(["shown"], {IMAGE: image})
        assert np.array_equal(shown[0], image.transpose(2, 0, 1))
