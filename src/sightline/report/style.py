"""Figure style: colors of the page, matplotlib settings, and SVG prepared for inlining."""

from __future__ import annotations

import re
from html import escape
from typing import Any

# Light values of the page's colours; page.css holds the dark ones under the same names.
INK, MUTED, RULE, PAPER = "#1f2328", "#59636e", "#d8dee4", "#fefefe"
HIT, MISS = "#1f5f9f", "#c2500a"
SERIES = ("#1f6fb2", "#d35f00", "#00825f", "#a3499a", "#946800", "#4c5b6a")
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1)), (0, (1, 1)))
NAMES = {
    INK: "ink",
    MUTED: "muted",
    RULE: "rule",
    PAPER: "paper",
    HIT: "hit",
    MISS: "miss",
    **{c: f"s{i}" for i, c in enumerate(SERIES)},
}

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "sightline",
    "text.parse_math": False,
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10,
    "axes.labelsize": 10,
    "axes.facecolor": "none",
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "grid.color": RULE,
    "grid.linewidth": 0.8,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 9.5,
    "ytick.labelsize": 9.5,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "legend.frameon": False,
    "legend.fontsize": 9.5,
    "lines.linewidth": 1.9,
    "lines.markersize": 4.5,
    "patch.linewidth": 0,
}


def inline(text: str, prefix: str, label: str) -> str:
    """Prepare matplotlib's SVG for inlining: remove prolog and style, prefix ids."""
    text = text[text.index("<svg") :].strip()
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)
    text = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", text, flags=re.S)
    text = re.sub(r"<!--.*?-->\s*", "", text, flags=re.S)
    used = set(re.findall(r'<[^<>]*(?:href="#|url\(#)([\w.-]+)', text))
    text = re.sub(r"<[^<>]+>", lambda tag: _tag(tag[0], prefix, used), text)
    head, _, body = text.partition(">")
    box = re.search(r'viewBox="[^"]*"', head)
    assert box is not None
    style = "stroke-linejoin:round;stroke-linecap:butt"
    return f'<svg {box[0]} role="img" aria-label="{escape(label)}" style="{style}">{body}'


def _tag(tag: str, prefix: str, used: set[str]) -> str:
    """Rewrite one tag: prefixed ids, CSS colors, the reader's font. Text is never changed."""
    tag = tag.replace("xlink:href", "href")
    tag = re.sub(r' id="([^"]*)"', lambda m: f' id="{prefix}{m[1]}"' if m[1] in used else "", tag)
    tag = re.sub(r'(href="#|url\(#)', rf"\g<1>{prefix}", tag)
    for color, name in NAMES.items():
        tag = tag.replace(color, f"var(--{name},{color})")
    tag = re.sub(r"'DejaVu Sans'(, sans-serif)?", "system-ui, sans-serif", tag)
    return re.sub(r"\s*\n\s*", " ", tag)
