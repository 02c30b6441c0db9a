"""Data formats, one file each, with CARD, `sniff`, `read`, and `write` where it makes sense."""

from sightline.core.folder import Folder

FORMATS = Folder(__name__, "format")
