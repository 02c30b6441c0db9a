"""Necks: what mixes the maps of a backbone, one file each."""
