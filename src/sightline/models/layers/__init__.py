"""Layers of our own, one file each."""
