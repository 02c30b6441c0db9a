"""Pretrained weights: installed packages, downloads, and loading into a network."""
