"""Formats that models are exported to: one file each, with CARD, write, and runner for what was written."""

from sightline.core.folder import Folder

EXPORTERS = Folder(__name__, "format of exported models")
