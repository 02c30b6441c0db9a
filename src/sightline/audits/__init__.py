"""Audit: checks of a trained model, one file each, with CARD, run, plant and clean."""

from __future__ import annotations

from sightline.core.folder import Folder

AUDITS = Folder(__name__, "check of an audit")
