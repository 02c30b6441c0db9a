"""Ways to write captions: one file each."""
