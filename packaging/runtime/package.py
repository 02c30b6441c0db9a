"""Sightline's light runtime: predictions from an exported model with numpy, Pillow and ONNX Runtime.

from sightline_runtime import Session
for answer in Session("street.onnx").predict(["a.jpg"]):
    print(answer.row)
"""

from .errors import DataError, SightlineError, UnreadableImage, UsageError
from .runtime.session import Answer, Item, Prepared, Session

__all__ = [
    "Answer",
    "DataError",
    "Item",
    "Prepared",
    "Session",
    "SightlineError",
    "UnreadableImage",
    "UsageError",
]
