"""Names and numbers as the report writes them."""

from __future__ import annotations

import math
import unicodedata


def clean(text: object) -> str:
    """One line without control characters or halves of characters."""
    plain = str(text).encode("utf-8", "backslashreplace").decode()
    return "".join(" " if unicodedata.category(c) == "Cc" else c for c in plain)


def short(text: object, most: int = 16) -> str:
    """A name cut in its middle: beginnings and ends tell names apart."""
    line = clean(text)
    if len(line) <= most:
        return line
    return f"{line[: most // 2]}…{line[len(line) - (most - 1 - most // 2) :]}"


def number(value: float) -> str:
    """A number as people write it: thousands apart, no needless digits."""
    if not math.isfinite(value):
        return "not defined"
    if float(value).is_integer() or 1000 <= abs(value) < 1e15:
        return f"{round(value):,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    return f"{value:.3g}"
