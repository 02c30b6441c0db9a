"""Data checks: one file for each kind of problem, with CARD and `run`."""

from sightline.core.folder import Folder

CHECKS = Folder(__name__, "check")
