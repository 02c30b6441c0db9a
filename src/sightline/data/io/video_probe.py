"""Opening of videos with PyAV, and the allow-lists of containers and protocols.

PyAV (BSD-3) is imported only here, and only when a video is opened. FFmpeg reads some hundred formats, some
of which (playlists) point to other files and addresses. Therefore, containers and protocols are listed here.
"""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Any

from ...errors import DataError, MissingExtra, UnreadableImage, UsageError
from .file_types import ALL_EXTENSIONS, open_file

EXTENSIONS = frozenset(
    {
        *(".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm"),
        *(".mpg", ".mpeg", ".wmv", ".flv", ".3gp", ".ogv", ".mts", ".m2ts"),
    }
)
_CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,asf,ogg"
_PROTOCOLS = {
    "rtsp": "rtsp,rtp,srtp,udp,tcp,tls,crypto",
    "rtsps": "rtsp,rtsps,rtp,srtp,udp,tcp,tls,crypto",
    "tcp": "tcp",
    "http": "http,https,tcp,tls,crypto",
    "https": "http,https,tcp,tls,crypto",
}
TIMEOUT = 10.0  # seconds that a stream may be silent
_STARTS = (b"\x1aE\xdf\xa3", b"FLV\x01", b"OggS", b"\0\0\1\xba", b"0&\xb2u\x8ef\xcf\x11")


def addresses() -> tuple[str, ...]:
    """URL schemes that a stream may have."""
    return tuple(_PROTOCOLS)


def is_video(head: bytes) -> bool:
    """Whether the first bytes of a file are those of a video container.

    Args:
        head: The first bytes of the file; 512 are plenty.
    """
    if head[4:8] == b"ftyp":
        return head[8:12] not in (b"heic", b"heix", b"mif1", b"msf1", b"avif", b"avis")
    boxes = (b"moov", b"mdat", b"wide", b"free")  # QuickTime without a file type
    transport = head[:1] == b"G" and head[188:189] == b"G"
    return head.startswith(_STARTS) or head[4:8] in boxes or transport or head[:4] + head[8:12] == b"RIFFAVI "


def library() -> Any:
    """PyAV.

    Raises:
        MissingExtra: If it is not installed.
    """
    try:
        import av
    except ImportError:
        raise MissingExtra("Video", "video") from None
    return av


def open_container(text: str | bytes, scheme: str, name: str) -> Any:
    """The container of a file or a stream.

    Args:
        text: File or address; or the bytes of a file.
        scheme: Kind of address; "" for a file.
        name: How messages name it.

    Raises:
        UsageError: If that kind of address is not read, or the network is forbidden.
        DataError: If it is no video, or does not answer.
    """
    av, formats, protocols = library(), _CONTAINERS, "file"
    if scheme:
        if scheme not in _PROTOCOLS:
            raise UsageError(f"{name}: a stream begins with {', '.join(_PROTOCOLS)}, not {scheme}://.")
        if os.environ.get("SIGHTLINE_OFFLINE", "0") not in ("", "0"):
            raise UsageError(f"{name} is a stream, and SIGHTLINE_OFFLINE forbids the network.")
        formats, protocols = f"{_CONTAINERS},rtsp,rtp,sdp,hls,mpjpeg", _PROTOCOLS[scheme]
    options = {"format_whitelist": formats, "protocol_whitelist": protocols}
    try:
        # "file:": FFmpeg would take what stands before a colon in a file's name for a protocol.
        where = io.BytesIO(text) if isinstance(text, bytes) else text if scheme else f"file:{text}"
        return av.open(where, options=options, timeout=TIMEOUT if scheme else None)
    except (av.FFmpegError, OSError) as error:
        what = "does not give a video stream" if scheme else "cannot be read as a video"
        why = reason(error) if scheme else _why(text)
        raise DataError(f"{name} {what}: {why}.") from error


def reason(error: BaseException) -> str:
    """Error text without the name of the file."""
    if type(error).__name__ == "ExitError":  # what PyAV makes of its timeout
        return f"nothing came for {TIMEOUT:g} s"
    return str(getattr(error, "strerror", None) or error) or type(error).__name__


def _why(source: str | bytes) -> str:
    """Why a file does not open, in words."""
    if isinstance(source, bytes):
        head, size = source[:512], len(source)
    else:
        path = Path(source)
        if not path.is_file():
            return "it is no regular file" if path.exists() else "it is not there"
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(512)
    if not head:
        return "it is an empty file"
    if is_video(head):
        index = "; an MP4 may keep its index, which tells where all frames are, at its end"
        return f"it is cut off or damaged ({size:,} bytes{index if head[4:8] == b'ftyp' else ''})"
    return "it holds no video of a kind that is read (MP4, MOV, AVI, MKV, WebM, MPEG, FLV, WMV, Ogg)"


def webcam(number: int) -> Any:
    """The container of an open camera.

    Raises:
        UsageError: If it is not there or may not be opened.
    """
    av, options = library(), dict[str, str]()
    if sys.platform == "darwin":
        name, kind, options = str(number), "avfoundation", {"framerate": "30"}
    elif sys.platform == "win32":
        from av.device import enumerate_input_devices

        cameras = [d.name for d in enumerate_input_devices("dshow") if "video" in d.media_types]
        if number >= len(cameras):
            raise UsageError(f"There is no webcam {number}. Found: {', '.join(cameras) or 'none'}.")
        name, kind = f"video={cameras[number]}", "dshow"
    else:
        name, kind = f"/dev/video{number}", "v4l2"
    try:
        return av.open(name, format=kind, options=options, timeout=TIMEOUT)
    except (av.FFmpegError, OSError, ValueError) as error:
        devices = (
            ", ".join(sorted(p.name.removeprefix("video") for p in Path("/dev").glob("video*"))) or "none"
        )
        devices_text = f" Webcams found: {devices}." if kind == "v4l2" else ""
        raise UsageError(
            f"Webcam {number} ({name}) cannot be opened: {reason(error)}.{devices_text}"
        ) from error


def is_film(path: Path) -> bool:
    """Whether a named file is a video: by its extension, else by its content."""
    ending = path.suffix.lower()
    if ending in ALL_EXTENSIONS or ending in EXTENSIONS:
        return ending in EXTENSIONS
    try:
        with open_file(path) as (file, _):
            return is_video(file.read(512))
    except UnreadableImage:
        return False
