"""Responses: content negotiation by the Accept header, and documents built from the workers' rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Literal

from sightline.server.jobs import JobResult
from sightline.server.request_error import RequestError
from sightline.server.uploads import Upload

OutputFilter = Literal["row", "jpeg", "png"]
MEDIA: dict[str, OutputFilter] = {"application/json": "row", "image/jpeg": "jpeg", "image/png": "png"}


def wish_of(accept: str | None) -> OutputFilter:
    """Content negotiation: the available format that the Accept header prefers; JSON by default.

    Raises:
        Refused: 406 if it takes none of them.
    """
    best: tuple[float, OutputFilter | None] = (0.0, None)
    for part in (accept or "*/*").split(","):
        kind, *settings = (text.strip().lower() for text in part.split(";"))
        weight = 1.0
        for setting in settings:
            name, _, value = setting.partition("=")
            if name.strip() == "q":
                weight = _number(value)
        wish: OutputFilter | None = MEDIA.get(kind)
        if kind in ("*/*", "application/*", ""):
            wish = "row"
        elif kind == "image/*":
            wish = "jpeg"
        if wish and weight > best[0]:
            best = weight, wish
    if best[1] is None:
        raise RequestError(
            406, "accept", f"There is {', '.join(MEDIA)}; the Accept header takes none of them."
        )
    return best[1]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def validate(answers: Sequence[JobResult]) -> None:
    """Return if at least one image was predicted and no server error occurred.

    Raises:
        RequestError: With the status of the failure; or of the first image, if none could be used.
    """
    for answer in answers:
        if answer.status >= 500:
            raise RequestError(answer.status, answer.reason, answer.message)
    if all(answer.status != 200 for answer in answers):
        first, n = answers[0], len(answers)
        text = first.message if n == 1 else f"None of {n} images can be used. The first: {first.message}"
        raise RequestError(first.status, first.reason, text)


def to_document(model: str, sent: Sequence[Upload], answers: Sequence[JobResult]) -> bytes:
    """JSON text: {"model", "predictions": [{"path", ...} or {"path", "error"}]}, in their order.

    The rows are JSON already, written by the workers, and only put together here.
    """
    entries = []
    for k, (upload, answer) in enumerate(zip(sent, answers, strict=True)):
        path = json.dumps(upload.name or str(k), ensure_ascii=False).encode("utf-8", "replace")
        if answer.status == 200:
            assert isinstance(answer.content, bytes)
            rest = b"}" if answer.content == b"{}" else b", " + answer.content[1:]
        else:
            error = {"status": answer.status, "reason": answer.reason, "message": answer.message}
            rest = b', "error": ' + json.dumps(error).encode() + b"}"
        entries.append(b'{"path": ' + path + rest)
    return b'{"model": %s, "predictions": [%s]}' % (json.dumps(model).encode(), b", ".join(entries))
