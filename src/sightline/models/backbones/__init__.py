"""Backbones: our own networks, one file each; timm and torchvision through one wrapper."""

from sightline.core.folder import Folder

BACKBONES = Folder(__name__, "model")
