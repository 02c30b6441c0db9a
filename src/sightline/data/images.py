"""The one decoder: from a file to an array, alike in training, validation and prediction.

What is done to a picture is fixed here, and documented at `decode`. No global state of Pillow is changed.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from sightline.core.dataset import Pixels
from sightline.data._magic import EXTENSIONS, what_is
from sightline.errors import UnreadableImage

Source = Path | bytes
Fit = Literal["squash", "crop", "pad"]

MAX_PIXELS = 178_000_000
PAD_GREY = 114

# The allow-list. The classes are called directly, not through Image.open: no other reader can be reached,
# the size is ours to judge before anything is decoded, and what went wrong is told in full.
_READERS: dict[str, Callable[[BinaryIO], Any]] = {
    "jpeg": JpegImagePlugin.jpeg_factory,
    "png": PngImagePlugin.PngImageFile,
    "webp": WebPImagePlugin.WebPImageFile,
    "bmp": BmpImagePlugin.BmpImageFile,
    "tiff": TiffImagePlugin.TiffImageFile,
    "gif": GifImagePlugin.GifImageFile,
    "ppm": PpmImagePlugin.PpmImageFile,
}


@dataclass(frozen=True)
class ImageFacts:
    """What the header of a picture says.

    Attributes:
        width: Pixels, after EXIF orientation.
        height: Pixels, after EXIF orientation.
        format: By content: jpeg, png, webp, bmp, tiff, gif or ppm.
        extension_matches: Whether the file's name says the same format.
        mode: Pillow's name of the pixel type.
        bits: Bits per channel as stored.
        channels: Channels as stored (a palette has one).
        frames: Pictures in the file; only the first is used.
        orientation: EXIF orientation, 1 to 8; 1 is upright.
        has_alpha: Whether any transparency is stored.
        cmyk: Whether it is stored in print colours.
        file_size: Bytes.
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


def max_pixels() -> int:
    """Largest picture that is decoded, in pixels; `SIGHTLINE_MAX_PIXELS` sets another limit."""
    return int(os.environ.get("SIGHTLINE_MAX_PIXELS", MAX_PIXELS))


def decode(source: Source, *, at_least: tuple[int, int] | None = None) -> np.ndarray:
    """The first picture of a file, upright.

    EXIF orientation is applied. Transparency is laid on white. Palettes are resolved. CMYK is converted
    with the plain formula (Adobe's inverted kind is known; colour profiles are not applied). Integers of
    9 to 16 bits are scaled by their full range (65535 for 16 bits), floats and 32-bit integers by [0, 1]
    where all values lie in it (floats) and by their own minimum and maximum where not. Of animations and
    files with several pages the first is taken.

    Args:
        source: A file, or the bytes of one.
        at_least: (height, width) that will do: a JPEG may be decoded at 1/2, 1/4 or 1/8 of its size as
            long as both sides are no smaller. The result depends on the file and this value only.

    Returns:
        (H, W, C) uint8; C is 3 (RGB), or 1 where the file is grey.

    Raises:
        UnreadableImage: With `reason` empty, truncated, not-an-image, unsupported, bomb, not-finite or
            unreadable.
    """
    with _opened(source) as (image, kind, size):
        orientation = _orientation(image, kind)
        if at_least is not None and kind == "jpeg":
            height, width = at_least if orientation < 5 else at_least[::-1]
            image.draft(None, (max(width, 1), max(height, 1)))
        with _trouble(source, kind, size):
            image.load()
            pixels = _to_uint8(image, kind, source)
    # Pillow turns a TIFF itself while loading.
    return np.ascontiguousarray(pixels if kind == "tiff" else _upright(pixels, orientation))


