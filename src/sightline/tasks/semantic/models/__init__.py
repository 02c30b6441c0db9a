"""Semantic segmentation methods, one file each with CARD and MODEL."""
