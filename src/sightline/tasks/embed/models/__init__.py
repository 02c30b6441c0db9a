"""Ways to learn vectors: one file each."""
