"""Data: formats, reading, checks, splits, loading and augmentation."""