def probe(source: Source) -> ImageFacts:
    """What the header says; no pixels are decoded.

    Raises:
        UnreadableImage: As `decode`, as far as the header shows it.
    """
    with _opened(source) as (image, kind, size), _trouble(source, kind, size):
        orientation = _orientation(image, kind)
        width, height = image.size if orientation < 5 else image.size[::-1]
        bands = image.getbands()
        return ImageFacts(
            width=width,
            height=height,
            format=kind,
            extension_matches=isinstance(source, bytes) or source.suffix.lower() in EXTENSIONS[kind],
            mode=image.mode,
            bits=_bits(image, kind),
            channels=len(bands),
            # A second picture in a JPEG is a preview or a depth map, no second frame.
            frames=1 if kind == "jpeg" else int(getattr(image, "n_frames", 1)),
            orientation=orientation,
            has_alpha=bands[-1] in ("A", "a") or "transparency" in image.info,
            cmyk=image.mode == "CMYK",
            file_size=size,
        )


@contextmanager
def _opened(source: Source) -> Iterator[tuple[Any, str, int]]:
    """The picture with its header read and its size accepted, its format, and the file's size."""
    with _file(source) as (file, size):
        head = file.read(512)
        kind, said = what_is(head)
        if kind is None:
            reason = (
                "empty" if not head else "unsupported" if said.startswith("a picture") else "not-an-image"
            )
            raise UnreadableImage(_name(source), reason, said if not head else f"holds {said}, {_EXPECTED}")
        file.seek(0)
        with _trouble(source, kind, size):
            image = _READERS[kind](file)
        limit, (width, height) = max_pixels(), image.size
        if width * height > limit:
            raise UnreadableImage(
                _name(source),
                "bomb",
                f"is {width} x {height} = {width * height:,} pixels, more than the limit of {limit:,}. "
                "Set SIGHTLINE_MAX_PIXELS if it is meant.",
            )
        yield image, kind, size


_EXPECTED = "which is none of jpeg, png, webp, bmp, tiff, gif, ppm/pgm"


@contextmanager
def _file(source: Source) -> Iterator[tuple[BinaryIO, int]]:
    """A seekable file of the source, and its size. Opens nothing but regular files."""
    if isinstance(source, bytes):
        yield io.BytesIO(source), len(source)
        return
    try:
        facts = source.stat()
        if not stat.S_ISREG(facts.st_mode):
            raise UnreadableImage(source, "not-an-image", "is no regular file (a folder, pipe or device)")
        file = source.open("rb")
    except OSError as error:
        raise UnreadableImage(
            source, "unreadable", f"cannot be opened ({error.strerror or error})"
        ) from error
    with file:
        yield file, facts.st_size


@contextmanager
def _trouble(source: Source, kind: str, size: int) -> Iterator[None]:
    """Whatever a decoder raises on a damaged file becomes UnreadableImage."""
    try:
        yield
    except (UnreadableImage, MemoryError):
        raise
    except Exception as error:  # decoders raise nearly anything on damaged files
        text = str(error).strip() or type(error).__name__
        cut = "truncated" in text.lower() or not _has_end(source, kind, size)
        reason, what = ("truncated", "is cut off") if cut else ("unreadable", "cannot be decoded")
        raise UnreadableImage(_name(source), reason, f"{what}: {kind}, {size:,} bytes ({text})") from error


def _has_end(source: Source, kind: str, size: int) -> bool:
    """Whether the end marker of the format is there, for formats that have one."""
    marker = {"jpeg": b"\xff\xd9", "png": b"IEND", "gif": b"\x3b"}.get(kind)
    with _file(source) as (file, _):
        if kind == "webp":
            return int.from_bytes(file.read(8)[4:], "little") + 8 <= size
        file.seek(max(0, size - 4096))
        return marker is None or marker in file.read()


def _name(source: Source) -> object:
    return "the given bytes" if isinstance(source, bytes) else source


