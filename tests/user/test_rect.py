"""`--resize rect`: each image in its own rectangle, from training to the exported file."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import sightline as sl
from sightline.data.open import open_data
from sightline.errors import UsageError
from sightline.exporters import export_run
from sightline.exporters.export_run import ExportOptions
from sightline.exporters.formats import EXPORTERS
from sightline.exporters.graph import Graph
from sightline.exporters.validation import gate
from sightline.inference.model_folder import restore
from sightline.runtime.session import Session
from sightline.training.arguments import TrainArguments
from sightline.training.plan import make_plan
from sightline.training.recipe import Recipe

SIZES = [(64, 96), (96, 64), (80, 96), (96, 96)]
"""Height and width; with a long side of 96 the rectangles are 64x96, 96x64, 96x96 and 96x96."""


def scene(height: int, width: int, seed: int) -> tuple[np.ndarray, list[str]]:
    """A dark image with two bright squares, and their lines of a YOLO file."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 60, (height, width, 3), dtype=np.uint8)
    lines = []
    for _ in range(2):
        side = int(rng.integers(12, 24))
        x, y = int(rng.integers(0, width - side)), int(rng.integers(0, height - side))
        image[y : y + side, x : x + side] = 230
        lines.append(f"0 {(x + side / 2) / width} {(y + side / 2) / height} {side / width} {side / height}")
    return image, lines


def write(root: Path, sizes: list[tuple[int, int]], n: int = 40) -> Path:
    """A data set of n images in YOLO's layout, whose sizes take turns."""
    for i in range(n):
        image, lines = scene(*sizes[i % len(sizes)], i)
        for name, text in (("images", None), ("labels", "\n".join(lines))):
            folder = root / name / ("val" if i % 5 == 4 else "train")
            folder.mkdir(parents=True, exist_ok=True)
            if text is None:
                Image.fromarray(image).save(folder / f"{i:02}.png")
            else:
                (folder / f"{i:02}.txt").write_text(text)
    (root / "data.yaml").write_text("train: images/train\nval: images/val\nnames: [square]\n")
    return root


def train(data: Path, out: Path, resize: str | None = "rect", **options: Any) -> Any:
    options = {"epochs": 1, "batch_size": 8, "size": 96, "pretrained": "no", "device": "cpu", **options}
    given = {} if resize is None else {"resize": resize}
    return sl.train(str(data), task="detect", model="yolo-n", out=out, **given, **options)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("mixed"), SIZES)


@pytest.fixture(scope="module")
def run(mixed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "rect"
    train(mixed, out, epochs=2)
    return out


@pytest.fixture(scope="module")
def images(mixed: Path) -> list[Path]:
    return sorted((mixed / "images").glob("*/*.png"))


def boxes(outcome: Any) -> Any:
    prediction = outcome.prediction
    return prediction.boxes, prediction.scores, prediction.labels


def test_a_prediction_does_not_depend_on_the_images_beside_it(run: Path, images: list[Path]) -> None:
    model = sl.load(run)
    together = list(model.predict([str(p) for p in images[:8]], min_score=0, batch_size=8))
    alone = list(chain.from_iterable(model.predict(str(p), min_score=0) for p in images[:8]))
    assert [o.id for o in together] == [str(p) for p in images[:8]]
    assert sum(len(o.prediction.scores) for o in alone) > 8
    for a, b in zip(together, alone, strict=True):
        for one, other in zip(boxes(a), boxes(b), strict=True):
            torch.testing.assert_close(one, other, atol=1e-3, rtol=1e-4)


def test_evaluate_scores_what_predict_predicts(run: Path, mixed: Path) -> None:
    again = sl.evaluate(run, str(mixed), split="val")
    assert again.scores["mAP50-95"].n == 8
    repeated = sl.evaluate(run, str(mixed), split="val")
    assert again.scores["mAP50-95"].value == repeated.scores["mAP50-95"].value


def test_the_exported_file_and_the_runtime_take_each_image_in_its_rectangle(
    run: Path, images: list[Path], tmp_path: Path
) -> None:
    pytest.importorskip("onnx")
    result = sl.export(run, to="onnx", out=tmp_path / "m.onnx")
    assert (result.resize, result.gate.passed) == ("rect", True), result.gate.why
    session = Session(result.file, min_score=0)
    answers = list(session.predict([*images[:8], images[0]], batch_size=4))
    shapes = {session.prepare(p).pixels.shape for p in images[:8]}
    assert shapes == {(3, 64, 96), (3, 96, 64), (3, 96, 96)}
    expected = list(sl.load(run).predict([str(p) for p in [*images[:8], images[0]]], min_score=0))
    for a, b in zip(answers, expected, strict=True):
        np.testing.assert_allclose(np.sort(a.prediction.scores), np.sort(b.prediction.scores), atol=1e-4)
        best = a.prediction.boxes[:1], b.prediction.boxes[:1].numpy()
        np.testing.assert_allclose(*best, atol=0.05)


def test_a_file_of_one_size_is_judged_by_the_network_with_own_rectangles(
    run: Path, mixed: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    model, task, _ = restore(run)
    wish = ExportOptions(EXPORTERS.load("litert"), "fp32", "postprocess", None, "")
    graph = export_run._graph(model.eval(), wish)
    assert (graph.settings["resize"], graph.example(1).shape[2:]) == ("letterbox", (96, 96))
    assert "inputs of one size, 96x96 (--to litert)" in capfd.readouterr().err

    @torch.no_grad()
    def answer(images: Any) -> dict[str, Any]:
        return {name: value.numpy() for name, value in graph.outputs_of(torch.from_numpy(images)).items()}

    data = open_data(str(mixed))
    part = data.subset(data.indices_of("val"))
    judged = gate(graph, lambda taps: answer, part, task, 100, exact=True, network=model)
    scores = [gate(g, lambda taps: answer, part, task, 100, exact=False).before
              for g in (Graph(model), graph)]  # fmt: skip
    assert (judged.before.value, judged.after.value) == tuple(score.value for score in scores)
    assert max(judged.apart.values()) == 0


def test_data_of_one_size_are_planned_as_with_letterbox(tmp_path: Path) -> None:
    data = write(tmp_path / "data", [(64, 96)], n=10)
    arguments = TrainArguments(str(data), task="detect", model="yolo-n")
    letterbox, rect = (
        make_plan(replace(arguments, recipe=Recipe(size=96, resize=resize))).settings
        for resize in ("letterbox", "rect")
    )
    assert rect == {**letterbox, "resize": "rect"}


def test_what_takes_one_size_refuses_rect(mixed: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"takes images of one size only\. Use --resize letterbox"):
        sl.train(str(mixed), task="detect", model="yolo1", resize="rect", out=tmp_path / "a", device="cpu")
    with pytest.raises(UsageError, match="with --tile-size all inputs are squares"):
        train(mixed, tmp_path / "b", tile_size=64)
