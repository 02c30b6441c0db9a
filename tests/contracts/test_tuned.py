"""Every task from installed weights: started, resumed bit for bit, exported, and run as exported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import sightline as sl
from sightline.core.run import Run
from sightline.data.formats import coco, masks, table, yolo
from sightline.data.open import open_data
from sightline.evaluation import baselines
from sightline.exporters.formats import EXPORTERS
from sightline.exporters.graph import Graph
from sightline.inference.model_folder import restore
from sightline.models.weights import embedded
from sightline.storage import read_tensors
from sightline.tasks import TASKS
from sightline.training.arguments import TrainArguments
from sightline.training.plan import make_plan
from sightline.training.recipe import Recipe
from sightline.training.runner import build_model
from sightline.training.state import Training
from tests.contracts.test_exports import exported
from tests.user.test_transfer import write_large

BACKBONE = embedded.DEFAULT
QUICK: dict[str, Any] = {"size": 64, "epochs": 1, "batch_size": 6, "device": "cpu", "augment": "light"}
DATA: dict[str, Any] = {
    "classify": ("", None),
    "regress": ("shapes:area:16", table),
    "semantic": ("shapes:masks:16", masks),
    "detect": ("shapes:boxes:16", yolo),
    "instance": ("shapes:outlines:16", coco),
}
PLACES = ("semantic", "detect", "instance")
"""Tasks whose methods take a backbone beside other parts."""


@pytest.fixture(autouse=True)
def _weights() -> None:
    if lack := embedded.trouble(BACKBONE):
        pytest.skip(lack)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A task's small data, as files: what comes with the toolkit is trained from scratch."""
    result: dict[str, Path] = {}

    def get(task: str) -> Path:
        if task not in result:
            source, form = DATA[task]
            result[task] = tmp_path_factory.mktemp("data") / task
            if form is None:
                write_large(result[task])
                return result[task]
            result[task] = form.write(open_data(source), result[task])
        return result[task]

    return get


