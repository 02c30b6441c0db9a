"""Data checks: one file per kind of trouble, with CARD and run."""

from sightline.core.folder import Folder

CHECKS = Folder(__name__, "check")
