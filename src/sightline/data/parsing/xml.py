"""XML annotations: safe reading, and writing.

No document type and no entity is accepted, so that nothing can be expanded or downloaded ("billion laughs").
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NoReturn
from xml.etree.ElementTree import Element, TreeBuilder, indent, tostring
from xml.parsers import expat

from sightline.errors import DataError

_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")


class RefusedXml(DataError):
    """XML with a document type or entities; such a file is refused and not read further."""


def read_xml(path: Path) -> Element:
    """The root element of a file.

    Raises:
        RefusedXml: If it declares a document type or entities.
        DataError: If it cannot be opened, is cut off, or is no XML.
    """

    def refuse(*_: Any) -> NoReturn:
        raise RefusedXml(
            f"{path}: line {parser.CurrentLineNumber} declares a document type or entities (<!DOCTYPE, "
            "<!ENTITY), which annotations do not need and attacks use. Take the declaration out."
        )

    builder, parser = TreeBuilder(), expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(path.read_bytes(), True)
    except OSError as error:
        raise DataError(f"{path}: cannot be opened ({error.strerror}).") from error
    except (expat.ExpatError, ValueError, LookupError) as error:
        cut = getattr(error, "code", 0) in _CUT
        what = "the file is cut off" if cut else "the file is no sound XML"
        raise DataError(f"{path}: {what} ({error}). Fetch or export it again.") from error
    return builder.close()


_CUT = {
    expat.errors.codes[name]
    for name in (
        expat.errors.XML_ERROR_NO_ELEMENTS,
        expat.errors.XML_ERROR_UNCLOSED_TOKEN,
        expat.errors.XML_ERROR_PARTIAL_CHAR,
        expat.errors.XML_ERROR_UNCLOSED_CDATA_SECTION,
    )
}


def text_of(element: Element, path: str) -> str:
    """Text of the first element at a path, without spaces around; "" where there is none."""
    return (element.findtext(path) or "").strip()


def number_of(text: str | None) -> float:
    """The number in a text; NaN where there is none."""
    try:
        return float(text or "nan")
    except ValueError:
        return float("nan")


def size_of(height: str | None, width: str | None) -> tuple[int, int] | None:
    """(height, width) of two texts, or None where they are no whole numbers above 0."""
    h, w = number_of(height), number_of(width)
    return (int(h), int(w)) if h > 0 and w > 0 and h % 1 == 0 and w % 1 == 0 else None


def add(parent: Element, tag: str, text: str) -> None:
    """Append an element with a text."""
    child = Element(tag)
    child.text = text
    parent.append(child)


def write_xml(root: Element, path: Path) -> None:
    """Write a tree.

    Raises:
        DataError: If a text holds characters that XML cannot.
    """
    for element in root.iter():
        for text in (element.text or "", *element.attrib.values()):
            if _FORBIDDEN.search(text):
                raise DataError(f"{path}: XML cannot hold {text!r}. Rename the class or the image.")
    indent(root, "\t")
    path.write_bytes(tostring(root, encoding="utf-8", xml_declaration=True) + b"\n")
