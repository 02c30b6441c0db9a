"""`RequestError`: an exception that ends a request with an HTTP error, in the one format of all errors."""

from __future__ import annotations

import json
from collections.abc import Mapping


class RequestError(Exception):
    """Exception that ends a request with an HTTP error.

    Args:
        status: HTTP status.
        reason: One word or two, for programs ("too-large").
        message: For people: what was found, what is expected, the way out.
        headers: Further headers of the answer.
    """

    def __init__(
        self, status: int, reason: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.reason, self.message = status, reason, message
        self.headers = dict(headers or {})
        if status == 503:
            self.headers.setdefault("Retry-After", "1")
        if status == 401:
            self.headers.setdefault("WWW-Authenticate", "Bearer")

    def body(self, path: str) -> bytes:
        """JSON text: {"error": {"status", "reason", "message"}}, and {"error": text} where KServe's protocol
        says so (/v2)."""
        error: object = {"status": self.status, "reason": self.reason, "message": self.message}
        if path == "/v2" or path.startswith("/v2/"):
            error = self.message
        return json.dumps({"error": error}).encode()
