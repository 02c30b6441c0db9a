"""Augmentation: random transforms of whole batches."""
