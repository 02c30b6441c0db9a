"""TIFF files of any size that we allow."""

from __future__ import annotations

from PIL import Image, ImageFile, TiffImagePlugin


class Tiff(TiffImagePlugin.TiffImageFile):
    """A TIFF whose size has been judged: Pillow would judge it again, by a limit that is global."""

    def load_prepare(self) -> None:
        """Make room for the pixels."""
        if self._im is None:
            self.im = Image.core.new(self.mode, self._tile_size)  # type: ignore[attr-defined]
        ImageFile.ImageFile.load_prepare(self)
