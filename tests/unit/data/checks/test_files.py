"""Broken and odd files are found, with the right name, severity and items; sound ones are not."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from sightline.core.dataset import Dataset
from tests.unit.data.checks.conftest import findings, random_images

Make = Callable[..., Dataset]
SCENE = Image.fromarray(random_images(1, 64, seed=9)[0])


def encoded(kind: str, image: Image.Image = SCENE, **save: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **save)
    return out.getvalue()


def png_of(width: int, height: int) -> bytes:
    """A PNG whose header claims a size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def test_sound_files_give_neither_error_nor_warning(in_files: Make) -> None:
    assert all(f.severity == "info" for f in findings(in_files()).values())


@pytest.mark.parametrize(
    ("name", "content", "finding"),
    [
        ("void.png", b"", "empty-files"),
        ("half.jpg", encoded("JPEG")[:1500], "truncated-files"),
        ("half.png", encoded("PNG", Image.effect_noise((64, 64), 60))[:2000], "truncated-files"),
        ("page.jpg", b"<html><body>404 not found</body></html>", "not-images"),
        ("bomb.png", png_of(60_000, 60_000), "huge-files"),
    ],
)
def test_broken_file_is_an_error_and_the_rest_is_still_read(
    in_files: Make, name: str, content: bytes, finding: str
) -> None:
    dataset = in_files({name: content})
    reported = findings(dataset)
    assert reported[finding].severity == "error"
    assert reported[finding].items == (name,)
    assert reported[finding].count == 1
    assert name in reported[finding].message
    assert not [f for f in reported.values() if f.severity == "error" and f.name != finding]


def test_a_file_of_zero_pixels_is_an_error(in_files: Make) -> None:
    reported = findings(in_files({"zero.png": png_of(0, 5)}))
    errors = [f for f in reported.values() if f.severity == "error"]
    assert [f.items for f in errors] == [("zero.png",)]


def test_a_file_that_has_gone_is_an_error(in_files: Make) -> None:
    dataset = in_files({"gone.png": SCENE})
    dataset.pixels.path(40).unlink()  # type: ignore[attr-defined]
    reported = findings(dataset)
    assert reported["unreadable-files"].items == ("gone.png",)


def test_animations_are_named(in_files: Make) -> None:
    frames = [Image.fromarray(p) for p in random_images(3, 64, seed=3)]
    gif = encoded("GIF", frames[0], save_all=True, append_images=frames[1:])
    reported = findings(in_files({"moving.gif": gif, "still.gif": encoded("GIF", frames[2])}))
    assert reported["animated"].items == ("moving.gif",)
    assert reported["animated"].severity == "warning"


def test_wrong_extension_is_named(in_files: Make) -> None:
    reported = findings(in_files({"liar.png": encoded("JPEG"), "b.JPEG": encoded("JPEG", quality=30)}))
    assert reported["wrong-extension"].items == ("liar.png",)


def test_exif_rotation_is_named_but_no_trouble(in_files: Make) -> None:
    exif = Image.Exif()
    exif[274] = 6
    upright = Image.Exif()
    upright[274] = 1
    reported = findings(
        in_files({"a.jpg": encoded("JPEG", exif=exif), "b.jpg": encoded("JPEG", exif=upright, quality=20)})
    )
    assert reported["exif-rotated"].items == ("a.jpg",)
    assert reported["exif-rotated"].severity == "info"


def test_deep_cmyk_and_alpha_are_named(in_files: Make) -> None:
    deep = Image.fromarray((np.arange(64 * 64, dtype=np.uint16) * 16).reshape(64, 64))
    alpha = SCENE.copy()
    alpha.putalpha(128)
    reported = findings(
        in_files(
            {
                "deep.png": encoded("PNG", deep),
                "print.jpg": encoded("JPEG", SCENE.convert("CMYK")),
                "glass.png": encoded("PNG", alpha),
            }
        )
    )
    assert reported["more-than-8-bits"].items == ("deep.png",)
    assert reported["cmyk"].items == ("print.jpg",)
    assert reported["alpha"].items == ("glass.png",)
    assert "fully-transparent" not in reported
    assert {reported[n].severity for n in ("more-than-8-bits", "cmyk", "alpha")} == {"info"}


def test_fully_transparent_is_an_error(in_files: Make) -> None:
    nothing = SCENE.copy()
    nothing.putalpha(0)
    reported = findings(in_files({"nothing.png": encoded("PNG", nothing)}))
    assert reported["fully-transparent"].items == ("nothing.png",)
    assert reported["fully-transparent"].severity == "error"


def test_nothing_of_the_users_is_changed(in_files: Make) -> None:
    dataset = in_files({"half.jpg": encoded("JPEG")[:1500]})
    files = [dataset.pixels.path(i) for i in range(len(dataset))]  # type: ignore[attr-defined]
    before = [(p.read_bytes(), p.stat().st_mtime_ns) for p in files]
    findings(dataset)
    assert [(p.read_bytes(), p.stat().st_mtime_ns) for p in files] == before
    assert sorted(p.name for p in files[0].parent.iterdir()) == sorted(p.name for p in files)
