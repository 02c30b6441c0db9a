"""Images of a request: a raw body, or the files of a form. Nothing is decoded, fetched or written here."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from sightline.server.request_error import RequestError

WANTED = (
    "Send multipart/form-data with files, one image or film as image/*, video/* or "
    "application/octet-stream, or "
    'application/json with {"image": BASE64} or {"images": [BASE64, ...]}.'
)
_NAME = 200  # letters of a file name that are told back


@dataclass(frozen=True)
class Upload:
    """One uploaded image, and the name that its sender gives it."""

    name: str
    content: bytes


def uploads(headers: Mapping[str, str], body: bytes, most: int) -> list[Upload]:
    """Extract the images of a request, in order; at least one.

    Args:
        headers: Of the request.
        body: All of it.
        most: Images that are taken.

    Raises:
        Refused: 400 for a damaged form, 413 for too many images, 415 for another content type, 422 where
            no image is.
    """
    if headers.get("content-encoding", "identity").lower() not in ("", "identity"):
        raise RequestError(
            415, "content-encoding", "Compressed requests are not taken; send images as they are."
        )
    kind, options = parse_options_header(headers.get("content-type", "").encode("latin-1", "replace"))
    kind = kind.lower()  # as older versions of python-multipart leave it
    if kind == b"multipart/form-data":
        files = _form(body, options.get(b"boundary", b""), most)
    elif kind.startswith((b"image/", b"video/")) or kind == b"application/octet-stream":
        files = [Upload("", body)]
    elif kind == b"application/json":
        files = _encoded(body, most)
    else:
        raise RequestError(415, "content-type", WANTED, {
            "Accept-Post": "multipart/form-data, image/*, application/octet-stream, application/json",
        })  # fmt: skip
    if not files:
        raise RequestError(422, "no-image", f"The request holds no image. {WANTED}")
    for upload in files:
        if not upload.content:
            which = f" '{upload.name}'" if upload.name else ""
            raise RequestError(422, "empty", f"The image{which} is empty: 0 bytes were sent.")
    return files


@dataclass
class _Part:
    """A part of a form while it is read."""

    headers: dict[bytes, bytes] = field(default_factory=dict)
    name: bytes = b""
    value: bytes = b""
    pieces: list[bytes] = field(default_factory=list)


class _Reader:
    """Callbacks for the multipart parser that collect the files of a form."""

    def __init__(self, most: int) -> None:
        self.most, self.found, self.ended = most, list[Upload](), False
        self._part = _Part()

    def callbacks(self) -> Any:
        """Callbacks by the parser's names."""
        return {
            "on_part_begin": self.begin,
            "on_header_field": self.header_name,
            "on_header_value": self.header_value,
            "on_header_end": self.header_end,
            "on_part_data": self.data,
            "on_part_end": self.end,
            "on_end": self.finish,
        }

    def begin(self) -> None:
        if len(self.found) >= self.most:
            raise RequestError(413, "too-many", f"A request holds at most {self.most} images (--max-images).")
        self._part = _Part()

    def header_name(self, data: bytes, start: int, end: int) -> None:
        self._part.name += data[start:end]

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self._part.value += data[start:end]

    def header_end(self) -> None:
        self._part.headers[self._part.name.lower()] = self._part.value
        self._part.name = self._part.value = b""

    def data(self, data: bytes, start: int, end: int) -> None:
        self._part.pieces.append(data[start:end])

    def end(self) -> None:
        _, disposition = parse_options_header(self._part.headers.get(b"content-disposition", b""))
        if b"filename" not in disposition:
            field_name = disposition.get(b"name", b"").decode("utf-8", "replace")[:_NAME]
            raise RequestError(
                422, "no-file", f"The part '{field_name}' of the form is no file. Send only files."
            )
        name = disposition[b"filename"].decode("utf-8", "replace")[:_NAME]
        self.found.append(Upload(name, b"".join(self._part.pieces)))

    def finish(self) -> None:
        self.ended = True


def _form(body: bytes, boundary: bytes, most: int) -> list[Upload]:
    if not boundary:
        raise RequestError(400, "form", "The content type multipart/form-data names no boundary.")
    reader = _Reader(most)
    try:
        parser = MultipartParser(boundary, reader.callbacks())
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise RequestError(
            400, "form", "The form is damaged: it is not multipart/form-data as RFC 7578 says."
        ) from error
    if not reader.ended:
        raise RequestError(400, "form", "The form is cut off: its last boundary is missing.")
    return reader.found


def _encoded(body: bytes, most: int) -> list[Upload]:
    """Images of a JSON document, as base64 (RFC 4648) or as data URLs (RFC 2397)."""
    # Before it is parsed: objects and short texts would take many times the memory of the body.
    if body.count(b"{") + body.count(b"[") > 2:
        raise RequestError(422, "json", f"An image in JSON is a text in base64. {WANTED}")
    if body.count(b",") > 2 * most + 2:  # one between images, one in a data URL
        raise RequestError(413, "too-many", f"A request holds at most {most} images (--max-images).")
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise RequestError(400, "json", f"The body is no JSON. {WANTED}") from None
    if not isinstance(document, dict) or list(document) not in (["image"], ["images"]):
        raise RequestError(422, "json", f"The JSON holds one of 'image' and 'images', and no more. {WANTED}")
    texts = document["images"] if "images" in document else [document["image"]]
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise RequestError(422, "json", f"An image in JSON is a text in base64. {WANTED}")
    if len(texts) > most:
        raise RequestError(413, "too-many", f"A request holds at most {most} images (--max-images).")
    return [Upload("", _decoded(text, n)) for n, text in enumerate(texts)]


def _decoded(text: str, number: int) -> bytes:
    head, comma, rest = text.partition(",")
    if comma and head.startswith("data:") and head.endswith(";base64"):
        text = rest
    try:
        return base64.b64decode(text.encode("ascii").translate(None, b" \t\r\n"), validate=True)
    except ValueError:
        raise RequestError(422, "base64", f"Image {number} is no base64 as RFC 4648 says it.") from None
