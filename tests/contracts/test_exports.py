"""Every export format, on every task: the file answers as the network does; and a faulty file is refused."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import sightline as sl
from sightline.errors import MissingExtra, SightlineError, UsageError
from sightline.exporters import crash_check, onnx_proto
from sightline.exporters.formats import EXPORTERS
from sightline.exporters.graph import Graph, Job
from sightline.inference.model_folder import restore
from sightline.tasks import TASKS as ALL_TASKS
from tests.fixtures.clips import growing_clips

QUICK = {"epochs": 1, "batch_size": 8, "seed": 0, "device": "cpu"}
TASKS: dict[str, tuple[str, dict[str, Any]]] = {
    "action": ("", {"model": "c3d", "size": 32, "frames": 4}),
    "classify": ("shapes:one:60", {"model": "lenet5", "size": 32}),
    "regress": ("shapes:count:40", {"model": "lenet5", "size": 32}),
    "detect": ("shapes:boxes:40", {"model": "yolo-n", "size": 64}),
    "semantic": ("shapes:masks:40", {"model": "unet2015", "variant": "small", "size": 64}),
    "instance": ("shapes:outlines:40", {"model": "yolo-n", "size": 64}),
    "keypoints": ("shapes:keypoints:40", {"size": 64}),
    "caption": ("shapes:captions:40", {"size": 32, "max_length": 6, "beam": 2, "vocabulary": 60}),
    "embed": ("digits", {"size": 16}),
}


NO_NETWORK = {"track"}
"""Tasks whose models are no networks; that they refuse is tested with them."""


def test_every_task_is_exported_here() -> None:
    assert set(TASKS) | NO_NETWORK == set(ALL_TASKS.names())


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A small run of a task, trained once."""
    result: dict[str, Path] = {}

    def get(task: str) -> Path:
        if task not in result:
            data, options = TASKS.get(task, ("shapes:40", {"size": 32}))
            result[task] = tmp_path_factory.mktemp("runs") / task
            data = data or str(growing_clips(tmp_path_factory.mktemp("clips"), 24))
            sl.train(data, task=task, out=result[task], **{**QUICK, **options})
        return result[task]

    return get