def _orientation(image: Any, kind: str) -> int:
    """EXIF orientation, 1 where there is none or it cannot be read."""
    if kind == "png" and "exif" not in image.info:
        return 1  # Pillow would decode the whole picture to look for it at the end
    try:
        value = image.getexif().get(0x0112, 1)
    except Exception:  # a damaged EXIF block must not cost the picture
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Undo an EXIF orientation (Exif 2.3, tag 0x0112) of (H, W, C)."""
    if orientation in (2, 3):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4):
        pixels = pixels[::-1]
    if orientation in (7, 8):
        pixels = pixels[:, ::-1]
    if orientation in (6, 7):
        pixels = pixels[::-1]
    return pixels.swapaxes(0, 1) if orientation >= 5 else pixels


def _bits(image: Any, kind: str) -> int:
    """Bits per channel as stored."""
    if kind == "png":
        image.fp.seek(24)
        return int(image.fp.read(1)[0])
    if kind == "tiff":
        return int(max(image.tag_v2.get(258, (1,))))
    return {"1": 1, "F": 32}.get(image.mode, 16 if image.mode.startswith("I") else 8)


def _to_uint8(image: Any, kind: str, source: Source) -> np.ndarray:
    """(H, W, 1 or 3) uint8 of a loaded picture of any mode, not turned."""
    mode = image.mode
    if mode == "F" or mode.startswith("I"):
        return _scaled(np.asarray(image), kind, image, source)[..., None]
    if "transparency" in image.info or mode in ("LA", "La", "PA", "RGBA", "RGBa"):
        grey = mode in ("1", "L", "LA", "La")
        return _on_white(np.asarray(image.convert("LA" if grey else "RGBA")))
    if mode in ("1", "L"):
        return np.asarray(image.convert("L"))[..., None]
    return np.asarray(image.convert("RGB"))


def _scaled(values: np.ndarray, kind: str, image: Any, source: Source) -> np.ndarray:
    """Values of more than 8 bits by their true range, never clipped; see `decode`."""
    values = values.astype(np.float64)
    bad = int(np.count_nonzero(~np.isfinite(values)))
    if bad:
        raise UnreadableImage(
            _name(source), "not-finite", f"holds {bad:,} values of {values.size:,} that are NaN or infinite"
        )
    low, high = 0.0, 1.0
    if image.mode != "F":
        bits = _bits(image, kind) if kind == "tiff" else 16
        high = 2.0**bits - 1 if bits <= 16 else -1.0
    if values.min() < low or values.max() > high:
        low, high = float(values.min()), float(values.max())
    span = high - low if high > low else 1.0
    return np.asarray(np.rint((values - low) * (255 / span)), dtype=np.uint8)


def _on_white(pixels: np.ndarray) -> np.ndarray:
    """(H, W, C + 1) with alpha last, laid on white: (H, W, C)."""
    alpha = pixels[..., -1:].astype(np.uint16)
    return ((pixels[..., :-1] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)


def view(
    image: np.ndarray, size: tuple[int, int] | None, fit: Fit = "squash", channels: Literal[1, 3] = 3
) -> np.ndarray:
    """A picture as a model sees it; one of that size and channels already is given back unchanged.

    Args:
        image: (H, W, C) uint8, C is 3 or 1.
        size: (height, width) wanted, or None for as it is.
        fit: squash scales each side by itself; crop scales the short side and cuts the middle out; pad
            scales the long side and fills up with grey 114.
        channels: 3, or 1 (grey by ITU-R 601).

    Returns:
        (height, width, channels) uint8, scaled bilinearly with antialias.
    """
    if image.shape[2] == 3 and channels == 1:
        image = np.asarray(Image.fromarray(image).convert("L"))[..., None]
    if size is not None and image.shape[:2] != tuple(size):
        image = _FITS[fit](image, size)
    if image.shape[2] == 1 and channels == 3:
        image = np.repeat(image, 3, axis=2)
    return image


def _resized(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    grey = image.shape[2] == 1
    picture = Image.fromarray(image[..., 0] if grey else image)
    # reducing_gap: halve first what is far too large; three times faster on photographs
    small = np.asarray(picture.resize(size[::-1], Image.Resampling.BILINEAR, reducing_gap=2.0))
    return small[..., None] if grey else small


def _cropped(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    h, w = image.shape[:2]
    scale = max(size[0] / h, size[1] / w)
    inner = max(size[0], round(h * scale)), max(size[1], round(w * scale))
    image = _resized(image, inner) if inner != (h, w) else image
    top, left = (inner[0] - size[0]) // 2, (inner[1] - size[1]) // 2
    return np.ascontiguousarray(image[top : top + size[0], left : left + size[1]])


def _padded(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    h, w = image.shape[:2]
    scale = min(size[0] / h, size[1] / w)
    inner = min(size[0], max(1, round(h * scale))), min(size[1], max(1, round(w * scale)))
    out = np.full((*size, image.shape[2]), PAD_GREY, dtype=np.uint8)
    top, left = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    out[top : top + inner[0], left : left + inner[1]] = _resized(image, inner) if inner != (h, w) else image
    return out


_FITS = {"squash": _resized, "crop": _cropped, "pad": _padded}


class Files:
    """Pictures in files, decoded when they are read.

    Args:
        paths: One file a picture.
    """

    def __init__(self, paths: Sequence[Path | str]) -> None:
        self._paths = [str(p) for p in paths]
        self._digests: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._paths)

    def path(self, i: int) -> Path:
        """File of picture i."""
        return Path(self._paths[i])

    def read(self, i: int, at_least: tuple[int, int] | None = None) -> np.ndarray:
        """Picture i, (H, W, C) uint8; see `decode`."""
        return decode(self.path(i), at_least=at_least)

    def subset(self, indices: np.ndarray) -> Files:
        """The same files, other order or fewer."""
        part = Files([self._paths[i] for i in indices])
        part._digests = self._digests
        return part

    def digest(self, i: int) -> str:
        """Digest of the bytes of file i; computed once.

        Raises:
            UnreadableImage: If the file cannot be opened.
        """
        key = self._paths[i]
        if key not in self._digests:
            with _file(Path(key)) as (file, _):
                whole = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16))
            self._digests[key] = whole.hexdigest()
        return self._digests[key]


class Arrays:
    """Pictures in memory.

    Args:
        array: (N, H, W, C) uint8, C is 3 or 1.
    """

    def __init__(self, array: np.ndarray) -> None:
        if array.dtype != np.uint8 or array.ndim != 4 or array.shape[3] not in (1, 3):
            raise ValueError(f"Arrays takes (N, H, W, 1 or 3) uint8. Received {array.shape} {array.dtype}.")
        self.array = array

    def __len__(self) -> int:
        return len(self.array)

    def read(self, i: int) -> np.ndarray:
        """Picture i, (H, W, C) uint8."""
        return np.asarray(self.array[i])

    def subset(self, indices: np.ndarray) -> Arrays:
        """A copy of some of the pictures, in that order."""
        return Arrays(self.array[np.asarray(indices, dtype=np.int64)])

    def digest(self, i: int) -> str:
        """Digest of shape and pixels of picture i."""
        pixels = np.ascontiguousarray(self.array[i])
        return hashlib.blake2b(repr(pixels.shape).encode() + pixels.tobytes(), digest_size=16).hexdigest()


def picture(
    pixels: Pixels,
    i: int,
    size: tuple[int, int] | None = None,
    fit: Fit = "squash",
    channels: Literal[1, 3] = 3,
) -> np.ndarray:
    """What a model sees of item i: the one way from a data set to a network's input.

    Args:
        pixels: Where the pictures come from.
        i: Which one.
        size: See `view`.
        fit: See `view`.
        channels: See `view`.

    Returns:
        (height, width, channels) uint8.

    Raises:
        UnreadableImage: If it cannot be decoded.
    """
    image = pixels.read(i, size) if isinstance(pixels, Files) else pixels.read(i)
    return view(image, size, fit, channels)


def encode_png(array: np.ndarray) -> bytes:
    """A (H, W, 3 or 1) uint8 picture as PNG, without loss."""
    return _encoded(array, "PNG", optimize=False)


def encode_jpeg(array: np.ndarray, quality: int = 85) -> bytes:
    """A (H, W, 3 or 1) uint8 picture as JPEG of some quality, 1 to 95."""
    return _encoded(array, "JPEG", quality=quality)


def _encoded(array: np.ndarray, kind: str, **settings: Any) -> bytes:
    out = io.BytesIO()
    flat = array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array
    Image.fromarray(np.ascontiguousarray(flat)).save(out, kind, **settings)
    return out.getvalue()
