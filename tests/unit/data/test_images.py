"""The decoder: what a user's files become, and what is refused."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import struct
import subprocess
import sys
import tracemalloc
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from sightline.data.io import levels
from sightline.data.io.encode import encode_jpeg, encode_png
from sightline.data.io.images import decode, probe
from sightline.data.io.pixels import Arrays, Files, read_image
from sightline.data.loading.preprocess import input_affine, input_shapes, resize_to_input
from sightline.errors import UnreadableImage
from sightline.ops.resize_shape import RECT_MULTIPLE, input_shape, jpeg_draft_scale, resized_shape

RNG = np.random.default_rng(0)
BLOCKS = np.kron(RNG.integers(0, 255, (6, 8, 3)), np.ones((8, 8, 1))).astype(np.uint8)
IMAGE = Image.fromarray(BLOCKS)


def stored(image: Image.Image, kind: str, **settings: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **settings)
    return out.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def reason(data: bytes | Path) -> str:
    with pytest.raises(UnreadableImage) as caught:
        decode(data)
    return caught.value.reason


JPEG, PNG = stored(IMAGE, "JPEG", quality=95), stored(IMAGE, "PNG")


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "WEBP", "JPEG2000"])
def test_lossless_formats_give_the_pixels_back(kind: str) -> None:
    settings = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    np.testing.assert_array_equal(decode(stored(IMAGE, kind, **settings)), BLOCKS)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP", "AVIF"])
def test_images_are_upright_in_every_format(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = stored(IMAGE, kind, exif=exif)
    upright = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))
    facts, image = probe(data), decode(data)
    np.testing.assert_array_equal(image, upright)
    assert (facts.height, facts.width, facts.orientation) == (*image.shape[:2], orientation)


def test_16_bits_are_scaled_and_not_saturated() -> None:
    values = np.linspace(0, 65535, 48 * 64).reshape(48, 64).astype(np.uint16)
    expected = np.rint(values / 257).astype(np.uint8)
    for kind in ("PNG", "TIFF"):
        data = stored(Image.fromarray(values), kind)
        np.testing.assert_array_equal(decode(data)[..., 0], expected)
        assert probe(data).bits == 16
    big_endian = stored(Image.fromarray(values.astype(">u2")), "TIFF")
    np.testing.assert_array_equal(decode(big_endian)[..., 0], expected)


def test_12_bits_in_16_are_scaled_by_what_the_header_says() -> None:
    data = b"P5\n2 2\n4095\n" + np.array([0, 4095, 2048, 16], ">u2").tobytes()
    np.testing.assert_array_equal(decode(data).ravel(), [0, 255, 128, 1])


def test_16_bit_color_png_keeps_its_range() -> None:
    rows = b"".join(b"\0" + np.array([[v, 65535 - v, v]] * 4, ">u2").tobytes() for v in (0, 20000, 65535))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 3, 16, 2, 0, 0, 0))
    data = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    image = decode(data)
    assert probe(data).bits == 16
    assert np.abs(image[:, 0, 0].astype(int) - [0, 78, 255]).max() <= 1


def test_floats_are_scaled_by_their_range() -> None:
    unit = RNG.random((8, 8)).astype(np.float32)
    unit[0, 0], unit[0, 1] = 0.25, 0.75
    np.testing.assert_array_equal(
        decode(stored(Image.fromarray(unit), "TIFF"))[..., 0], np.rint(unit * 255).astype(np.uint8)
    )
    wide = decode(stored(Image.fromarray(unit * 1000 - 500), "TIFF"))
    assert (wide.min(), wide.max()) == (0, 255)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_not_finite_values_are_an_error_with_their_count(bad: float) -> None:
    values = np.ones((8, 8), np.float32)
    values[2, 3:5] = bad
    with pytest.raises(UnreadableImage, match="2 values of 64") as caught:
        decode(stored(Image.fromarray(values), "TIFF"))
    assert caught.value.reason == "not-finite"


def test_transparency_is_laid_on_white() -> None:
    rgba = np.dstack([BLOCKS, np.full(BLOCKS.shape[:2], 0, np.uint8)])
    rgba[:, 32:, 3] = 255
    rgba[0, 0] = (0, 0, 0, 128)
    image = decode(stored(Image.fromarray(rgba), "PNG"))
    assert (image[1:, :32] == 255).all()
    np.testing.assert_array_equal(image[:, 32:], BLOCKS[:, 32:])
    np.testing.assert_array_equal(image[0, 0], [127, 127, 127])


def test_gray_with_alpha_and_marked_colors_are_laid_on_white() -> None:
    gray = Image.new("LA", (4, 4), (0, 0))
    image = decode(stored(gray, "PNG"))
    assert image.shape == (4, 4, 1)
    assert (image == 255).all()
    marked = decode(stored(Image.new("L", (4, 4), 7), "PNG", transparency=7))
    assert (marked == 255).all()
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([0, 0, 0, 200, 30, 10])
    np.testing.assert_array_equal(decode(stored(palette, "PNG"))[0, 0], [200, 30, 10])
    assert (decode(stored(palette, "PNG", transparency=1)) == 255).all()


def test_one_bit_images_become_black_and_white() -> None:
    bits = Image.fromarray(BLOCKS).convert("1")
    image = decode(stored(bits, "PNG"))
    assert image.shape == (48, 64, 1)
    assert set(np.unique(image)) == {0, 255}


def test_print_colors_are_converted_with_the_right_polarity() -> None:
    """Adobe stores CMYK inverted; reading it plainly gives a negative."""
    data = stored(IMAGE.convert("CMYK"), "JPEG", quality=98)
    assert b"Adobe" in data
    assert probe(data).cmyk
    assert np.abs(decode(data).astype(int) - BLOCKS).mean() < 6


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_several_images_the_first_is_taken_and_the_rest_counted(kind: str) -> None:
    settings = {"lossless": True} if kind == "WEBP" else {}
    other = IMAGE.transpose(Image.Transpose.ROTATE_180)
    data = stored(IMAGE, kind, save_all=True, append_images=[other], **settings)
    assert probe(data).frames == 2
    assert np.abs(decode(data).astype(int) - BLOCKS).mean() < 12


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "AVIF", "JPEG2000"])
def test_cut_files_are_errors_and_never_gray_pixels(kind: str) -> None:
    data = stored(Image.fromarray(RNG.integers(0, 255, (64, 64, 3)).astype(np.uint8)), kind)
    for part in (0.9, 0.5, 0.1):
        assert reason(data[: int(len(data) * part)]) == "truncated"


def test_avif_and_jpeg_2000_are_read_by_content(tmp_path: Path) -> None:
    avif, deep = tmp_path / "phone.jpg", tmp_path / "scan.j2k"
    IMAGE.save(avif, "AVIF", quality=100, subsampling="4:4:4")
    Image.fromarray((np.arange(64 * 64).reshape(64, 64) * 16).astype(np.uint16)).save(deep, "JPEG2000")
    assert (probe(avif).format, probe(avif).extension_matches) == ("avif", False)
    assert np.abs(decode(avif).astype(int) - BLOCKS).mean() < 3
    assert (probe(deep).format, probe(deep).bits, decode(deep).shape) == ("jp2", 16, (64, 64, 1))
    assert int(decode(deep).max()) == 255


def test_every_prefix_of_a_jpeg_is_refused() -> None:
    for cut in range(1, len(JPEG) - 1, 7):
        assert reason(JPEG[:cut]) in ("truncated", "not-an-image")


def test_what_follows_the_end_does_not_matter() -> None:
    np.testing.assert_array_equal(decode(JPEG + b"x" * 1000), decode(JPEG))


def test_damaged_png_is_refused() -> None:
    head, data = bytearray(PNG), bytearray(PNG)
    head[29] ^= 1
    data[60] ^= 255
    with pytest.raises(UnreadableImage, match="IHDR"):
        decode(bytes(head))
    assert reason(bytes(data)) == "unreadable"


@pytest.mark.parametrize(
    ("data", "why", "words"),
    [
        (b"", "empty", "empty"),
        (b"<!DOCTYPE html><title>404</title>", "not-an-image", "HTML page"),
        (b"hello there", "not-an-image", "plain text"),
        (b"%PDF-1.7", "not-an-image", "PDF"),
        (b"PK\x03\x04rest", "not-an-image", "ZIP"),
        (b"version https://git-lfs.github.com/spec/v1", "not-an-image", "git lfs pull"),
        (b"<svg xmlns='x'/>", "unsupported", "SVG"),
        (b"\0\0\0\x18ftypheic" + b"\0" * 20, "unsupported", "HEIC"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1heic" + b"\0" * 20, "unsupported", "HEIC"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "unsupported", "JPEG XL"),
        (b"8BPS\0\1", "unsupported", "Photoshop"),
        (b"%!PS-Adobe", "unsupported", "PostScript"),
        (b"SIMPLE  =  T", "unsupported", "FITS"),
        (b"\0" * 40, "not-an-image", "unknown"),
    ],
)
def test_other_content_is_named(tmp_path: Path, data: bytes, why: str, words: str) -> None:
    path = tmp_path / "image.jpg"
    path.write_bytes(data)
    with pytest.raises(UnreadableImage, match=words) as caught:
        decode(path)
    assert caught.value.reason == why
    assert str(path) in str(caught.value)
    assert pickle.loads(pickle.dumps(caught.value)).reason == why


def test_bombs_are_refused_before_decoding() -> None:
    data = stored(Image.new("1", (12_000, 12_000)), "PNG")
    assert len(data) < 20_000
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UnreadableImage, match="12000 x 12000 = 144,000,000") as caught:
            probe(data)
    assert caught.value.reason == "bomb"
    for w, h in ((50_000, 50_000), (2**31 - 1, 1)):
        head = chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, 8, 0, 0, 0, 0))
        assert reason(b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", b"x")) == "bomb"


def test_the_limit_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGHTLINE_MAX_PIXELS", "3000")
    assert reason(PNG) == "bomb"
    monkeypatch.setenv("SIGHTLINE_MAX_PIXELS", "3072")
    assert decode(PNG).shape == (48, 64, 3)


def test_a_text_chunk_cannot_fill_the_memory() -> None:
    text = chunk(b"zTXt", b"key\0\0" + zlib.compress(b"a" * 60_000_000))
    assert reason(PNG[:33] + text + PNG[33:]) == "unreadable"


def test_damaged_exif_does_not_cost_the_image() -> None:
    data = stored(IMAGE, "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert decode(data).shape == (48, 64, 3)


def test_pipes_folders_and_missing_files_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    assert reason(tmp_path / "pipe.jpg") == "not-an-image"
    assert reason(tmp_path) == "not-an-image"
    assert reason(tmp_path / "gone.jpg") == "unreadable"


def test_the_extension_is_compared_with_the_content(tmp_path: Path) -> None:
    for name, fits in (("a.jpg", False), ("a.PNG", True)):
        (tmp_path / name).write_bytes(PNG)
        assert probe(tmp_path / name).extension_matches is fits
        assert decode(tmp_path / name).shape == (48, 64, 3)


def test_odd_sizes_and_names(tmp_path: Path) -> None:
    for size in ((1, 1), (4000, 1), (1, 400)):
        image = decode(stored(Image.new("RGB", size), "PNG"))
        for resize in ("stretch", "crop", "letterbox"):
            assert resize_to_input(image, (16, 24), resize).shape == (16, 24, 3)
    for name in ("new\nline.png", "a b.png", "\N{GRINNING FACE}.png", "\u202eabc.png", "x" * 250 + ".png"):
        (tmp_path / name).write_bytes(PNG)
        assert decode(tmp_path / name).shape == (48, 64, 3)


def test_gray_files_stay_gray_until_asked() -> None:
    data = stored(IMAGE.convert("L"), "JPEG")
    assert decode(data).shape == (48, 64, 1)
    assert resize_to_input(decode(data), None, channels=3).shape == (48, 64, 3)
    gray = resize_to_input(BLOCKS, None, channels=1)
    np.testing.assert_array_equal(gray[..., 0], np.asarray(IMAGE.convert("L")))


def test_jpegs_are_decoded_small_but_never_too_small() -> None:
    big = stored(IMAGE.resize((800, 600), Image.Resampling.BICUBIC), "JPEG", quality=95)
    assert decode(big, at_least=(150, 200)).shape == (150, 200, 3)
    assert decode(big, at_least=(151, 200)).shape == (300, 400, 3)
    assert decode(big, at_least=(601, 1)).shape == (600, 800, 3)
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = stored(IMAGE.resize((800, 600)), "JPEG", exif=exif)
    assert decode(turned, at_least=(400, 10)).shape == (400, 300, 3)
    assert decode(big, at_least=(200, 200)).shape == (300, 400, 3)
    assert decode(big, at_least=(200, 200), resize="letterbox").shape == (
        150,
        200,
        3,
    )  # which is what it becomes
    assert decode(big, at_least=(151, 202), resize="letterbox").shape == (300, 400, 3)
    near = resize_to_input(decode(big, at_least=(120, 160)), (120, 160)).astype(int)
    assert np.abs(near - resize_to_input(decode(big), (120, 160))).mean() < 2


@settings(max_examples=300, deadline=None)
@given(
    stored=st.tuples(st.integers(1, 900), st.integers(1, 900)),
    size=st.tuples(st.integers(1, 300), st.integers(1, 300)),
    resize=st.sampled_from(["stretch", "crop", "letterbox", "rect"]),
)
def test_a_jpeg_decoded_small_lies_where_a_whole_one_would(
    stored: tuple[int, int], size: tuple[int, int], resize: Any
) -> None:
    """Whatever part of its size it was decoded at, it is scaled to the very same sides and never enlarged."""
    by = jpeg_draft_scale(stored, size, resize)
    less = -(-stored[0] // by), -(-stored[1] // by)
    assert resized_shape(less, size, resize) == resized_shape(stored, size, resize)
    assert input_shape(less, size, resize) == input_shape(stored, size, resize)
    inner, _ = resized_shape(stored, size, resize)
    assert by == 1 or (less[0] >= inner[0] and less[1] >= inner[1])
    if resize == "stretch" and stored[0] >= 2 * size[0] and stored[1] >= 2 * size[1]:
        assert by > 1


@settings(max_examples=60, deadline=None)
@given(
    size=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    want=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    resize=st.sampled_from(["stretch", "crop", "letterbox", "rect"]),
    channels=st.sampled_from([1, 3]),
    stored_channels=st.sampled_from([1, 3]),
)
def test_views_have_the_size_asked_for_and_stay_in_range(
    size: tuple[int, int], want: tuple[int, int], resize: Any, channels: Any, stored_channels: int
) -> None:
    image = np.full((*size, stored_channels), 200, np.uint8)
    out = resize_to_input(image, want, resize, channels)
    assert out.shape == (*input_shape(size, want, resize), channels)
    assert out.dtype == np.uint8
    assert out.flags["C_CONTIGUOUS"]
    assert set(np.unique(out)) <= ({200, 114} if resize in ("letterbox", "rect") else {200})


@given(
    stored=st.tuples(st.integers(1, 3000), st.integers(1, 3000)),
    size=st.tuples(st.integers(1, 20), st.integers(1, 20)),
)
def test_a_rect_is_the_smallest_that_holds_the_image_at_the_long_side(
    stored: tuple[int, int], size: tuple[int, int]
) -> None:
    height, width = size[0] * RECT_MULTIPLE, size[1] * RECT_MULTIPLE
    shape, (inner, offset) = (f(stored, (height, width), "rect") for f in (input_shape, resized_shape))
    long = max(height, width)
    assert max(shape) == max(inner) == long
    assert all(side % RECT_MULTIPLE == 0 for side in shape)
    for side, scaled, first, image in zip(shape, inner, offset, stored, strict=True):
        exact = long * image / max(stored)
        assert side - RECT_MULTIPLE < exact <= side
        assert abs(scaled - exact) <= 1
        assert first == (side - scaled) // 2
    assert input_shape(stored, shape, "rect") == shape, "of its own rectangle it is the same"
    affine = input_affine(torch.tensor([stored]), (height, width), "rect")[0]
    assert affine[:, 2].tolist() == [offset[1], offset[0]]
    assert input_shapes(torch.tensor([stored]), (height, width), "rect").tolist() == [list(shape)]


def test_an_image_of_the_right_size_is_unchanged() -> None:
    for resize in ("stretch", "crop", "letterbox"):
        np.testing.assert_array_equal(resize_to_input(BLOCKS, (48, 64), resize), BLOCKS)


def test_the_resize_is_pillows_to_within_one_level() -> None:
    image = RNG.integers(0, 255, (375, 500, 3)).astype(np.uint8)
    ours = resize_to_input(image, (224, 224)).astype(int)
    pillow = np.asarray(Image.fromarray(image).resize((224, 224), Image.Resampling.BILINEAR))
    assert np.abs(ours - pillow).max() <= 1


def test_crop_takes_the_middle_and_pad_keeps_all() -> None:
    image = np.zeros((40, 80, 1), np.uint8)
    image[:, 20:60] = 255
    assert (resize_to_input(image, (40, 40), "crop", 1) == 255).all()
    padded = resize_to_input(image, (80, 80), "letterbox", 1)
    assert (padded[:20] == 114).all()
    np.testing.assert_array_equal(padded[20:60], image)


def test_the_same_image_in_threads_processes_and_by_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(stored(IMAGE.resize((640, 480)), "JPEG"))
    files = Files([path])
    here = read_image(files, 0, (64, 64)).tobytes()
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: read_image(files, 0, (64, 64)).tobytes(), range(40))) == {here}
    code = (
        "import sys, hashlib; from pathlib import Path; "
        "from sightline.data.io.pixels import Files, read_image;"
        "print(hashlib.sha1(read_image(Files([Path(sys.argv[1])]), 0, (64, 64)).tobytes()).hexdigest())"
    )
    out = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == hashlib.sha1(here).hexdigest()


def test_pillows_own_settings_are_left_alone() -> None:
    code = (
        "from PIL import Image, ImageFile;"
        "before = (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES);"
        "import sightline.data.io.images;"
        "assert before == (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_files_and_arrays_are_alike(tmp_path: Path) -> None:
    images = RNG.integers(0, 255, (5, 6, 7, 3)).astype(np.uint8)
    for i, image in enumerate(images):
        (tmp_path / f"{i}.png").write_bytes(encode_png(image))
    for pixels in (Arrays(images), Files([tmp_path / f"{i}.png" for i in range(5)])):
        part = pickle.loads(pickle.dumps(pixels.subset(np.array([4, 0]))))
        assert len(part) == 2
        np.testing.assert_array_equal(part.read(0), images[4])
        assert part.digest(1) == pixels.digest(0) != pixels.digest(1)


def test_a_reader_cannot_change_the_array() -> None:
    pixels = Arrays(np.zeros((2, 3, 3, 1), np.uint8))
    pixels.read(0)[:] = 9
    assert pixels.array.max() == 0


def test_digests_of_files_follow_their_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1")
    (tmp_path / "b").write_bytes(b"1")
    (tmp_path / "c").write_bytes(b"2")
    files = Files([tmp_path / n for n in "abc"])
    assert files.digest(0) == files.digest(1) != files.digest(2)


def test_encoding() -> None:
    np.testing.assert_array_equal(decode(encode_png(BLOCKS)), BLOCKS)
    np.testing.assert_array_equal(decode(encode_png(BLOCKS[..., :1])), BLOCKS[..., :1])
    assert np.abs(decode(encode_jpeg(BLOCKS, 95)).astype(int) - BLOCKS).mean() < 10


def test_faces_and_photographs(data_folder: Any) -> None:
    face = sorted(data_folder("orl_faces").rglob("*.pgm"))[0]
    assert decode(face).shape == (112, 92, 1)
    assert probe(face).format == "ppm"


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_without_its_end_has_one_verdict_at_every_scale(progressive: bool) -> None:
    big = stored(IMAGE.resize((640, 480)), "JPEG", progressive=progressive)
    for at_least in (None, (60, 80), (240, 320)):
        with pytest.raises(UnreadableImage) as caught:
            decode(big[:-2], at_least=at_least)
        assert caught.value.reason == "truncated"


def test_a_phone_image_with_a_second_one_inside_is_one_image() -> None:
    data = stored(IMAGE, "MPO", save_all=True, append_images=[IMAGE.resize((8, 8))])
    assert probe(data).frames == 1
    assert decode(data).shape == (48, 64, 3)


@pytest.mark.parametrize("resize", ["stretch", "crop", "letterbox"])
@pytest.mark.parametrize("stored", [(60, 100), (100, 60), (33, 47), (64, 64)])
def test_points_go_where_the_view_puts_them(stored: tuple[int, int], resize: Any) -> None:
    """A bright block in the middle is found where `input_affine` says."""
    h, w = stored
    image = np.zeros((h, w, 3), dtype=np.uint8)
    top, left, bottom, right = h // 3, w // 3, 2 * h // 3, 2 * w // 3
    image[top:bottom, left:right] = 255
    viewed = resize_to_input(image, (64, 80), resize)
    (matrix,) = input_affine(torch.tensor([stored]), (64, 80), resize).numpy()
    corners = np.array([[left, top, 1], [right, bottom, 1]]) @ matrix.T
    lit = viewed[..., 0] > 160
    ys, xs = np.flatnonzero(lit.any(1)), np.flatnonzero(lit.any(0))
    assert [xs[0], ys[0]] == pytest.approx(corners[0], abs=1.5)
    assert [xs[-1] + 1, ys[-1] + 1] == pytest.approx(corners[1], abs=1.5)


def test_a_tiff_beyond_pillows_own_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow's limit is global, and about bombs of its own judgement; ours is the one that counts."""
    file = tmp_path / "scan.tif"
    Image.fromarray(np.arange(600, dtype=np.uint8).reshape(20, 30)).save(file)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert decode(file).shape == (20, 30, 1)
    monkeypatch.setenv("SIGHTLINE_MAX_PIXELS", "500")
    with pytest.raises(UnreadableImage, match="SIGHTLINE_MAX_PIXELS"):
        decode(file)


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32])
def test_levels_do_not_hang_on_how_many_pixels_are_computed_at_a_time(
    dtype: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    values = (rng.normal(size=(30, 41)) * 1000 + 5000).astype(dtype)
    clear = rng.integers(0, 256, (30, 41, 4), dtype=np.uint8)
    whole = levels.scaled(values, None), levels.scaled(values, 65535.0), levels.on_white(clear)
    monkeypatch.setattr(levels, "_AT_ONCE", 7)
    parts = levels.scaled(values, None), levels.scaled(values, 65535.0), levels.on_white(clear)
    assert all(np.array_equal(a, b) for a, b in zip(whole, parts, strict=True))


def test_levels_take_no_more_memory_than_the_image() -> None:
    tracemalloc.start()
    try:
        levels.on_white(np.zeros((2000, 2000, 4), dtype=np.uint8))  # 12 MB are the result
        assert tracemalloc.get_traced_memory()[1] < 40e6
        levels.scaled(np.zeros((2000, 2000), dtype=np.uint16), 65535.0)
        assert tracemalloc.get_traced_memory()[1] < 40e6
    finally:
        tracemalloc.stop()