@pytest.fixture(scope="session")
def plain(runs: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    """What a run is exported to by default, and under a licence; written once."""
    result: dict[str, Any] = {}

    def get(task: str) -> Any:
        if task not in result:
            out = tmp_path_factory.mktemp("plain") / task
            result[task] = exported(runs(task), "onnx", out, license="CC-BY-4.0", max_score_drop=100)
        return result[task]

    return get


@pytest.fixture(scope="session")
def translations() -> dict[str, bytes]:
    """ONNX of a run's graph, by the run and what the graph includes."""
    return {}


@pytest.fixture
def translated(
    runs: Callable[[str], Path], translations: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Path]:
    """A small run of a task, whose graph is translated to ONNX once: that takes most of the time."""

    def get(task: str) -> Path:
        def once(graph: Graph) -> Any:
            onnx = onnx_proto.library()
            key = f"{task} {graph.include}"
            if key not in translations:
                translations[key] = onnx_proto.proto(graph).SerializeToString()
            return onnx.load_from_string(translations[key])

        for name in ("onnx", "openvino"):
            monkeypatch.setattr(f"sightline.exporters.formats.{name}.proto", once)
        return runs(task)

    return get


def exported(run: Path, name: str, out: Path, **options: Any) -> Any:
    try:
        return sl.export(run, to=name, out=out, **options)
    except MissingExtra as missing:
        pytest.skip(str(missing))


@pytest.mark.parametrize("name", EXPORTERS.names())
@pytest.mark.parametrize("task", TASKS)
def test_the_file_answers_as_the_network_does(
    task: str, name: str, translated: Callable[[str], Path], tmp_path: Path
) -> None:
    run = translated(task)
    result = exported(
        run, name, tmp_path / "it", max_score_drop=5
    )  # after one epoch a detector's score is noise
    module = EXPORTERS.load(name)
    assert result.gate.passed
    assert result.file == tmp_path / f"it{module.CARD.ending}"
    assert max(result.gate.apart[k] for k in result.gate.apart if k not in ("boxes", "labels")) < 1e-3
    model, _, _ = restore(run)
    graph = Graph(model.eval())
    answer = module.runner(result.file)
    for n in (1, 3):  # any number of images
        images = graph.example(n)
        with torch.no_grad():
            target = graph.outputs_of(images)
        outputs = answer(images.numpy())
        assert set(outputs) == set(target)
        for key in target:
            assert outputs[key].shape == tuple(target[key].shape)
            assert outputs[key].dtype == target[key].numpy().dtype
    assert json.loads((tmp_path / f"it{module.CARD.ending}.json").read_text())["passed"]


def _channels(graph: Graph) -> None:
    outputs = graph.outputs_of
    graph.outputs_of = lambda images: outputs(images.flip(1))  # type: ignore[method-assign]


def _mean(graph: Graph) -> None:
    graph.model.mean += 0.4


def _classes(graph: Graph) -> None:
    outputs = graph.outputs_of
    graph.outputs_of = lambda images: {k: v.roll(1, 1) for k, v in outputs(images).items()}  # type: ignore[method-assign]


def _activation(graph: Graph) -> None:
    for parent in list(graph.model.modules()):
        for key, child in parent.named_children():
            if isinstance(child, nn.ReLU | nn.Tanh | nn.SiLU | nn.Sigmoid):
                setattr(parent, key, nn.Identity())
                return
    raise AssertionError("no activation was found")


@pytest.mark.parametrize("fault", [_channels, _mean, _classes, _activation])
@pytest.mark.parametrize("name", EXPORTERS.names())
def test_a_faulty_file_is_refused(
    name: str,
    fault: Callable[[Graph], None],
    runs: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run, module = runs("classify"), EXPORTERS.load(name)
    write = module.write

    def spoilt(job: Job, file: Path) -> None:
        graph = Graph(copy.deepcopy(job.graph.model), job.graph.include)
        fault(graph)
        write(Job(graph, job.document, job.precision, job.calibration), file)

    monkeypatch.setattr(module, "write", spoilt)
    result = exported(run, name, tmp_path / "it")
    assert result.exit_code == 1
    assert result.gate.why
    assert len(result.gate.worst) == 5
    assert result.file.name.endswith(".rejected")
    assert result.file.is_file()
    assert not list(tmp_path.glob(f"*{module.CARD.ending}"))
    if fault is _activation and module.CARD.named:
        assert result.gate.node


def test_a_file_that_is_mended_replaces_the_rejected_one(
    translated: Callable[[str], Path], tmp_path: Path
) -> None:
    result = exported(translated("classify"), "onnx", tmp_path / "it", max_score_drop=-100)
    assert result.exit_code == 1
    assert "fell by 0.00 points, more than --max-score-drop -100" in result.gate.why
    assert exported(translated("classify"), "onnx", tmp_path / "it").exit_code == 0
    assert not list(tmp_path.glob("*.rejected"))


def having(*precisions: str) -> list[tuple[str, str]]:
    return [(n, p) for n in EXPORTERS.names() for p in EXPORTERS.load(n).CARD.precisions if p in precisions]


@pytest.mark.parametrize(("name", "precision"), having("int8", "int8-dynamic"))
def test_eight_bits_are_a_quarter(
    name: str, precision: str, translated: Callable[[str], Path], tmp_path: Path
) -> None:
    whole = exported(translated("classify"), name, tmp_path / "whole")
    small = exported(translated("classify"), name, tmp_path / "small", max_score_drop=100, quantize=precision)
    assert small.precision == precision
    assert small.bytes < 0.6 * whole.bytes
    assert max(small.gate.apart.values()) > 0


def test_the_bare_network(translated: Callable[[str], Path], tmp_path: Path) -> None:
    result = exported(translated("detect"), "onnx", tmp_path / "bare", include="none")
    assert result.gate.passed
    images = np.zeros((1, 3, 64, 64), np.float32)
    assert EXPORTERS.load("onnx").runner(result.file)(images)
    half = exported(
        translated("classify"), "onnx", tmp_path / "half", include="none", quantize="fp16", max_score_drop=5
    )
    assert half.gate.passed


def test_the_light_runtime_reads_what_is_suppressed_already(
    translated: Callable[[str], Path],
    plain: Callable[[str], Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runtime = pytest.importorskip("sightline.runtime.session", reason="the extra 'onnx' is not installed")
    # After one epoch scores are all but equal, and the last bit decides which box drops which.
    monkeypatch.setattr("sightline.exporters.validation.LIMIT", 100)
    suppressed = exported(translated("detect"), "onnx", tmp_path / "final", include="nms", max_score_drop=100)
    image = np.random.default_rng(0).integers(0, 256, (90, 70, 3), dtype=np.uint8)
    whole, final = (
        next(iter(runtime.Session(first.file, min_score=0.0).predict([image])))
        for first in (plain("detect"), suppressed)
    )
    assert len(whole.prediction.boxes)
    assert whole.row == final.row
    half = exported(
        translated("detect"), "onnx", tmp_path / "half", include="nms", quantize="fp16", max_score_drop=100
    )
    (outputs,) = runtime.Session(half.file, min_score=0.0).predict([image])
    assert outputs.row["objects"] > 0  # which of them stay hangs on the last bit, see above


@pytest.mark.parametrize("task", ["classify", "regress", "detect", "semantic"])
def test_a_stored_image_is_answered_as_by_predict(
    task: str,
    translated: Callable[[str], Path],
    plain: Callable[[str], Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runtime = pytest.importorskip("sightline.runtime.session", reason="the extra 'onnx' is not installed")
    ort = pytest.importorskip("onnxruntime", reason="the extra 'onnx' is not installed")
    monkeypatch.setattr("sightline.exporters.validation.LIMIT", 100)  # as above
    result = exported(translated(task), "onnx", tmp_path / "it", include="preprocess", max_score_drop=100)
    settings = restore(translated(task))[0].settings
    size, channels = settings["size"], settings["channels"]
    # Twice the size and even colours, so that rounding in scaling changes nothing.
    small = np.random.default_rng(0).integers(0, 256, (*size, 1), dtype=np.uint8)
    image = small.repeat(2, 0).repeat(2, 1).repeat(channels, 2)
    opened = ort.InferenceSession(str(result.file), providers=["CPUExecutionProvider"])
    names = [first.name for first in opened.get_outputs()]
    outputs = dict(zip(names, opened.run(names, {"image": image}), strict=True))
    everything = 0.0 if task == "detect" else None
    (target,) = runtime.Session(plain(task).file, min_score=everything).predict([image])
    if task == "detect":
        n = int(outputs["count"][0])
        assert n == len(target.prediction.boxes) > 0
        assert np.sort(outputs["boxes"][0, :n], 0) == pytest.approx(
            np.sort(target.prediction.boxes, 0), abs=0.5
        )
    elif task == "semantic":
        assert (outputs["classes"][0] == target.prediction.map).mean() > 0.98
    else:
        answer = outputs["scores" if task == "classify" else "value"][0]
        wanted = target.prediction.scores if task == "classify" else target.prediction.value
        assert answer == pytest.approx(wanted, abs=0.01)
    with pytest.raises(SightlineError, match=r"--include preprocess.*export it with --include postprocess"):
        runtime.Session(result.file)


def test_an_image_with_fewer_bits(translated: Callable[[str], Path], tmp_path: Path) -> None:
    for quantize in ("fp16", "int8", "int8-dynamic"):
        result = exported(
            translated("classify"),
            "onnx",
            tmp_path / "it",
            include="preprocess",
            max_score_drop=100,
            quantize=quantize,
        )
        outputs = EXPORTERS.load("onnx").runner(result.file)(np.zeros((2, 3, 50, 70), np.uint8))
        assert outputs["scores"].shape[0] == 2


def test_a_mistake_in_scaling_is_caught(
    runs: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gate looks at stored images: those of the model's own size would not show it."""
    onnx = pytest.importorskip("onnx", reason="the extra 'onnx' is not installed")
    run = tmp_path / "large"
    sl.train(
        "shapes:one:60", task="classify", out=run, **{**QUICK, "epochs": 4, "model": "cnn-tiny", "size": 24}
    )
    from sightline.exporters import preprocess_graph

    def spoilt(model: Any, settings: Any) -> Any:
        result = preprocess_graph.whole(model, settings)
        node = next(n for n in result.graph.node if n.op_type == "Resize")
        node.input[0], turned = "turned", node.input[0]
        at = list(result.graph.node).index(node)
        flip = onnx.helper.make_node("Sub", ["white", turned], ["turned"])
        white = onnx.helper.make_node(
            "Constant", [], ["white"], value=onnx.numpy_helper.from_array(np.array(255, np.uint8))
        )
        result.graph.node.insert(at, flip)
        result.graph.node.insert(at, white)
        return result

    monkeypatch.setattr("sightline.exporters.formats.onnx.whole", spoilt)
    assert exported(run, "onnx", tmp_path / "it", include="preprocess").exit_code == 1


def test_the_document_travels_in_the_file(runs: Callable[[str], Path], plain: Callable[[str], Any]) -> None:
    onnx = pytest.importorskip("onnx", reason="the extra 'onnx' is not installed")
    result = plain("detect")
    properties = {p.key: p.value for p in onnx.load(result.file).metadata_props}
    document = json.loads(properties["sightline"])
    assert document["task"] == "detect"
    assert document["prediction"] == "instances"
    assert document["license"] == "CC-BY-4.0"
    assert document["model_config"]["classes"]
    assert len(document["model_config"]["thresholds"]) == len(document["model_config"]["classes"])
    assert document["metric"]["name"] == "mAP50-95"
    assert document["data"] == json.loads((runs("detect") / "run.json").read_text())["data"]["fingerprint"]


def test_what_cannot_be_is_said(runs: Callable[[str], Path], tmp_path: Path) -> None:
    with pytest.raises(SightlineError, match=r"no format of exported models 'onx'.*onnx"):
        sl.export(runs("classify"), to="onx")
    with pytest.raises(UsageError, match="These have it: litert, onnx, openvino"):
        sl.export(runs("classify"), to="torch", quantize="int8")
    with pytest.raises(
        UsageError, match=r"openvino has no --quantize int8-dynamic\. These have it: litert, onnx"
    ):
        sl.export(runs("classify"), to="openvino", quantize="int8-dynamic")
    with pytest.raises(UsageError, match=r"torch has no --include nms\. These have it: onnx, openvino"):
        sl.export(runs("detect"), to="torch", include="nms")
    with pytest.raises(UsageError, match="--include postprocess holds everything"):
        sl.export(runs("classify"), include="nms")
    with pytest.raises(
        UsageError, match=r"--include preprocess cannot be: model 'yolo-n' says what is read outside \(masks"
    ):
        sl.export(runs("instance"), include="preprocess")
    with pytest.raises(SightlineError, match="nothing-here"):
        sl.export(tmp_path / "nothing-here")


def test_a_file_that_crashes_its_runtime_is_told_and_not_kept(
    translated: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxscript", reason="the extra 'onnx' is not installed")
    good = exported(translated("classify"), "onnx", tmp_path / "good")
    crash_check.check("onnx", good.file, "uint8", [(1, 3, 64, 64)])
    with pytest.raises(SightlineError, match=r"a child process could not run it .*no-such"):
        crash_check.check("no-such", good.file, "uint8", [(1, 3, 64, 64)])
    monkeypatch.setattr(crash_check, "_CODE", "import os; os.abort()")
    with pytest.raises(SightlineError, match="the runtime of 'onnx' crashed on it"):
        sl.export(translated("classify"), quantize="int8", out=tmp_path / "it")
    assert not list(tmp_path.glob("it*"))


@pytest.mark.parametrize("task", ["action", "regress", "semantic", "instance"])  # the others above
def test_sixteen_bits_are_written_for_every_task(
    task: str, translated: Callable[[str], Path], tmp_path: Path
) -> None:
    result = exported(run := translated(task), "onnx", tmp_path / "half", quantize="fp16", max_score_drop=1e9)
    assert result.gate.passed
    assert EXPORTERS.load("onnx").runner(result.file)(Graph(restore(run)[0].eval()).example(1).numpy())
