"""Ways to detect, one file each."""
