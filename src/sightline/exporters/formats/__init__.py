"""Export formats, one file each, with CARD, `write`, and `runner` for the written file."""

from sightline.core.folder import Folder

EXPORTERS = Folder(__name__, "format of exported models")
