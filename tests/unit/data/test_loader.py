"""The loader: the same batches whoever decodes them, and caches that never lie."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch

from sightline.core.dataset import Classes, Dataset
from sightline.core.sample import Batch
from sightline.core.targets.label import ClassLabels
from sightline.core.targets.number import RegressionValues
from sightline.data.io.encode import encode_jpeg
from sightline.data.io.pixels import Arrays, Files, read_image
from sightline.data.loading.loader import Loader, cache_folder
from sightline.data.transforms.standard import standard
from sightline.errors import UnreadableImage, UsageError

SIZE = (24, 32)
EACH = 24 * 32 * 3 + 16


def photograph(seed: int) -> np.ndarray:
    """(60, 80, 3) of something smooth with grain."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (6, 8, 3)).repeat(10, 0).repeat(10, 1)
    return np.clip(coarse + rng.normal(0, 8, coarse.shape), 0, 255).astype(np.uint8)


@pytest.fixture
def photos(tmp_path: Path) -> Dataset:
    return make_photos(tmp_path / "photos", 23)


def make_photos(folder: Path, n: int) -> Dataset:
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{i:03d}.jpg" for i in range(n)]
    for i, path in enumerate(paths):
        path.write_bytes(encode_jpeg(photograph(i)))
    return dataset(Files(paths))


def dataset(pixels: Files | Arrays, targets: ClassLabels | RegressionValues | None = None) -> Dataset:
    n = len(pixels)
    labels = ClassLabels(torch.arange(n) % 3) if targets is None else targets
    return Dataset("photos", "folder", [f"{i:03d}" for i in range(n)], pixels, labels)


def digits(n: int = 50) -> Dataset:
    rng = np.random.default_rng(1)
    return dataset(Arrays(rng.integers(0, 256, (n, 8, 8, 1), dtype=np.uint8)))


def loader(data: Dataset, folder: Path, **options: object) -> Loader:
    settings = {"size": SIZE, "batch_size": 5, "train": True, "cache_dir": folder} | options
    return Loader(data, **settings)  # type: ignore[arg-type]


def same(first: list[Batch], other: list[Batch]) -> bool:
    return len(first) == len(other) and all(
        list(a.ids) == list(b.ids)
        and torch.equal(a.images, b.images)
        and torch.equal(a.targets.value, b.targets.value)
        for a, b in zip(first, other, strict=True)
    )


def expected(data: Dataset, ids: list[str]) -> torch.Tensor:
    """What prediction gives the model for these items."""
    where = [data.ids.index(i) for i in ids]
    return torch.stack([torch.from_numpy(read_image(data.pixels, i, SIZE)) for i in where]).permute(
        0, 3, 1, 2
    )


def right(data: Dataset, batches: list[Batch]) -> bool:
    return all(torch.equal(b.images, expected(data, list(b.ids))) for b in batches)


