"""Trainers: ways of training, one file each with CARD and `train`; a model's card names one."""

from sightline.core.folder import Folder

TRAINERS = Folder(__name__, "trainer")
