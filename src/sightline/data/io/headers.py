"""Header of an image that Pillow has opened: mode, bits, orientation, before pixels are decoded."""

from __future__ import annotations

from typing import Any


def is_wide(mode: str) -> bool:
    """Whether a Pillow mode has values that must be scaled to 8 bits."""
    return mode == "F" or mode.startswith("I")


def has_alpha(image: Any) -> bool:
    """Whether any transparency is stored."""
    return image.getbands()[-1] in ("A", "a") or "transparency" in image.info


def orientation_of(image: Any, kind: str) -> int:
    """EXIF orientation, 1 where there is none or it cannot be read."""
    if kind == "png" and "exif" not in image.info:
        return 1  # Pillow would decode the whole image to look for it at the end
    try:
        value = image.getexif().get(0x0112, 1)
    except Exception:  # a damaged EXIF block must not cost the image
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def upright_size(image: Any, kind: str, orientation: int) -> tuple[int, int]:
    """(height, width) after rotation; Pillow rotates a TIFF itself."""
    width, height = image.size
    return (width, height) if orientation >= 5 and kind != "tiff" else (height, width)


def bits_of(image: Any, kind: str) -> int:
    """Bits per channel as stored."""
    if kind == "png":
        image.fp.seek(24)
        return int(image.fp.read(1)[0])
    if kind == "tiff":
        return int(max(image.tag_v2.get(258, (1,))))
    return {"1": 1, "F": 32}.get(image.mode, 16 if image.mode.startswith("I") else 8)


def ceiling(image: Any, kind: str) -> float | None:
    """Largest value of 9 to 16 bits; None if it depends on the values (floats, 32 bits)."""
    if not kind and image.mode == "I":  # made in memory: 32 bits
        return None
    bits = bits_of(image, kind) if kind == "tiff" else 16
    return 2.0**bits - 1 if image.mode != "F" and bits <= 16 else None