def caches(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.exists() else []


def test_an_epoch_follows_from_seed_and_number(photos: Dataset, tmp_path: Path) -> None:
    first = list(loader(photos, tmp_path / "c", seed=4).epoch(2))
    assert same(first, list(loader(photos, tmp_path / "d", seed=4).epoch(2)))
    assert not same(first, list(loader(photos, tmp_path / "c", seed=4).epoch(3)))
    assert not same(first, list(loader(photos, tmp_path / "c", seed=5).epoch(2)))
    assert sorted(i for b in first for i in b.ids) == list(photos.ids)


def test_truths_and_ids_go_with_their_images(photos: Dataset, tmp_path: Path) -> None:
    for batch in loader(photos, tmp_path).epoch(0):
        assert batch.targets.value.tolist() == [int(i) % 3 for i in batch.ids]


@pytest.mark.parametrize("cache", [0, 2**20])
def test_resumed_epochs_are_the_same_with_any_workers(photos: Dataset, tmp_path: Path, cache: int) -> None:
    augment = standard("strong", flip=True, size=(80, 80), gray=False)
    whole = list(loader(photos, tmp_path / "a", augment=lambda progress: augment).epoch(1))
    for start in (0, 3, 5):
        for workers in (0, 2):
            again = loader(
                photos,
                tmp_path / f"{start}{workers}",
                augment=lambda progress: augment,
                workers=workers,
                cache=cache,
            )
            assert same(whole[start:], list(again.epoch(1, start=start)))
            assert same(whole[start:], list(again.epoch(1, start=start)))  # now from the cache


def test_training_sees_what_prediction_sees(photos: Dataset, tmp_path: Path) -> None:
    for workers in (0, 2):
        for cache in (0, 5 * EACH, 2**20):  # none, not enough for all, enough
            batches = loader(photos, tmp_path / f"{workers}{cache}", workers=workers, cache=cache)
            for epoch in range(2):
                assert right(photos, list(batches.epoch(epoch)))
            assert right(photos, list(loader(photos, tmp_path / f"{workers}{cache}", cache=cache).epoch(0)))


@pytest.mark.parametrize("resize", ["stretch", "crop", "letterbox"])
def test_arrays_are_brought_to_size_like_files(resize: str, tmp_path: Path) -> None:
    data = dataset(Arrays(np.stack([photograph(i) for i in range(6)])))
    batches = Loader(data, size=(30, 20), resize=resize, channels=1, batch_size=4)  # type: ignore[arg-type]
    for _ in range(2):
        images = torch.cat([b.images for b in batches.epoch(0)])
        wanted = [read_image(data.pixels, i, (30, 20), resize, 1) for i in range(6)]  # type: ignore[arg-type]
        assert np.array_equal(images.permute(0, 2, 3, 1).numpy(), np.stack(wanted))


def test_a_second_run_reads_from_the_disk(
    photos: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = list(loader(photos, tmp_path / "c").epoch(0))
    monkeypatch.setattr("sightline.data.loading.loader.view_item", None)  # whoever decodes now breaks off
    shuffled = photos.subset(np.random.default_rng(0).permutation(len(photos)))
    assert same(batches, list(loader(photos, tmp_path / "c").epoch(0)))
    assert len(list(loader(shuffled, tmp_path / "c", train=False).epoch(0))) == 5


def test_the_cache_stays_within_its_bound(tmp_path: Path) -> None:
    folder, room, selected = tmp_path / "cache", 30 * EACH, []
    for n in (20, 25, 40):
        selected.append(loader(make_photos(tmp_path / str(n), n), folder, cache=room))  # shares the room
        assert len(list(selected[-1].epoch(0))) == n // 5
        assert sum(p.stat().st_size for p in caches(folder)) <= room
    selected.clear()
    data = make_photos(tmp_path / "other", 28)
    list(loader(data, folder, cache=room).epoch(0))
    assert [p.stat().st_size for p in caches(folder)] == [28 * EACH]  # the unused ones have gone


def test_without_cache_nothing_is_written(photos: Dataset, tmp_path: Path) -> None:
    list(loader(photos, tmp_path / "cache", cache=0).epoch(0))
    assert not caches(tmp_path / "cache")


def test_a_changed_file_is_decoded_again(photos: Dataset, tmp_path: Path) -> None:
    list(loader(photos, tmp_path / "c").epoch(0))
    path = photos.pixels.path(3)  # type: ignore[attr-defined]
    path.write_bytes(encode_jpeg(photograph(99)))
    batches = list(loader(photos, tmp_path / "c", train=False).epoch(0))
    assert right(photos, batches)
    assert len(caches(tmp_path / "c")) == 1


def test_an_image_half_written_is_not_believed(photos: Dataset, tmp_path: Path) -> None:
    list(loader(photos, tmp_path / "c").epoch(0))
    (file,) = caches(tmp_path / "c")
    with file.open("r+b") as stream:  # as after a power cut: the record is there, pixels are not
        stream.seek(-EACH // 2, os.SEEK_END)
        stream.write(bytes(EACH // 2))
    assert right(photos, list(loader(photos, tmp_path / "c", train=False).epoch(0)))


def test_a_cache_cut_short_or_removed_is_made_anew(photos: Dataset, tmp_path: Path) -> None:
    for spoil in (lambda file: os.truncate(file, 100), os.unlink):
        list(loader(photos, tmp_path / "c").epoch(0))
        spoil(caches(tmp_path / "c")[0])
        assert right(photos, list(loader(photos, tmp_path / "c").epoch(0)))


FILL = """
import sys
from pathlib import Path
from tests.unit.data.test_loader import dataset, loader
from sightline.data.io.pixels import Files
data = dataset(Files(sorted(Path(sys.argv[1]).iterdir())))
print("go", flush=True)
while True:
    for file in Path(sys.argv[2]).glob("*.images"):
        file.unlink()
    list(loader(data, Path(sys.argv[2])).epoch(0))
"""


def test_killed_while_writing(photos: Dataset, tmp_path: Path) -> None:
    root = Path(__file__).parents[3]
    command = [sys.executable, "-c", FILL, str(tmp_path / "photos"), str(tmp_path / "c")]
    writer = subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE)
    assert writer.stdout is not None
    assert writer.stdout.readline() == b"go\n"
    time.sleep(0.1 * np.random.default_rng().random())
    writer.send_signal(signal.SIGTERM if os.name == "nt" else signal.SIGKILL)
    writer.wait()
    writer.stdout.close()
    assert right(photos, list(loader(photos, tmp_path / "c").epoch(0)))


def test_a_folder_that_refuses_costs_time_and_nothing_else(
    photos: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    batches = loader(photos, tmp_path / "file" / "cache")
    assert "XDG_CACHE_HOME" in capsys.readouterr().err
    assert right(photos, [*batches.epoch(0), *batches.epoch(1)])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("workers", [0, 2])
def test_a_full_disk_ends_the_keeping_and_nothing_else(
    photos: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str], workers: int
) -> None:
    batches = loader(photos, tmp_path / "c", workers=workers)
    with Path("/dev/full").open("r+b", buffering=0) as full:
        batches._cache._file = full  # type: ignore[union-attr]
        assert right(photos, [*batches.epoch(0), *batches.epoch(1)])
    assert capsys.readouterr().err.count("No space left") == 1
    assert right(photos, list(loader(photos, tmp_path / "c").epoch(0)))


def test_evaluation_keeps_order_and_all_items(photos: Dataset, tmp_path: Path) -> None:
    def never(batch: Batch, rng: torch.Generator) -> Batch:
        raise AssertionError("evaluation is not augmented")

    batches = loader(photos, tmp_path, train=False, augment=lambda progress: never, drop_last=True)
    assert [i for b in batches.epoch(7) for i in b.ids] == list(photos.ids)
    assert len(batches) == 5
    assert len(list(batches.epoch(0))[-1]) == 3


def test_drop_last_leaves_whole_batches(photos: Dataset, tmp_path: Path) -> None:
    batches = loader(photos, tmp_path, drop_last=True)
    assert [len(b) for b in batches.epoch(0)] == [5] * len(batches) == [5] * 4
    assert [len(b) for b in loader(photos, tmp_path, drop_last=True, batch_size=64).epoch(0)] == [23]


@pytest.mark.parametrize("world", [2, 3])
def test_processes_share_each_training_batch(world: int) -> None:
    data = digits(50)
    options = {"size": (8, 8), "channels": 1, "batch_size": 12, "train": True, "seed": 1}
    whole = list(Loader(data, **options).epoch(3))  # type: ignore[arg-type]
    shares = [list(Loader(data, **options, rank=r, world=world).epoch(3)) for r in range(world)]  # type: ignore[arg-type]
    for number, batch in enumerate(whole):
        parts = [list(s[number].ids) for s in shares]
        assert len({len(p) for p in parts}) == 1
        together = Counter(i for p in parts for i in p)
        assert set(together) >= set(batch.ids)
        assert together.total() == len(batch) + -len(batch) % world
    assert all(len(s) == len(whole) for s in shares)


@pytest.mark.parametrize(("n", "world"), [(50, 2), (7, 3), (2, 4)])
def test_evaluation_shares_in_order_are_the_data_set(n: int, world: int) -> None:
    data = digits(n)
    shares = [Loader(data, size=(8, 8), channels=1, batch_size=4, rank=r, world=world) for r in range(world)]
    assert [i for s in shares for b in s.epoch(0) for i in b.ids] == list(data.ids)
    assert all(len(list(s.epoch(0))) == len(s) for s in shares)


def test_processes_draw_different_augmentations() -> None:
    data = dataset(Arrays(np.zeros((8, 8, 8, 1), dtype=np.uint8)))
    drawn = []

    def note(batch: Batch, rng: torch.Generator) -> Batch:
        drawn.append(float(torch.rand((), generator=rng)))
        return batch

    for rank in (0, 1):
        options = {
            "size": (8, 8),
            "channels": 1,
            "batch_size": 4,
            "train": True,
            "augment": lambda progress: note,
        }
        list(Loader(data, **options, rank=rank, world=2).epoch(0))  # type: ignore[arg-type]
    assert len(set(drawn)) == 4


def draw(targets: ClassLabels | RegressionValues, **options: object) -> np.ndarray:
    """How often each item comes in 20 epochs."""
    n = len(targets)
    data = dataset(Arrays(np.zeros((n, 2, 2, 1), dtype=np.uint8)), targets)
    if isinstance(targets, ClassLabels):
        k = targets.value.shape[1] if targets.multilabel else int(targets.value.max()) + 1
        data = replace(data, classes=Classes(tuple(map(str, range(k)))))
    settings = {"size": (2, 2), "channels": 1, "train": True} | options
    batches = Loader(data, **settings)  # type: ignore[arg-type]
    ids = [int(i) for epoch in range(20) for b in batches.epoch(epoch) for i in b.ids]
    assert len(ids) == 20 * n
    return np.bincount(ids, minlength=n)


def test_balanced_draws_every_class_equally_often() -> None:
    value = torch.tensor([0] * 180 + [1] * 15 + [2] * 5)
    often = draw(ClassLabels(value), sampler="balanced")
    shares = [often[value == k].sum() / often.sum() for k in range(3)]
    assert shares == pytest.approx([1 / 3] * 3, abs=0.02)
    assert often.min() > 0
    assert often[value == 2].min() > often[value == 2].max() / 1.2


def test_balanced_goes_by_the_rarest_of_several_labels() -> None:
    value = torch.zeros(100, 2, dtype=torch.bool)
    value[:80, 0] = True
    value[75:80, 1] = True  # both, and the second is rare; the last 20 have none
    often = draw(ClassLabels(value), sampler="balanced")
    assert often[75:80].mean() == pytest.approx(16 * often[:75].mean(), rel=0.1)
    assert often[80:].mean() == pytest.approx(4 * often[:75].mean(), rel=0.1)


def test_weights_of_the_users_own() -> None:
    often = draw(ClassLabels(torch.zeros(4, dtype=torch.int64)), weights=np.array([0.0, 1.0, 1.0, 2.0]))
    assert often.tolist() == [0, 20, 20, 40]


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(UsageError, match="random"):
        draw(RegressionValues(torch.rand(5, 1)), sampler="balanced")
    with pytest.raises(UsageError, match="batch size of 1"):
        Loader(digits(), size=(8, 8), batch_size=1, world=2)
    with pytest.raises(UsageError, match="-1 workers"):
        Loader(digits(), size=(8, 8), workers=-1)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_file_that_breaks_during_training_is_named(photos: Dataset, tmp_path: Path, workers: int) -> None:
    batches = loader(photos, tmp_path / "c", workers=workers, train=False)
    path = photos.pixels.path(12)  # type: ignore[attr-defined]
    path.write_bytes(path.read_bytes()[:200])
    viewed: list[Batch] = []
    with pytest.raises(UnreadableImage) as caught:
        viewed.extend(batches.epoch(0))
    assert caught.value.path == path
    assert right(photos, viewed)
    assert len(viewed) == 2


def test_workers_are_no_processes_and_go_when_left(photos: Dataset, tmp_path: Path) -> None:
    before, children = threading.active_count(), psutil.Process().children()
    batches = loader(photos, tmp_path / "c", workers=2, batch_size=1).epoch(0)
    next(batches)
    assert psutil.Process().children() == children  # so none can be killed or run out of shared memory
    batches.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before


@pytest.mark.parametrize("kind", ["stored", "memory", "disk"])
def test_batches_are_the_callers_own(kind: str, photos: Dataset, tmp_path: Path) -> None:
    data = {"stored": digits(), "memory": digits(), "disk": photos}[kind]
    options = {
        "stored": {"size": (8, 8), "channels": 1},
        "memory": {"size": (6, 6), "channels": 1},
        "disk": {},
    }
    batches = loader(data, tmp_path, **options[kind])  # type: ignore[arg-type]
    first = [b.images.clone() for b in batches.epoch(0)]
    for batch in batches.epoch(0):
        batch.images.zero_()
    assert all(torch.equal(a, b.images) for a, b in zip(first, batches.epoch(0), strict=True))


def test_images_have_channels_innermost(photos: Dataset, tmp_path: Path) -> None:
    batch = next(iter(loader(photos, tmp_path).epoch(0)))
    assert batch.images.shape == (5, 3, *SIZE)
    assert batch.images.dtype == torch.uint8
    assert batch.images.is_contiguous(memory_format=torch.channels_last)


def test_the_usual_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, photos: Dataset) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "mine"))
    list(loader(photos, tmp_path, cache_dir=None).epoch(0))
    assert cache_folder().is_relative_to(tmp_path / "mine")
    assert len(caches(cache_folder())) == 1
