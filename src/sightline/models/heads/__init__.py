"""Heads: what reads the maps, and how they are matched with truths."""