@pytest.fixture(scope="module")
def runs(folder: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A run of a task with the defaults, from installed weights, trained once."""
    result: dict[str, Path] = {}

    def get(task: str) -> Path:
        if task not in result:
            result[task] = tmp_path_factory.mktemp("runs") / task
            sl.train(str(folder(task)), task=task, out=result[task], pretrained="yes", **QUICK)
        return result[task]

    return get


def planned(data: Path, task: str, **more: Any) -> Any:
    return make_plan(TrainArguments(str(data), task=task, recipe=Recipe(size=64, epochs=1), **more))


@pytest.mark.parametrize("task", PLACES)
def test_the_backbone_is_the_installed_one_and_keeps_its_statistics(
    task: str, runs: Callable[[str], Path]
) -> None:
    run = Run.open(runs(task))
    card = TASKS.load(task).MODELS.load(run.record.model_config.method).CARD
    assert run.record.model_config.backbone == run.record.task_config["backbone"] == BACKBONE
    assert "installed (efficientnet-lite0" in run.record.decisions["start"]
    assert card.tuned_defaults.items() <= run.record.recipe.items()
    assert run.record.model_config.mean == (0.5,) * 3
    tensors = read_tensors(runs(task) / "model/model.safetensors")
    present = {k: v for k, v in tensors.items() if k.endswith("blocks.2.0.bn1.running_mean")}
    assert len(present) == 1
    (name,) = present
    model, _, _ = restore(runs(task))
    fresh = type(model)({**model.settings}, pretrained="yes").state_dict()
    assert torch.equal(present[name], fresh[name])
    kernel = name.replace("bn1.running_mean", "conv_pw.weight")
    assert not torch.equal(tensors[kernel], fresh[kernel])


@pytest.mark.parametrize("task", PLACES)
def test_what_auto_stands_for(task: str, folder: Callable[[str], Path], runs: Callable[[str], Path]) -> None:
    data = folder(task)
    default = "resnet18" if task == "semantic" else "own"
    fresh = planned(data, task, pretrained="no")
    assert fresh.settings["backbone"] == default
    assert not fresh.recipe.freeze_bn
    assert planned(data, task, pretrained="yes").settings["backbone"] == BACKBONE
    usual = planned(data, task)
    assert usual.settings["backbone"] == (BACKBONE if task == "semantic" else default)
    assert ("from scratch: from installed weights yolo-n comes no further" in usual.decisions["start"]) == (
        task != "semantic"
    )
    named = planned(data, task, pretrained="yes", options={"backbone": "resnet18"})
    assert named.settings["backbone"] == "resnet18"
    assert not named.start.tuned
    mine = planned(data, task, pretrained="auto", options={"backbone": "own"})
    assert mine.settings["backbone"] == default
    again = planned(data, task, weights=str(runs(task)))
    assert again.settings["backbone"] == BACKBONE
    assert not again.start.tuned
    build_model(again)  # and they fit


def test_without_the_package_it_is_the_methods_own(
    folder: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "trouble", lambda model, **_: "not installed")
    result = planned(folder("semantic"), "semantic", pretrained="auto")
    assert result.settings["backbone"] == "resnet18"
    assert not result.start.tuned


def test_gray_images_go_in_with_one_channel(folder: Callable[[str], Path], tmp_path: Path) -> None:
    gray = tmp_path / "gray"
    for file in (p for p in folder("semantic").rglob("*") if p.is_file()):
        copy = gray / file.relative_to(folder("semantic"))
        copy.parent.mkdir(parents=True, exist_ok=True)
        if "images" in file.parts:
            Image.open(file).convert("L").save(copy)
        else:
            copy.write_bytes(file.read_bytes())
    result = planned(gray, "semantic", pretrained="yes")
    assert result.settings["channels"] == 1
    assert "the images are gray: the first convolution takes the sum" in result.decisions["start"]


def cut_short(training: Training) -> None:
    """As a run that is killed: after its second checkpoint, in the middle of an epoch."""
    kept(training)
    cut_short.saved += 1  # type: ignore[attr-defined]
    if cut_short.saved == 2:  # type: ignore[attr-defined]
        raise KeyboardInterrupt


kept = Training.save


@pytest.mark.parametrize("task", [t for t in DATA if t != "instance"])  # it resumes as detection does
def test_resumed_it_ends_with_the_same_weights(
    task: str, folder: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(baselines, "predict_baselines", lambda *_: {})  # of no matter here, and slow
    how: dict[str, Any] = {**QUICK, "checkpoint_every": "0.001s", "batch_size": 3}
    whole = sl.train(str(folder(task)), task=task, out=tmp_path / "whole", pretrained="yes", **how)
    cut_short.saved = 0  # type: ignore[attr-defined]
    monkeypatch.setattr(Training, "save", cut_short)
    with pytest.raises(KeyboardInterrupt):
        sl.train(str(folder(task)), task=task, out=tmp_path / "broken", pretrained="yes", **how)
    monkeypatch.setattr(Training, "save", kept)
    broken = sl.train(str(folder(task)), resume=tmp_path / "broken")
    first, second = (p / "model" / "model.safetensors" for p in (whole.path, broken.path))
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("task", DATA)
def test_the_exported_file_answers_as_the_network_does(
    task: str, runs: Callable[[str], Path], tmp_path: Path
) -> None:
    runtime = pytest.importorskip("sightline.runtime.session", reason="the extra 'onnx' is not installed")
    result = exported(runs(task), "onnx", tmp_path / "it", max_score_drop=5)
    assert result.gate.passed
    graph = Graph(restore(runs(task))[0].eval())
    answer = EXPORTERS.load("onnx").runner(result.file)
    for n in (1, 3):
        images = graph.example(n)
        with torch.no_grad():
            target = graph.outputs_of(images)
        outputs = answer(images.numpy())
        assert {k: v.shape for k, v in outputs.items()} == {k: tuple(v.shape) for k, v in target.items()}
    image = np.random.default_rng(0).integers(0, 256, (90, 70, 3), dtype=np.uint8)  # of another shape
    assert len(list(runtime.Session(result.file).predict([image, image]))) == 2


@pytest.mark.parametrize("task", ["regress", "semantic", "detect"])  # classify: tests/user/test_transfer.py
def test_folds_and_a_search_start_there_too(
    task: str, folder: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(baselines, "predict_baselines", lambda *_: {})
    start: dict[str, Any] = {**QUICK, "task": task, "pretrained": "yes"}
    folded = sl.train(str(folder(task)), out=tmp_path / "folds", folds=2, **start)
    assert folded.results.n == 16
    for fold in (1, 2):
        assert "installed" in Run.open(tmp_path / f"folds/fold-{fold}").record.weights
    sl.tune(str(folder(task)), out=tmp_path / "search", trials=1, **start)
    assert "installed" in Run.open(tmp_path / "search/trial-1").record.weights


def test_eight_bits_are_a_quarter(runs: Callable[[str], Path], tmp_path: Path) -> None:
    run = runs("classify")  # for boxes it takes much longer, and the backbone is the same
    small = exported(run, "onnx", tmp_path / "small", max_score_drop=100, quantize="int8")
    assert small.gate.passed
    assert small.bytes < 0.6 * (run / "model/model.safetensors").stat().st_size


def test_the_frozen_baseline_labels_pixels(runs: Callable[[str], Path]) -> None:
    scores = Run.open(runs("semantic")).results.baselines
    assert set(scores) == {"place", "colors", "forest", "frozen"}
    assert scores["frozen"]["mIoU"].value > scores["place"]["mIoU"].value


@pytest.mark.parametrize(
    ("task", "others", "score"),
    [("detect", ("box", "windows"), "mAP50"), ("instance", ("shape", "watershed"), "mask mAP50")],
)
def test_the_frozen_baseline_finds_objects(
    task: str, others: tuple[str, ...], score: str, runs: Callable[[str], Path]
) -> None:
    results = Run.open(runs(task)).results
    assert set(results.baselines) == {*others, "frozen"}
    values = {name: scores[score].value for name, scores in results.baselines.items()}
    assert max(values, key=lambda name: values[name]) == "frozen", values
    assert any("the frozen baseline" in v for v in results.conclusions)
