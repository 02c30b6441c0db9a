"""Structured logs: one JSON object per line on stderr; never a file name, a token, or image content."""

from __future__ import annotations

import json
import logging
import time
import traceback
from typing import Any, TextIO

LOGGER = logging.getLogger("sightline.server")
_LONGEST = 300


class JsonLines(logging.Formatter):
    """JSON formatter. Of an exception it writes the type and the location, not the text, which might quote
    the request.
    """

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        entry: dict[str, Any] = {
            "time": f"{moment}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
        }
        fields = getattr(record, "fields", None)
        entry |= {"event": record.getMessage()[:_LONGEST]} if fields is None else fields
        if record.exc_info and record.exc_info[0] is not None:
            places = traceback.extract_tb(record.exc_info[2])[-4:]
            entry["exception"] = record.exc_info[0].__name__
            entry["at"] = [f"{p.filename}:{p.lineno} {p.name}" for p in places]
        return json.dumps(entry, default=str)


def set_up(stream: TextIO, level: int = logging.INFO) -> None:
    """Send the logs of the server and of uvicorn to this stream only."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    for name, least in (("sightline.server", level), ("uvicorn", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(max(level, least))
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL + 1)  # it quotes damaged forms


def log(event: str, level: int = logging.INFO, exc_info: Any = None, **fields: Any) -> None:
    """Write one event with its fields; long texts are cut."""
    if LOGGER.isEnabledFor(level):
        short = {k: v[:_LONGEST] if isinstance(v, str) else v for k, v in fields.items()}
        LOGGER.log(level, event, exc_info=exc_info, extra={"fields": {"event": event, **short}})
