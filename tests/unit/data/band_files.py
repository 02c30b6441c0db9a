"""Writes TIFFs of many bands, packed in the ways that satellites' and microscopes' programs pack them."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np


def write_tiff(
    path: Path,
    image: np.ndarray,
    *,
    deflate: bool = False,
    apart: bool = False,
    tile: int = 0,
    predictor: bool = False,
    big_endian: bool = False,
) -> None:
    """(H, W, C) of uint8, uint16 or float32."""
    height, width, bands = image.shape
    mark = ">" if big_endian else "<"
    order = image.dtype.newbyteorder(mark)
    planes = [image[..., k : k + 1] for k in range(bands)] if apart else [image]
    rows = tile or 10
    blocks = []
    for plane in planes:
        for top in range(0, height, rows):
            for left in range(0, width, tile or width):
                block = plane[top : top + rows, left : left + (tile or width)]
                if tile:
                    block = np.pad(block, ((0, tile - block.shape[0]), (0, tile - block.shape[1]), (0, 0)))
                if predictor:
                    block = np.concatenate([block[:, :1], np.diff(block, axis=1)], 1)
                data = np.ascontiguousarray(block).astype(order).tobytes()
                blocks.append(zlib.compress(data) if deflate else data)
    kind = 3 if image.dtype.kind == "f" else 1
    short = {
        258: (image.dtype.itemsize * 8,) * bands, 259: 8 if deflate else 1, 262: 1, 277: bands,
        284: 2 if apart else 1, 317: 2 if predictor else 1, 338: (0,) * (bands - 1), 339: (kind,) * bands,
    }  # fmt: skip
    long = {256: width, 257: height}
    names = (324, 325) if tile else (273, 279)
    long |= {322: tile, 323: tile} if tile else {278: rows}
    counts = tuple(map(len, blocks))
    starts = tuple(8 + sum(counts[:i]) for i in range(len(counts)))
    body = b"".join(blocks)
    body += b"\0" * (len(body) % 2)
    entries = {tag: (3, value) for tag, value in short.items()}
    entries |= {tag: (4, value) for tag, value in {**long, names[0]: starts, names[1]: counts}.items()}
    at = 8 + len(body)
    after, table = at + 2 + 12 * len(entries) + 4, struct.pack(f"{mark}H", len(entries))
    beyond = b""
    for tag, (kind_of_tag, value) in sorted(entries.items()):
        values = value if isinstance(value, tuple) else (value,)
        packed = struct.pack(f"{mark}{len(values)}{'H' if kind_of_tag == 3 else 'I'}", *values)
        table += struct.pack(f"{mark}HHI", tag, kind_of_tag, len(values))
        if len(packed) <= 4:
            table += packed.ljust(4, b"\0")
        else:
            table += struct.pack(f"{mark}I", after + len(beyond))
            beyond += packed + b"\0" * (len(packed) % 2)
    head = (b"MM\0*" if big_endian else b"II*\0") + struct.pack(f"{mark}I", at)
    path.write_bytes(head + body + table + b"\0\0\0\0" + beyond)
