"""Attacks on classifiers, one file each: images that look the same and are classified wrongly."""

from sightline.attacks._attack import Victim
from sightline.attacks._ball import Ball, read_ball
from sightline.core.folder import Folder

__all__ = ["ATTACKS", "Ball", "Victim", "read_ball"]

ATTACKS = Folder(__name__, "attack")
