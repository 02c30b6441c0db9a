"""Light runtime: prediction with an exported file, with numpy, Pillow and ONNX Runtime alone.

Nothing here imports torch or scipy, directly or indirectly. Imports are relative, so that the
same files are also the wheel `sightline-runtime` (see packaging/runtime).
"""

from ..quiet import be_quiet

be_quiet()  # before ONNX Runtime is imported
