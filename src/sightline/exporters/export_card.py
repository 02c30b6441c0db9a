"""`ExportCard`: metadata of an export format, available without its library."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ExportCard:
    """Metadata of an export format.

    Attributes:
        name: The name a user writes after --to.
        summary: One line for lists.
        ending: Of its file.
        extra: What must be installed to write and run it; "" for what is always there.
        precisions: What numbers it can compute with, the usual one first: fp32, fp16, int8, int8-dynamic.
        includes: What --include may be: none, postprocess, nms, preprocess.
        any_sides: Whether a file in whole or half precision can take images of several sizes, as those of
            `--resize rect` are.
        named: Whether values inside a file still have the names of the network's, and can be looked at.
    """

    name: str
    summary: str
    ending: str
    extra: str = ""
    precisions: tuple[str, ...] = ("fp32",)
    includes: tuple[str, ...] = ("postprocess", "none")
    any_sides: bool = False
    named: bool = True
