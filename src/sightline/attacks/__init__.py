"""Attacks on classifiers, one file each: images that look the same and are classified wrongly."""

from sightline.core.folder import Folder

ATTACKS = Folder("sightline.attacks", "attack")
