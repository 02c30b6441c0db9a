"""Formatting of names and numbers in reports."""

from __future__ import annotations

import math
import unicodedata


def escape_text(text: object) -> str:
    """One line without control characters or lone surrogates."""
    plain = str(text).encode("utf-8", "backslashreplace").decode()
    return "".join(" " if unicodedata.category(c) == "Cc" else c for c in plain)


def truncate(text: object, most: int = 16) -> str:
    """Truncate a name in the middle, because beginnings and ends distinguish names."""
    line = escape_text(text)
    if len(line) <= most:
        return line
    return f"{line[: most // 2]}…{line[len(line) - (most - 1 - most // 2) :]}"


def format_number(value: float) -> str:
    """Format a number with thousands separators and without needless digits."""
    if not math.isfinite(value):
        return "not defined"
    if float(value).is_integer() or 1000 <= abs(value) < 1e15:
        return f"{round(value):,}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    return f"{value:.3g}"
