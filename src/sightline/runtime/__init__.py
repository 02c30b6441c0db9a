"""Predictions from an exported file with the standard library, numpy, Pillow and ONNX Runtime alone.

Nothing here imports torch or scipy, nor anything of this tree that does. Imports are relative, so that the
same files are also the wheel `sightline-runtime` (see packaging/runtime).
"""

from ..quiet import be_quiet

be_quiet()  # before ONNX Runtime is imported
