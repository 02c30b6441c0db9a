"""Two-stage detectors: what lies between their stages is in the file, for any number of images."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from sightline.errors import UsageError
from sightline.exporters.formats import EXPORTERS
from sightline.exporters.graph import Graph, Job
from sightline.models.detection import postprocess
from sightline.tasks.detect import MODELS as DETECTORS
from sightline.tasks.instance import MODELS as SEGMENTERS
from tests.unit.runtime import exported
from tests.unit.tasks.instance._samples import FOUR, image_batch, settings

KINDS = {"faster-rcnn": "instances", "mask-rcnn": "outlines"}
IMAGES = image_batch([*FOUR[:2], []]).images


@cache
def graph(method: str) -> Graph:
    """A network that tells boxes apart, so that rounding decides nothing; on one image it finds nothing."""
    torch.manual_seed(0)
    models = DETECTORS if method == "faster-rcnn" else SEGMENTERS
    model = models.load(method).MODEL(settings("resnet18", resize="stretch", conf=0.0)).eval()
    net = model.network.net
    with torch.no_grad():
        net.rpn.head.cls_logits.weight *= 30
        net.roi_heads.box_predictor.cls_score.weight *= 10
        best = model(IMAGES)["scores"].amax(1)
    model.settings["conf"] = float(best.min() + best.max()) / 2
    return Graph(model)


@cache
def in_onnx(method: str) -> bytes:
    pytest.importorskip("onnxscript", reason="the extra 'onnx' is not installed")
    from sightline.exporters.onnx_proto import proto

    data: bytes = proto(graph(method)).SerializeToString()
    return data


def written(method: str, name: str, file: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A file, and what runs it."""
    if name != "torch":  # translating takes long, and is the same for both
        onnx = pytest.importorskip("onnx", reason="the extra 'onnx' is not installed")
        pytest.importorskip(name if name != "onnx" else "onnxruntime", reason="the extra is not installed")
        result = onnx.load_from_string(in_onnx(method))
        monkeypatch.setattr(f"sightline.exporters.formats.{name}.proto", lambda graph: result)
    module = EXPORTERS.load(name)
    document = {**exported.card(KINDS[method]), "model_config": graph(method).settings}
    module.write(Job(graph(method), {**document, "answers": list(graph(method).names)}), file)
    return module.runner(file)


def same(prediction: dict[str, np.ndarray], target: dict[str, Tensor]) -> None:
    assert set(prediction) == set(target)
    for key, value in target.items():
        assert prediction[key].dtype == value.numpy().dtype
        np.testing.assert_allclose(prediction[key], value.numpy(), atol=2e-3, rtol=1e-3, err_msg=key)


@pytest.mark.parametrize(
    ("method", "name"),
    [("faster-rcnn", "onnx"), ("faster-rcnn", "torch"), ("mask-rcnn", "onnx"), ("mask-rcnn", "openvino")],
)
def test_the_file_answers_as_the_network_does(
    method: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / f"it{EXPORTERS.load(name).CARD.ending}"
    run = written(method, name, file, monkeypatch)
    for images in (IMAGES, IMAGES[:1], IMAGES[2:]):
        with torch.no_grad():
            target = graph(method).outputs_of(images)
        same(run(images.numpy()), target)
    result = postprocess.select(graph(method).outputs_of(IMAGES), graph(method).settings)[0].counts
    assert int(result.min()) == 0 < int(result.max())
    if name == "torch":  # who runs it needs torchvision, and nothing of this toolkit
        called = {str(node.target).split(".")[0] for node in torch.export.load(file).graph.nodes}
        assert {"aten", "torchvision"} <= called
        assert "sightline" not in called


def test_the_light_runtime_answers_as_the_toolkit_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = pytest.importorskip("sightline.runtime.session", reason="the extra 'onnx' is not installed")
    method = "mask-rcnn"
    written(method, "onnx", tmp_path / "it.onnx", monkeypatch)
    model = graph(method).model
    with torch.no_grad():
        target = model.predict_from_outputs(model(IMAGES), model.settings)
    outputs = list(
        session.Session(tmp_path / "it.onnx", min_score=0.0).predict(list(IMAGES.permute(0, 2, 3, 1).numpy()))
    )
    assert sum(len(first.prediction.labels) for first in outputs) == len(target.labels) > 0
    for first, wanted in zip(outputs, (target[i] for i in range(3)), strict=True):
        assert first.prediction.labels.tolist() == wanted.labels.tolist()
        present = np.zeros((len(wanted.labels), 64, 64), bool)
        for mask, (x, y, crop) in zip(present, first.prediction.parts, strict=True):
            mask[y : y + crop.shape[0], x : x + crop.shape[1]] = crop
        # A pixel may fall on the other side of a half by rounding.
        assert (present != wanted.bitmaps.dense(64, 64).numpy()).sum() <= 2


def test_what_a_format_has_no_operator_for_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "litert_torch", ModuleType("litert_torch"))
    with pytest.raises(UsageError, match=r"'faster-rcnn' drops overlapping boxes .* --to onnx"):
        EXPORTERS.load("litert").write(Job(graph("faster-rcnn"), {}), tmp_path / "it.tflite")
