"""Data loading: preprocessing, batches, and tiles."""
