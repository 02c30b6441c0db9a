"""Each kind of input reads, sizes and batches its items, and says what it does not take."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sightline.core.dataset import Dataset
from sightline.core.inputs import InputSpec
from sightline.core.targets.tracks import Tracks
from sightline.data.inputs import INPUTS, input_kind, of_items, shown, view_item
from sightline.data.inputs._kind import StoredShape
from sightline.data.io.pixels import Files
from sightline.data.io.sequences import SequenceItem, Sequences
from sightline.data.loading.loader import Loader
from sightline.data.open import open_data
from sightline.data.scan import scan
from sightline.errors import DataError, UnknownName, UnreadableImage, UsageError

STORED = {
    "image": StoredShape(1, 12, 20, 3),
    "clip": StoredShape(7, 12, 20, 3),
    "volume": StoredShape(7, 12, 20, 1),
    "pair": StoredShape(2, 12, 20, 3),
    "noise": StoredShape(1, 8, 8, 1),
    "sequence": StoredShape(4, 48, 64, 1),
}
SHAPES = {
    "image": [(3, 12, 20)],
    "clip": [(3, 7, 12, 20)],
    "volume": [(1, 7, 12, 20)],
    "pair": [(3, 12, 20), (3, 12, 20)],
    "noise": [(64,)],
    "sequence": [(7, 1)],
}


def item_of(name: str) -> np.ndarray:
    rng, stored = np.random.default_rng(0), STORED[name]
    if name == "noise":
        return rng.standard_normal(64, dtype=np.float32)
    if name == "sequence":
        return np.array([[10, 25, 48, 64, 0, 0, 0]], dtype=np.float32)
    shape = (stored.depth, stored.height, stored.width, stored.channels)
    item = rng.integers(0, 256, shape, dtype=np.uint8)
    return item[0] if name == "image" else item


@pytest.mark.parametrize("name", INPUTS.names())
def test_an_item_becomes_what_the_model_takes(name: str) -> None:
    kind = input_kind(name)
    spec = kind.spec(STORED[name], None, None, 1)
    assert spec.kind == kind.name == name
    assert InputSpec.of({"size": spec.spatial_shape, "channels": spec.channels, **spec.settings()}) == spec
    view = kind.view(item_of(name), spec, "stretch")
    assert (view.shape, view.dtype) == (kind.view_shape(spec), spec.dtype)
    tensors = kind.tensors(np.stack([view, view]))
    assert tuple(tensors) == spec.names
    assert [tuple(t.shape[1:]) for t in tensors.values()] == SHAPES[name] == [spec.shape] * len(tensors)
    assert [t.dtype for t in spec.zeros(1).values()] == [t.dtype for t in tensors.values()]


@pytest.mark.parametrize("name", ["image", "clip", "volume", "pair"])
def test_items_are_brought_to_another_size(name: str) -> None:
    kind = input_kind(name)
    spec = kind.spec(STORED[name], 8, 4 if name == "clip" else None, 4)
    view = kind.view(item_of(name), spec, "stretch")
    assert view.shape == kind.view_shape(spec)
    assert set(spec.spatial_shape) == {8}
    assert abs(float(view.mean()) - 127) < 15


def test_frames_are_spread_over_the_clip() -> None:
    clip = np.arange(10, dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 4, 1), np.uint8)
    kind = input_kind("clip")
    spec = kind.spec(StoredShape(10, 4, 4, 1), None, 4, 1)
    assert kind.view(clip, spec, "stretch")[:, 0, 0, 0].tolist() == [0, 3, 6, 9]


def test_clips_are_read_from_gifs_and_pages_in_order(tmp_path: Path) -> None:
    frames = [Image.fromarray(np.full((8, 8), 60 * k, np.uint8)) for k in range(4)]
    for name in ("a.gif", "b.tif"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
        pixels = input_kind("clip").pixels(Files([tmp_path / name]))
        item = pixels.read(0)
        assert item.shape[:3] == (4, 8, 8)
        assert (np.diff(item[:, 0, 0, 0].astype(int)) > 40).all()
        assert shown(pixels, 0).shape[:2] == (8, 48)  # six frames beside each other


def test_sequences_with_fewer_detections_are_filled_up_with_frame_0() -> None:
    rows = [np.array([[1, 2, 3, 20, 30, 0.5, -1]] * n, dtype=np.float64) for n in (3, 1)]
    items = [SequenceItem(str(i), 4, 25.0, (48, 64), part, {}) for i, part in enumerate(rows)]
    targets = Tracks.of([[[1, 1, 2, 3, 20, 30]]] * 2, [(48, 64)] * 2)
    data = Dataset("made", "made", ["a", "b"], Sequences(items), targets)
    kind = input_kind("sequence")
    spec = kind.spec(STORED["sequence"], None, None, 1)
    (batch,) = Loader(data, size=(), spec=spec, batch_size=2).epoch(0)
    detections = batch.inputs["detections"]
    assert detections.shape == (2, 7, 4)
    assert detections[:, :4, 0].tolist() == [[4, 25, 48, 64]] * 2
    assert detections[:, 0, 1:].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert detections[1, :, 1].tolist() == [1, 2, 3, 20, 30, 0.5, -1]
    assert kind.stored_size(data.pixels.read(0)) == (48, 64)
    assert shown(data.pixels, 0).max() == 255, "detections are drawn"
    with pytest.raises(DataError, match="takes sequences"):
        kind.pixels(Files(["a.png"]))


def pairs(folder: Path, n: int = 6) -> None:
    rng = np.random.default_rng(0)
    for i in range(n):
        place = folder / ("same", "other")[i % 2]
        place.mkdir(exist_ok=True)
        for side in ("left", "right"):
            Image.fromarray(rng.integers(0, 255, (10, 12, 3), dtype=np.uint8)).save(place / f"{i}_{side}.png")


def test_two_files_are_one_pair(tmp_path: Path) -> None:
    pairs(tmp_path)
    data = open_data(tmp_path, input="pair")
    assert (len(data), data.input, data.target_type) == (6, "pair", "label")
    assert any("6 files are read with the pair" in note for note in data.messages)
    spec = input_kind("pair").spec(StoredShape(2, 10, 12, 3), None, None, 1)
    (batch,) = Loader(data, size=(10, 12), spec=spec, batch_size=6, cache=0).epoch(0)
    assert list(batch.inputs) == ["left", "right"]
    for i in range(6):
        file = tmp_path / data.ids[i]
        right = np.asarray(Image.open(str(file).replace("left", "right")))
        assert torch.equal(batch.inputs["right"][i], torch.from_numpy(right.copy()).permute(2, 0, 1))
    assert scan(data).readable.all()
    (tmp_path / "same" / "0_right.png").unlink()
    with pytest.raises(UnreadableImage, match="no other of its pair"):
        data.pixels.read([str(p) for p in data.ids].index("same/0_left.png"))


def test_noise_is_the_same_for_the_same_item_and_differs_between_items(tmp_path: Path) -> None:
    pairs(tmp_path)
    data = open_data(tmp_path, input="noise")
    spec = input_kind("noise").spec(STORED["noise"], None, None, 1)
    batches = [next(Loader(data, size=(), spec=spec, batch_size=12).epoch(e)) for e in (0, 3)]
    assert torch.equal(batches[0].inputs["noise"], batches[1].inputs["noise"])
    assert not torch.equal(batches[0].inputs["noise"][0], batches[0].inputs["noise"][1])
    mean, std = scan(data).mean_std(np.arange(len(data)), spec.channels)
    assert abs(mean[0]) < 0.2
    assert abs(std[0] - 1) < 0.2
    drawn = input_kind("noise").named("3")
    assert drawn is not None
    assert len(drawn) == 3


def test_images_without_labels_are_read_for_tasks_that_need_none(tmp_path: Path) -> None:
    for part in ("train", "val"):
        (tmp_path / part).mkdir()
        for i in range(3):
            Image.fromarray(np.full((8, 8), 40 * i, np.uint8)).save(tmp_path / part / f"{i}.png")
    data = open_data(tmp_path, target_type="none")
    assert (data.target_type, len(data), data.classes) == ("none", 6, None)
    assert sorted(set(data.splits)) == ["train", "val"]
    assert data.subset([1, 2]).fingerprint() != data.fingerprint()
    with pytest.raises(DataError):  # without a task they are still refused: labels may have been forgotten
        open_data(tmp_path)
    labeled = open_data("digits", target_type="none")
    assert labeled.target_type == "none"
    assert any("left aside" in note for note in labeled.messages)


def test_what_a_kind_does_not_take_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="one file a clip"):
        open_data("digits", input="clip")
    with pytest.raises(UsageError, match="four axes"):
        input_kind("clip").of_array(np.zeros((3, 4), np.uint8))
    with pytest.raises(UsageError, match=r"\(2, H, W, C\)"):
        input_kind("pair").of_array(np.zeros((3, 4, 4, 1), np.uint8))
    with pytest.raises(UnknownName, match="volume"):
        input_kind("volumes")


def test_an_image_goes_the_way_it_went(tmp_path: Path) -> None:
    from sightline.data.io.pixels import read_image

    Image.fromarray(np.random.default_rng(0).integers(0, 255, (50, 70, 3), dtype=np.uint8)).save(
        tmp_path / "a.png"
    )
    pixels = input_kind("image").pixels(Files([tmp_path / "a.png"]))
    spec = InputSpec((24, 32), 3)
    assert np.array_equal(
        view_item(pixels, 0, spec, "letterbox"), read_image(pixels, 0, (24, 32), "letterbox", 3)
    )
    assert spec.settings() == {}


def test_sentences_on_images_become_sentences_on_items() -> None:
    text = "An image is in 'image 1' of images/a; 3 images, the image-folder, image.png."
    assert of_items(text, "image") == text
    assert of_items(text, "clip") == (
        "A clip is in 'image 1' of images/a; 3 clips, the image-folder, image.png."
    )
