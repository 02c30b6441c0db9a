"""Action recognition: the order of frames counts, baselines, mirrored classes."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torchvision.models import video

import sightline as sl
from sightline.core.dataset import Dataset
from sightline.core.metric import Metric
from sightline.core.sample import Batch
from sightline.core.targets.label import ClassLabels
from sightline.data.io.films import film_frames, film_index
from sightline.data.loading.loader import Loader
from sightline.data.transforms.time_crop import time_crop
from sightline.devices import Devices
from sightline.errors import SightlineError, UnknownName, UsageError
from sightline.evaluation import frame_order
from sightline.inference.model_folder import restore
from sightline.inference.views import in_views
from sightline.metrics.balanced_accuracy import BalancedAccuracy
from sightline.metrics.hamming import Hamming
from sightline.metrics.mae import Mae
from sightline.storage import read_tensors, write_tensors
from sightline.tasks import TASKS, task_type
from sightline.tasks.action.baselines import motion_energy, time_profile
from sightline.tasks.action.models._frame_model import FrameModel
from sightline.tasks.action.models.torchvision import TorchvisionVideo
from sightline.testing import toy_plan
from sightline.training import frozen_frames
from sightline.training.plan import Plan
from sightline.training.runner import build_model
from tests.fixtures.clips import write_gif


def growing(n: int, seed: int, side: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """Clips of squares that grow (0) or shrink (1), each before a background of its own."""
    data = task_type("action").synthetic_dataset(n, side, seed)
    clips = np.stack([data.pixels.read(i) for i in range(n)])
    coarse = np.random.default_rng(seed).integers(0, 150, (n, 1, side // 4, side // 4, 1), dtype=np.uint8)
    return np.maximum(clips, coarse.repeat(4, 2).repeat(4, 3)), data.targets_as(ClassLabels).value.numpy()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    clips, value = growing(72, seed=1)
    for i, (clip, label) in enumerate(zip(clips, value, strict=True)):
        place = folder / ("grow", "shrink")[label]
        place.mkdir(exist_ok=True)
        np.save(place / f"person{i // 6:02d}_{i:03d}.npy", clip)
    return folder


@pytest.fixture(scope="module")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[list[str]]]:
    """A run, and the ids of the items of each loader that its training made."""
    made: list[list[str]] = []
    begin = Loader.__init__

    def noted(self: Loader, dataset: Dataset, **options: Any) -> None:
        made.append(sorted(dataset.ids))
        begin(self, dataset, **options)

    out = tmp_path_factory.mktemp("runs") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Loader, "__init__", noted)
        sl.train(str(data), task="action", out=out, epochs=8, lr=0.003, batch_size=8, device="cpu", frames=4)
    return out, made


@pytest.fixture(scope="module")
def run(trained: tuple[Path, list[list[str]]]) -> Path:
    return trained[0]


def test_the_order_of_frames_is_learnt_and_one_frame_is_not_enough(run: Path) -> None:
    results = json.loads((run / "results.json").read_text())
    assert results["scores"]["balanced accuracy"]["value"] >= 0.9
    assert results["baselines"]["middle-frame"]["balanced accuracy"]["value"] <= 0.8
    assert results["baselines"]["time-profile"]["balanced accuracy"]["value"] >= 0.9


def test_messages_speak_of_clips(run: Path) -> None:
    record, results = (json.loads((run / name).read_text()) for name in ("run.json", "results.json"))
    assert "72 clips. Read as" in record["decisions"]["data"]
    assert results["item"] == "clip"
    words = [*results["conclusions"], results["metadata"]["calibration"]]
    assert "The test clips are few" in " ".join(words)
    assert not [text for text in words if "image" in text]
    findings = json.loads((run / "findings.json").read_text())
    assert not [f for f in findings if "image" in f["message"] + f["fix"]]


def test_people_stay_in_one_part_and_it_is_said(run: Path) -> None:
    parts = json.loads((run / "splits.json").read_text())
    people = {name: {item.split("/")[1][:8] for item in items} for name, items in parts.items()}
    assert not people["train"] & people["test"]
    assert not people["train"] & people["val"]
    assert "personNN" in json.loads((run / "run.json").read_text())["decisions"]["data"]


def test_a_clip_played_backwards_is_the_other_class(run: Path, data: Path, tmp_path: Path) -> None:
    clip = np.load(sorted((data / "grow").iterdir())[0])
    forth, back = sl.load(run).predict([clip, clip[::-1].copy()])
    assert (forth.row["label"], back.row["label"]) == ("grow", "shrink")
    results = sl.evaluate(run, str(data), device="cpu")
    assert results.scores["balanced accuracy"].value >= 0.9
    summary = sl.predict(run, [str(data / "grow")], out=tmp_path / "it.csv", device="cpu")
    assert (summary.total, len(summary.errors)) == (36, 0)


def test_the_report_says_what_reversed_and_shuffled_clips_are_called(run: Path) -> None:
    results = json.loads((run / "results.json").read_text())
    orders, score = results["metadata"]["orders"], results["scores"]["balanced accuracy"]["value"]
    assert orders["reversed"] <= 0.2
    assert orders["shuffled"] <= score
    assert any(s.startswith("The model uses the order of frames: ") for s in results["conclusions"])
    page = (run / "report.html").read_text()
    assert "reversed, mostly called" in page
    assert "Scores by group" in page
    assert "that cannot be shown" not in page


@pytest.mark.parametrize(
    ("metric", "score", "reversed_", "shuffled", "says"),
    [
        (BalancedAccuracy(), 0.9, 0.5, 0.9, "The model uses the order of frames: "),
        (BalancedAccuracy(), 0.9, 0.9, 0.5, "The model uses the order of frames: "),
        (BalancedAccuracy(), 0.9, 0.88, 0.9, "The model hardly uses the order of frames: "),
        (Hamming(), 0.1, 0.1, 0.5, "The model uses the order of frames: "),
        (Hamming(), 0.5, 0.1, 0.1, "The model hardly uses the order of frames: "),
        (Mae(), 3.0, 9.0, 9.0, "Order of frames: MAE 3.0 as filmed, 9.0 reversed, 9.0 shuffled."),
    ],
)
def test_the_verdict_on_the_order_of_frames_goes_by_the_metric(
    metric: Metric,
    score: float,
    reversed_: float,
    shuffled: float,
    says: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    task = toy_plan("action", n=4).task
    monkeypatch.setattr(task, "metrics", lambda: {task.card.primary_metric: metric})
    scores = {"reversed": reversed_, "shuffled": shuffled}
    assert frame_order.order_conclusions(task, score, scores)[0].startswith(says)


def test_one_loader_decodes_the_test_clips_for_all_orders(trained: tuple[Path, list[list[str]]]) -> None:
    run, loaders = trained
    assert loaders.count(sorted(json.loads((run / "splits.json").read_text())["test"])) == 1


@pytest.mark.parametrize("model", TASKS.load("action").MODELS.names())
def test_each_model_takes_clips_of_any_length_and_size(model: str, tmp_path: Path) -> None:
    plan = toy_plan("action", n=4, model=model)
    network = build_model(plan).eval()
    clip = torch.randint(0, 256, (2, 1, 5, 16, 16), dtype=torch.uint8)
    with torch.no_grad():
        forth, back = network(clip)["logits"], network(clip.flip(2))["logits"]
    assert forth.shape == (2, 2)
    same = bool(torch.allclose(forth, back, atol=1e-5))
    assert same == (model == "frame-average")
    settings = {**network.settings, "size": [200, 140]}
    large = type(network)(settings).eval()
    with torch.no_grad():
        assert large(torch.zeros(1, 1, 3, 200, 140, dtype=torch.uint8))["logits"].shape == (1, 2)


def test_a_backbone_by_name_sees_the_frames() -> None:
    plan = toy_plan("action", n=4, model="gru", options={"backbone": "cnn-tiny"})
    network = build_model(plan)
    assert plan.settings["backbone"] == "cnn-tiny"
    clip = torch.randint(0, 256, (2, 1, 4, 16, 16), dtype=torch.uint8)
    assert network(clip)["logits"].shape == (2, 2)
    assert network.backbone() is not None


def test_features_of_a_frozen_backbone_are_computed_once(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def train(name: str) -> dict[str, torch.Tensor]:
        sl.train(str(data), task="action", model="gru", backbone="resnet-small", freeze="backbone", frames=4,
                 epochs=2, augment="none", out=tmp_path / name, device="cpu")  # fmt: skip
        return read_tensors(tmp_path / name / "model" / "model.safetensors")

    calls: list[int] = []
    features = FrameModel.frame_features
    monkeypatch.setattr(
        FrameModel, "frame_features", lambda m, x: calls.append(x.shape[-1]) or features(m, x)
    )
    once = train("once")
    assert "computed once" in capsys.readouterr().err
    assert 1 in calls
    calls.clear()
    with_features = frozen_frames.with_features
    monkeypatch.setattr(frozen_frames, "with_features", lambda plan, *rest: plan)
    each = train("each")
    assert 1 not in calls
    assert all(torch.allclose(once[k], each[k], atol=1e-4) for k in once)
    plan = toy_plan("action", n=4, model="gru", options={"backbone": "resnet-small"})
    plan = replace(plan, recipe=replace(plan.recipe, freeze="backbone", augment="light"))
    assert with_features(plan, build_model(plan), Devices.start("cpu")) is plan
    assert "sees changed frames in each epoch" in capsys.readouterr().err
    plan = replace(plan, recipe=replace(plan.recipe, augment="none", cache="1KB"))
    assert with_features(plan, build_model(plan), Devices.start("cpu")) is plan
    assert "and --cache is 1KB" in capsys.readouterr().err


def test_a_backbone_that_is_not_there_or_not_used_is_refused() -> None:
    with pytest.raises(UnknownName, match="no-such-net"):
        toy_plan("action", n=4, model="gru", options={"backbone": "no-such-net"})
    with pytest.raises(UsageError, match="--backbone no-such-net has no effect on model 'tsm'"):
        toy_plan("action", n=4, model="tsm", options={"backbone": "no-such-net"})
    assert toy_plan("action", n=4, model="c3d", options={"backbone": "auto"}).settings["backbone"] is None


def test_networks_of_torchvision_go_by_name_and_begin_with_a_file(tmp_path: Path) -> None:
    plan = toy_plan("action", n=4, model="torchvision:mc3_18")
    assert (plan.settings["method"], plan.decisions["variant"]) == ("torchvision", "mc3_18")
    theirs: Any = video.mc3_18(weights=None).eval()
    file = tmp_path / "mc3_18.safetensors"
    write_tensors(file, theirs.state_dict())
    network = build_model(replace(plan, arguments=replace(plan.arguments, weights=str(file)))).eval()
    theirs.fc = torch.nn.Identity()
    clip = torch.rand(2, 1, 4, 16, 16)
    backbone: Any = network.backbone()
    with torch.no_grad():
        assert torch.allclose(backbone.features(clip), theirs(clip.expand(-1, 3, -1, -1, -1)), atol=1e-4)
        assert network(clip)["logits"].shape == (2, 2)


def test_what_a_network_of_torchvision_cannot_take_is_refused_with_the_way_out() -> None:
    def plan(model: str, **options: Any) -> Plan:
        return toy_plan("action", n=4, model=model, options=options)

    with pytest.raises(
        UsageError, match=r"s3d cannot take clips of 4 frames of 16x16 .*--frames 16 --size 224"
    ):
        plan("torchvision:s3d", frames=4)
    with pytest.raises(UsageError, match="mvit_v2_s cannot take"):
        plan("torchvision", variant="mvit_v2_s")
    with pytest.raises(UsageError, match="--model torchvision:s3d and --variant r3d_18 differ"):
        plan("torchvision:s3d", variant="r3d_18")
    with pytest.raises(UnknownName, match="Did you mean 'r3d_18'"):
        plan("torchvision:r3d_19")
    with pytest.raises(SightlineError, match="are not downloaded"):
        TorchvisionVideo(plan("torchvision:swin3d_t").settings, pretrained="yes")


def test_features_of_baselines_see_motion_and_time() -> None:
    still = np.full((2, 5, 9, 9, 1), 80, np.uint8)
    moving = still.copy()
    moving[0, 2:, :4] = 200
    assert motion_energy(still).max() == 0
    assert motion_energy(moving)[0].max() > 0.1
    profile = time_profile(moving)
    assert profile.shape == (2, 3 * 5 - 1)
    assert profile[0, :5].tolist() == pytest.approx([80 / 255] * 2 + [200 / 255] * 3)


def test_a_part_of_the_time_is_in_order_and_deterministic() -> None:
    clips = torch.arange(12, dtype=torch.uint8).view(1, 1, 12, 1, 1).expand(5, 1, 12, 2, 2)
    batch = Batch(clips, ClassLabels(torch.zeros(5, dtype=torch.int64)), list("abcde"))
    first, again = (time_crop(0.5)(batch, torch.Generator().manual_seed(3)).images for _ in range(2))
    assert torch.equal(first, again)
    assert (first.diff(dim=2) <= 1).all()
    times = first[:, 0, :, 0, 0].int()
    assert (times.diff(dim=1) >= 0).all()
    assert ((times[:, -1] - times[:, 0]) >= 5).all()
    assert not (times == torch.arange(12)).all()


def test_classes_that_mirror_into_one_another_switch_mirroring_off(tmp_path: Path) -> None:
    clips, value = growing(24, seed=2)
    for i, (clip, label) in enumerate(zip(clips, value, strict=True)):
        place = tmp_path / "data" / ("swipe left", "swipe_right")[label].replace("_", " ")
        place.mkdir(parents=True, exist_ok=True)
        np.save(place / f"{i:03d}.npy", clip)
    run = sl.train(str(tmp_path / "data"), task="action", out=tmp_path / "run", epochs=1, device="cpu")
    record = json.loads((run.path / "run.json").read_text())
    assert record["recipe"]["hflip"] == "no"
    assert any("swipe left" in message for message in record["messages"])


def test_real_films_in_a_table_are_trained_on(data_folder: Callable[[str], Path], tmp_path: Path) -> None:
    pytest.importorskip("av")
    folder = data_folder("lpc_sprite_actions")
    lines = (folder / "clips.csv").read_text().splitlines()
    rows = [line.split(",") for line in lines[1:] if line.split(",")[2] < "char12"]
    table = tmp_path / "clips.csv"
    text = [",".join([str(folder / row[0]), row[1], row[2]]) for row in rows]
    table.write_text("\n".join(["path,label,group", *text]))
    run = sl.train(str(table), task="action", out=tmp_path / "run", epochs=1, size=16, device="cpu")
    assert run.results.baselines["middle-frame"]["balanced accuracy"].value > 0.4
    parts = json.loads((run.path / "splits.json").read_text())
    figures = [{Path(item).name[:6] for item in parts[name]} for name in ("train", "test")]
    assert figures[1]
    assert not figures[0] & figures[1]


def test_a_long_film_becomes_a_time_line(run: Path, data: Path, tmp_path: Path) -> None:
    clips = [np.load(sorted((data / name).iterdir())[1]) for name in ("grow", "shrink", "shrink", "grow")]
    film = write_gif(tmp_path / "long.gif", np.concatenate(clips))
    summary = sl.predict(run, [str(film)], window="0.4s", out=tmp_path / "it.csv", device="cpu")
    lines = [[row[k] for k in ("start", "end", "label")] for row in summary.time_line]
    assert lines == [[0, 0.4, "grow"], [0.4, 1.2, "shrink"], [1.2, 1.6, "grow"]]
    with (tmp_path / "it.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(float(r["start"]), float(r["end"])) for r in rows] == [
        (0, 0.4),
        (0.4, 0.8),
        (0.8, 1.2),
        (1.2, 1.6),
    ]
    mean = (float(rows[1]["confidence"]) + float(rows[2]["confidence"])) / 2
    assert summary.time_line[1]["confidence"] == pytest.approx(mean, abs=1e-5)
    assert sl.predict(run, [str(film)], out=tmp_path / "one.csv", device="cpu").total == 1


def test_overlapping_windows_share_their_moments_and_the_film_is_annotated(
    run: Path, data: Path, tmp_path: Path
) -> None:
    pytest.importorskip("av")
    clips = [np.load(sorted((data / name).iterdir())[2]) for name in ("grow", "shrink")]
    film = write_gif(tmp_path / "long.gif", np.concatenate(clips).repeat(8, 1).repeat(8, 2))
    summary = sl.predict(run, [str(film)], window="0.4", stride="0.1s", out=tmp_path / "x.mp4", device="cpu")
    assert [row["start"] for row in summary.rows] == [0, 0.1, 0.2, 0.3, 0.4]
    times = [(row["start"], row["end"]) for row in summary.time_line]
    assert (times[0][0], times[-1][1]) == (0, 0.8)
    assert all(a[1] == b[0] for a, b in pairwise(times))
    assert film_index(tmp_path / "x.mp4").seconds == pytest.approx(np.arange(8) / 10, abs=1e-3)
    frames = film_frames(tmp_path / "x.mp4", [0, 7])
    assert frames[0].shape[0] > frames[0].shape[1], "the label stands below the frame"


def test_views_of_a_clip_are_averaged_and_it_is_said(run: Path, data: Path, tmp_path: Path) -> None:
    model, task, _ = restore(run)
    assert in_views(model, task, 1) is model
    clip = torch.randint(0, 256, (2, 1, 12, 16, 16), dtype=torch.uint8)
    with torch.no_grad():
        parts = [
            model.eval().postprocess(model(clip[:, :, k::3]), model.settings)["scores"] for k in range(3)
        ]
        outputs = in_views(model, task, 3).eval()(clip)
    assert torch.allclose(outputs["scores"], torch.stack(parts).mean(0), atol=1e-6)
    results = sl.evaluate(run, str(data), views=3, device="cpu")
    assert results.scores["balanced accuracy"].value >= 0.9
    assert results.metadata["views"] == 3
    assert any("means of 3 views of each clip, of 4 frames" in text for text in results.conclusions)
    assert (run / f"evaluation-{data.name}-test-3-views.json").is_file()
    film = write_gif(tmp_path / "a.gif", np.load(sorted((data / "grow").iterdir())[3]).repeat(3, 0))
    summary = sl.predict(run, [str(film)], views=3, device="cpu")
    assert (summary.rows[0]["label"], summary.to_json()["views"]) == ("grow", 3)
    assert [o.row["label"] for o in sl.load(run, views=2).predict([str(film)])] == ["grow"]


def test_windows_of_images_and_a_stride_without_windows_are_refused(
    run: Path, data: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="give --window too"):
        sl.predict(run, [str(data / "grow")], stride="1s")
    images = sl.train("digits", epochs=1, model="perceptron", out=tmp_path / "digits", device="cpu")
    with pytest.raises(
        UsageError, match="--window cuts films into clips; this model takes items of kind 'image'"
    ):
        sl.predict(images.path, [str(data)], window="2s")
    with pytest.raises(UsageError, match=r"--views 2 .* of kind 'image'"):
        sl.predict(images.path, [str(data)], views=2)
