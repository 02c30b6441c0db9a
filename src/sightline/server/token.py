"""Bearer token, which is required if other machines can connect."""

from __future__ import annotations

import os
from pathlib import Path

from sightline.console import say
from sightline.errors import UsageError
from sightline.server.access_control import is_loopback

_TOKEN = "SIGHTLINE_TOKEN"
_SHORTEST = 16


def require_token(token: str, host: str) -> None:
    """Refuse to listen for other machines without a token.

    Raises:
        UsageError: If the address can be reached from other machines, and there is no token.
    """
    if not token and not is_loopback(host):
        raise UsageError(
            f"--host {host} can be reached by others, so a token is needed: put at least {_SHORTEST} letters "
            f"into {_TOKEN} or a file named by --token-file. Without one, serve at 127.0.0.1."
        )


def secret(file: Path | None) -> str:
    """The token from the file, or from the environment; empty if there is none. Never from the command line,
    which other users of the machine can read.

    Raises:
        UsageError: If it is too short or cannot stand in a header, or the file cannot be read.
    """
    where = _TOKEN if file is None else str(file)
    try:
        token = os.environ.get(_TOKEN, "") if file is None else file.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise UsageError(
            f"--token-file {file} cannot be read: {getattr(error, 'strerror', error)}."
        ) from error
    if file is None and not token:
        return ""
    if len(token) < _SHORTEST or not token.isascii() or not token.isprintable() or " " in token:
        raise UsageError(f"The token in {where} must be at least {_SHORTEST} letters, without spaces. "
                         "Make one: python -c 'import secrets; print(secrets.token_urlsafe())'.")  # fmt: skip
    if file is not None and os.name == "posix" and file.stat().st_mode & 0o077:
        say(f"Others can read {file}. Close it: chmod 600 {file}.")
    return token
