"""Heads: layers that turn the feature maps of a neck into outputs."""
