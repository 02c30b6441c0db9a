"""The one image decoder: from a file to an array, the same in training, validation and prediction.

What is done to an image is fixed here, and documented at `decode`. No global state of Pillow is changed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    WebPImagePlugin,
)

from ...errors import UnreadableImage, UsageError
from ...ops.resize_shape import ResizeMode, jpeg_draft_scale
from .bands import band_facts
from .file_types import EXTENSIONS, Source, has_end, name_of, open_file, what_is
from .headers import bits_of, ceiling, has_alpha, is_wide, orientation_of, upright_size
from .levels import Span, on_white, scaled, upright
from .tiff import Tiff

try:
    from simplejpeg import decode_jpeg
except ImportError:  # the light runtime does without: Pillow gives the same pixels
    decode_jpeg = None

MAX_PIXELS = 2**27
PillowImage = Image.Image
_WRONG = "holds {}, and not jpeg, png, webp, bmp, tiff, gif, ppm/pgm, avif or jpeg 2000. Convert it"

# The allow-list. The classes are called directly, not through Image.open: no other reader can be reached,
# the size is ours to judge before anything is decoded, and what went wrong is told in full.
_READERS: dict[str, Callable[[BinaryIO], Any]] = {
    "jpeg": JpegImagePlugin.jpeg_factory,
    "png": PngImagePlugin.PngImageFile,
    "webp": WebPImagePlugin.WebPImageFile,
    "bmp": BmpImagePlugin.BmpImageFile,
    "tiff": Tiff,
    "gif": GifImagePlugin.GifImageFile,
    "ppm": PpmImagePlugin.PpmImageFile,
    "avif": AvifImagePlugin.AvifImageFile,
    "jp2": Jpeg2KImagePlugin.Jpeg2KImageFile,
}


@dataclass(frozen=True)
class ImageFacts:
    """Information in the header of an image.

    Attributes:
        width: Pixels, after EXIF orientation.
        height: Pixels, after EXIF orientation.
        format: By content: jpeg, png, webp, bmp, tiff, gif, ppm, avif or jp2 (JPEG 2000).
        extension_matches: Whether the file's name says the same format.
        mode: Pillow's name of the pixel type.
        bits: Bits per channel as stored.
        channels: Channels as stored (a palette has one).
        frames: Images in the file; only the first is used.
        orientation: EXIF orientation, 1 to 8; 1 is upright.
        has_alpha: Whether any transparency is stored.
        cmyk: Whether it is stored in print colours.
        file_size: Bytes.
        bands: Channels as stored, those too that are not read.
    """

    width: int
    height: int
    format: str
    extension_matches: bool
    mode: str
    bits: int
    channels: int
    frames: int
    orientation: int
    has_alpha: bool
    cmyk: bool
    file_size: int
    bands: int = 0


def max_pixels() -> int:
    """Largest image that is decoded, in pixels; `SIGHTLINE_MAX_PIXELS` sets another limit."""
    text = os.environ.get("SIGHTLINE_MAX_PIXELS", str(MAX_PIXELS))
    if not text.isdecimal():
        raise UsageError(f"SIGHTLINE_MAX_PIXELS is a whole number, such as 500000000. Found '{text}'.")
    return int(text)


def decode(
    source: Source,
    *,
    at_least: tuple[int, int] | None = None,
    resize: ResizeMode = "stretch",
    page: int = 0,
    span: Span | None = None,
) -> np.ndarray:
    """Decode the first image of a file, upright; or another of its pages.

    EXIF orientation is applied. Transparency is laid on white. Palettes are resolved. CMYK is converted
    with the plain formula (Adobe's inverted kind is known; colour profiles are not applied). Integers of
    9 to 16 bits are scaled by their full range (65535 for 16 bits), floats and 32-bit integers by [0, 1]
    where all values lie in it (floats) and by their own minimum and maximum where not; or all by `span`. Of
    animations and files with several pages the first is taken.

    Args:
        source: A file, or the bytes of one.
        at_least: (height, width) that it will be brought to: a JPEG may be decoded at 1/2, 1/4 or 1/8 of its
            size, as long as it need not be enlarged then. The result depends on the file, this and `resize`.
        resize: How it will be brought to that size, as in `view`.
        page: Which image of a file of several (TIFF), from 0.
        span: The values of grey pixels of more than 8 bits that become 0 and 255; see `scaled`.

    Returns:
        (H, W, C) uint8; C is 3 (RGB), or 1 where the file is grey.

    Raises:
        UnreadableImage: With `reason` empty, truncated, not-an-image, unsupported, bomb, not-finite or
            unreadable.
    """
    with _open_image(source, page) as (image, kind, size):
        orientation = orientation_of(image, kind)
        whole = image.size
        if span is not None and not is_wide(image.mode) and bits_of(image, kind) > 8:
            what = "holds colours of more than 8 bits, of which only the upper 8 can be read: --pixel-range "
            what += "cannot be kept. Convert it to 8 bits a channel by that range"
            raise UnreadableImage(name_of(source), "unsupported", what)
        if at_least is not None and kind == "jpeg":
            by = jpeg_draft_scale(upright_size(image, kind, orientation), at_least, resize)
            if by > 1:
                image.draft(None, (whole[0] // by, whole[1] // by))
        pixels = _full_jpeg(image) if kind == "jpeg" and image.size == whole else None
        if pixels is None:
            with _trouble(source, kind, size):
                image.load()
                pixels = _to_uint8(image, kind, source, span)
    turned = pixels if kind == "tiff" else upright(pixels, orientation)  # Pillow turns a TIFF itself
    return np.ascontiguousarray(turned)


def of_pillow(image: Any, span: Span | None = None) -> np.ndarray:
    """Convert a Pillow image to (H, W, C) uint8, like `decode` does for a file.

    Raises:
        UnreadableImage: As `decode`.
    """
    kind = next((name for name in EXTENSIONS if name == (image.format or "").lower()), "")
    orientation = orientation_of(image, kind)  # before it is loaded: a PNG has it in front
    try:
        image.load()
    except (OSError, ValueError, SyntaxError) as error:
        raise UnreadableImage("the given image", "unreadable", f"cannot be decoded ({error})") from error
    pixels = _to_uint8(image, kind, b"", span)
    return np.ascontiguousarray(pixels if kind == "tiff" else upright(pixels, orientation))


def _full_jpeg(image: Any) -> np.ndarray | None:
    """Decode a JPEG at full size with simplejpeg: Pillow's pixels in two thirds of the time (the same decoder
    without copies). None if it does not apply: CMYK, damage (Pillow names it), or not installed.
    """
    if decode_jpeg is None or image.mode not in ("L", "RGB"):
        return None
    image.fp.seek(0)
    data = image.fp.read()
    image.fp.seek(0)
    try:
        return np.asarray(decode_jpeg(data, "GRAY" if image.mode == "L" else "RGB"))
    except ValueError:
        return None


def probe(source: Source) -> ImageFacts:
    """Read the header; no pixels are decoded.

    Raises:
        UnreadableImage: As `decode`, as far as the header shows it.
    """
    try:
        return _probe(source)
    except UnreadableImage:
        facts = band_facts(source)
        if facts is None:
            raise
    bits = np.dtype(facts.dtype).itemsize * 8
    return ImageFacts(
        facts.width, facts.height, facts.format, True, "", bits, facts.bands, 1, 1, False, False,
        facts.file_size, facts.bands,
    )  # fmt: skip


def _probe(source: Source) -> ImageFacts:
    with opened(source) as (image, kind, size):
        orientation = orientation_of(image, kind)
        height, width = upright_size(image, kind, orientation)
        bands = image.getbands()
        return ImageFacts(
            width=width,
            height=height,
            format=kind,
            extension_matches=isinstance(source, bytes) or source.suffix.lower() in EXTENSIONS[kind],
            mode=image.mode,
            bits=bits_of(image, kind),
            channels=len(bands),
            # A second image in a JPEG is a preview or a depth map, no second frame.
            frames=1 if kind == "jpeg" else int(getattr(image, "n_frames", 1)),
            orientation=orientation,
            has_alpha=has_alpha(image),
            cmyk=image.mode == "CMYK",
            file_size=size,
            bands=int(image.tag_v2.get(277, 1)) if kind == "tiff" else len(bands),
        )


def size_of(source: Source) -> tuple[int, int]:
    """(height, width) of the first image of a file, upright. Unlike `probe`, it does not count the images in
    the file, which may be a million.

    Raises:
        UnreadableImage: As `probe`.
    """
    try:
        return _size_of(source)
    except UnreadableImage:
        facts = band_facts(source)
        if facts is None:
            raise
        return facts.height, facts.width


def _size_of(source: Source) -> tuple[int, int]:
    with opened(source) as (image, kind, _):
        return upright_size(image, kind, orientation_of(image, kind))


@dataclass(frozen=True)
class Stored:
    """Stored numbers of a file, without conversion: for class maps.

    Attributes:
        values: (H, W) whole numbers (index into a palette, grey level, 16 bits), or (H, W, 3) uint8 colours.
        kind: Format, as in `ImageFacts`.
        palette: (P, 3) uint8 colours of a palette, or None.
    """

    values: np.ndarray
    kind: str
    palette: np.ndarray | None = None


def stored(source: Source, page: int = 0) -> Stored:
    """Read the stored numbers of a page of a file (or its bytes). Nothing is scaled or converted, no EXIF
    rotation is applied, and an alpha channel is ignored.

    Raises:
        UnreadableImage: As `decode`; "unsupported" where numbers would be lost on the way (three channels
            of 16 bits, fractions, print colours, a PGM of less than 8 bits).
    """
    with opened(source, page) as (image, kind, _):
        bits, scaled_up = bits_of(image, kind), kind == "ppm" and image.tile[0][0] != "raw"
        image.load()
        values = np.array(image, dtype=np.uint8 if image.mode == "1" else None)
        if values.ndim == 3:
            values = values[..., 0] if image.mode in ("LA", "PA") else np.ascontiguousarray(values[..., :3])
        elif image.mode == "L" and bits in (2, 4):
            values //= 255 // (2**bits - 1)  # Pillow has spread them over 8 bits
        elif image.mode == "F" and (np.mod(values, 1) == 0).all():
            values = values.astype(np.int64)
        wide = values.ndim == 3 and (bits > 8 or image.mode not in ("RGB", "RGBA", "RGBX"))
        if scaled_up or wide or values.dtype.kind == "f":
            what = f"holds {image.mode} of {bits} bits, which is not read as ids or colours. Save it as PNG"
            raise UnreadableImage(name_of(source), "unsupported", what)
        palette = image.getpalette() if image.mode in ("P", "PA") else None
        colors = None if palette is None else np.array(palette, dtype=np.uint8).reshape(-1, 3)
        return Stored(values, kind, colors)


@contextmanager
def opened(source: Source, page: int = 0, judge: bool = True) -> Iterator[tuple[Any, str, int]]:
    """A file as Pillow's image, whose frames and pages the caller may seek; its format, and size in bytes.

    Args:
        source: A file, or the bytes of one.
        page: Which image of a file of several, from 0.
        judge: Whether an image of more than `max_pixels` is refused.

    Raises:
        UnreadableImage: As `decode`; also of what goes wrong while it is open.
    """
    with _open_image(source, page, judge) as (image, kind, size), _trouble(source, kind, size):
        yield image, kind, size


@contextmanager
def _open_image(source: Source, page: int = 0, judge: bool = True) -> Iterator[tuple[Any, str, int]]:
    """Open an image: read the header, validate the size; also its format and file size."""
    with open_file(source) as (file, size):
        head = file.read(512)
        kind, description = what_is(head)
        if kind is None:
            reason = "unsupported" if description.startswith("an image") else "not-an-image"
            raise UnreadableImage(
                name_of(source),
                reason if head else "empty",
                description if not head else _WRONG.format(description),
            )
        file.seek(0)
        with _trouble(source, kind, size):
            image = _READERS[kind](file)
            if page:
                image.seek(page)
        limit, (width, height) = max_pixels(), image.size
        if judge and width * height > limit:
            raise UnreadableImage(
                name_of(source),
                "bomb",
                f"is {width} x {height} = {width * height:,} pixels, more than the limit of {limit:,}. "
                "Set SIGHTLINE_MAX_PIXELS if it is meant",
            )
        yield image, kind, size


@contextmanager
def _trouble(source: Source, kind: str, size: int) -> Iterator[None]:
    """Convert any exception of a decoder to UnreadableImage."""
    try:
        yield
    except (UnreadableImage, MemoryError):
        raise
    except Exception as error:  # decoders raise nearly anything on damaged files
        text = str(error).strip() or type(error).__name__
        cut = "truncated" in text.lower() or not has_end(source, kind, size)
        what = f"{'is cut off' if cut else 'cannot be decoded'}: {kind}, {size:,} bytes ({text})"
        raise UnreadableImage(name_of(source), "truncated" if cut else "unreadable", what) from error


def _to_uint8(image: Any, kind: str, source: Source, span: Span | None) -> np.ndarray:
    """(H, W, 1 or 3) uint8 of a loaded image of any mode, not rotated."""
    mode = image.mode
    if is_wide(mode):
        values = np.asarray(image)
        bad = int(np.count_nonzero(~np.isfinite(values)))
        if bad:
            what = f"holds {bad:,} values of {values.size:,} that are NaN or infinite"
            raise UnreadableImage(name_of(source), "not-finite", what)
        return scaled(values, ceiling(image, kind), span)[..., None]
    if "transparency" in image.info or mode in ("LA", "La", "PA", "RGBA", "RGBa"):
        gray = mode in ("1", "L", "LA", "La")
        wanted = "LA" if gray else "RGBA"
        return on_white(np.asarray(image if mode == wanted else image.convert(wanted)))
    if mode in ("1", "L"):
        return np.array(image if mode == "L" else image.convert("L"))[..., None]
    return np.array(image if mode == "RGB" else image.convert("RGB"))
