"""Images of many bands keep all their numbers: TIFF however it is packed, and arrays of NumPy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sightline.data.inputs import shown
from sightline.data.inputs.image import INPUT, read_image
from sightline.data.io.bands import band_facts, read_bands
from sightline.data.io.images import probe, size_of
from sightline.data.io.items import ItemFiles
from sightline.data.io.pixels import Files
from sightline.errors import UnreadableImage
from tests.unit.data.band_files import write_tiff

LIMIT = 10**6
PACKINGS: list[dict[str, object]] = [
    {},
    {"deflate": True},
    {"apart": True},
    {"tile": 16},
    {"tile": 16, "deflate": True},
    {"big_endian": True},
    {"big_endian": True, "deflate": True},
]


def bands(dtype: str, channels: int = 5, height: int = 37, width: int = 50) -> np.ndarray:
    rng = np.random.default_rng(channels)
    if dtype.startswith("float"):
        return rng.normal(size=(height, width, channels)).astype(dtype)
    return rng.integers(0, np.iinfo(dtype).max, (height, width, channels)).astype(dtype)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize(
    "packing",
    [
        {},
        {"deflate": True},
        {"apart": True},
        {"tile": 16},
        {"tile": 16, "deflate": True},
        {"big_endian": True},
    ],
    ids=str,
)
def test_tiffs_are_read_to_the_last_bit(dtype: str, packing: dict[str, object], tmp_path: Path) -> None:
    image = bands(dtype)
    write_tiff(tmp_path / "a.tif", image, **packing)
    read = read_bands(tmp_path / "a.tif", LIMIT)
    assert read.dtype == image.dtype
    np.testing.assert_array_equal(read, image)


def test_differences_of_neighbors_are_undone(tmp_path: Path) -> None:
    image = bands("uint16")
    write_tiff(tmp_path / "a.tif", image, deflate=True, predictor=True)
    np.testing.assert_array_equal(read_bands(tmp_path / "a.tif", LIMIT), image)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_arrays_of_numpy_are_read(dtype: str, tmp_path: Path) -> None:
    image = bands(dtype, 7)
    np.save(tmp_path / "a.npy", image)
    np.savez_compressed(tmp_path / "b.npz", image=image)
    for name in ("a.npy", "b.npz"):
        np.testing.assert_array_equal(read_bands(tmp_path / name, LIMIT), image)
        assert size_of(tmp_path / name) == (37, 50)
        assert (probe(tmp_path / name).bands, probe(tmp_path / name).width) == (7, 50)


def test_other_images_stay_with_the_decoder(tmp_path: Path) -> None:
    from PIL import Image

    Image.fromarray(bands("uint8", 3)).save(tmp_path / "a.tif")
    Image.fromarray(bands("uint16", 1)[..., 0]).save(tmp_path / "b.tif")
    assert band_facts(tmp_path / "a.tif") is None
    assert band_facts(tmp_path / "b.tif") is None
    assert isinstance(INPUT.pixels(Files([tmp_path / "a.tif"])), Files)


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    np.save(tmp_path / "pickle.npy", np.array([{}], dtype=object), allow_pickle=True)
    np.save(tmp_path / "many.npy", np.zeros((4, 4, 33), np.uint8))
    np.save(tmp_path / "nan.npy", np.full((4, 4), np.nan, np.float32))
    np.savez(tmp_path / "two.npz", a=np.zeros((4, 4)), b=np.zeros((4, 4)))
    write_tiff(tmp_path / "cut.tif", bands("uint16"))
    data = (tmp_path / "cut.tif").read_bytes()
    (tmp_path / "cut.tif").write_bytes(data[: len(data) // 2])
    message = {
        "pickle.npy": "type object", "many.npy": "up to 32 channels", "nan.npy": "NaN", "two.npz": "2 arrays",
        "cut.tif": "is cut off",
    }  # fmt: skip
    for name, words in message.items():
        with pytest.raises(UnreadableImage, match=words):
            read_image(tmp_path / name)


def test_values_keep_their_precision_on_the_way_to_the_model(tmp_path: Path) -> None:
    image = (np.arange(6 * 8 * 5).reshape(6, 8, 5) + 20_000).astype(np.uint16)
    write_tiff(tmp_path / "a.tif", image)
    pixels = INPUT.pixels(Files([tmp_path / "a.tif"]))
    assert isinstance(pixels, ItemFiles)
    assert pixels.dtype == "float32"
    scaled = pixels.spanned((20_000, 20_239)).read(0)
    np.testing.assert_array_equal(np.rint(scaled * 239 + 20_000), image)  # neighbouring levels stay apart
    displayed = shown(pixels, 0)
    assert (displayed.shape, displayed.dtype) == ((6, 8, 3), np.uint8)
    assert int(displayed.max()) - int(displayed.min()) == 255  # though they fill 0.4 % of the range
